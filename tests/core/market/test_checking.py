from __future__ import annotations

import numpy as np
import pytest

from core.market.checking import bar_problems, first_bad_bar, first_bad_rate, gaps
from core.ports import BarColumns

MINUTE = 60_000


def columns(minutes: list[int], volume: list[float] | None = None) -> BarColumns:
    size = len(minutes)
    price = np.full(size, 10.0)
    times = np.array(minutes, dtype=np.int64) * MINUTE
    volumes = np.array(volume if volume is not None else [1.0] * size)
    return BarColumns("BTCUSDT", MINUTE, times, price.copy(), price + 1, price - 1, price.copy(), volumes)


def test_whole_bars_have_no_problem() -> None:
    assert bar_problems(columns([1, 2, 3])) == []


def test_gaps_are_told_with_their_ends() -> None:
    found = bar_problems(columns([1, 2, 5, 6, 8]))
    assert [(p.kind, p.from_ms // MINUTE, p.to_ms // MINUTE, p.count) for p in found] == [
        ("gap", 3, 4, 2),
        ("gap", 7, 7, 1),
    ]


def test_runs_without_volume_are_told_once() -> None:
    found = bar_problems(columns([1, 2, 3, 4, 5], [0, 1, 0, 0, 1]))
    assert [(p.kind, p.from_ms // MINUTE, p.count) for p in found] == [("zero_volume", 1, 1), ("zero_volume", 3, 2)]


def test_impossible_bars_and_strange_times_are_told() -> None:
    bars = columns([1, 2, 3])
    bars.high[1] = 5.0
    bars.open_time_ms[2] += 7
    assert [(p.kind, p.count) for p in bar_problems(bars)] == [("impossible", 1), ("off_grid", 1)]
    assert bar_problems(bars)[0].as_dict() == {
        "symbol": "BTCUSDT",
        "interval": "1m",
        "kind": "impossible",
        "from_ms": 2 * MINUTE,
        "to_ms": 2 * MINUTE,
        "count": 1,
        "text": "1 bars whose prices or volume cannot be",
    }


def test_a_late_funding_time_is_no_gap() -> None:
    step = 480 * MINUTE
    times = np.array([0, step + 12, 2 * step + 3, 5 * step], dtype=np.int64)
    assert [(p.from_ms, p.count) for p in gaps("BTCUSDT", times, step)] == [(3 * step + 3, 2)]


def test_a_jump_is_told_between_its_bars() -> None:
    bars = columns(list(range(100)))
    bars.close[60:] = bars.high[60:] = 20.0
    (found,) = bar_problems(bars)
    assert (found.kind, found.from_ms // MINUTE, found.to_ms // MINUTE, found.count) == ("jump", 59, 60, 1)
    assert found.text.startswith("the price moves by +100.00 %")


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("high", 1e300, "price 1e+300 is no market's: prices lie between 1e-12 and 1e+12"),
        ("low", 1e-300, "price 1e-300 is no market's: prices lie between 1e-12 and 1e+12"),
        ("volume", 1e300, "volume 1e+300 is no market's: none trades more than 1e+18 in a bar"),
    ],
)
def test_a_figure_that_no_market_has_cannot_be(column: str, value: float, said: str) -> None:
    bars = columns([1, 2, 3])
    getattr(bars, column)[1] = value
    assert first_bad_bar(bars) == (1, said)
    assert [(p.kind, p.from_ms // MINUTE) for p in bar_problems(bars, None)] == [("impossible", 2)]


def test_premiums_may_be_small_and_negative_and_not_without_end() -> None:
    bars = columns([1, 2, 3])
    for column, change in ((bars.open, 0), (bars.high, 1e-300), (bars.low, -1e-300), (bars.close, 0)):
        column[:] = change
    assert first_bad_bar(bars, may_be_negative=True) is None
    bars.low[2] = -1e300
    bad = first_bad_bar(bars, may_be_negative=True)
    assert bad is not None
    assert bad[0] == 2


@pytest.mark.parametrize("mark", [1e300, 1e-300])
def test_funding_at_a_price_that_no_market_has_cannot_be(mark: float) -> None:
    times, rates = np.array([0, 480 * MINUTE]), np.array([1e-4, 1e-4])
    bad = first_bad_rate(times, rates, np.array([100.0, mark]))
    assert bad == (1, f"mark price {mark} is no market's: prices lie between 1e-12 and 1e+12")
