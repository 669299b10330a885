from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.lab.data.history import History, make_history
from core.lab.run.result import TradeColumns
from core.lab.statistics.excursions import excursions
from tests.core.lab.samples import FROM_MS, MINUTE_MS, trades_of


def history_of(low: list[float], high: list[float], symbols: tuple[str, ...] = ("BTCUSDT",)) -> History:
    lows, highs = (np.tile(np.array(values, np.float64), (len(symbols), 1)) for values in (low, high))
    times = FROM_MS + np.arange(len(low), dtype=np.int64) * MINUTE_MS
    middle = (lows + highs) / 2
    columns = (middle, highs, lows, middle, np.ones_like(middle))
    return make_history(symbols, MINUTE_MS, times, columns, 0, (), "made", True)


LOW = [99.0, 97.0, 98.0, 90.0, 80.0]
HIGH = [101.0, 102.0, 106.0, 110.0, 130.0]


def trade(entry_ms: int, exit_ms: int, reason: str, side: int = 1, gross: float = 1.0) -> TradeColumns:
    entered = FROM_MS + entry_ms
    return trades_of([gross], sides=[side], reasons=[reason], entry_ms=[entered], held_ms=exit_ms - entry_ms)


def test_a_trade_sees_the_whole_bars_from_its_entry_to_the_bar_of_its_exit() -> None:
    # From the first price of bar 1 to that of bar 3: bars 1 and 2.
    found = excursions(trade(MINUTE_MS + 1_000, 3 * MINUTE_MS + 1_000, "reversal"), history_of(LOW, HIGH))
    assert found.adverse_pct == pytest.approx([3.0])
    assert found.favourable_pct == pytest.approx([6.0])


def test_a_short_turns_them_round() -> None:
    found = excursions(trade(MINUTE_MS + 1_000, 3 * MINUTE_MS + 1_000, "reversal", -1), history_of(LOW, HIGH))
    assert found.adverse_pct == pytest.approx([6.0])
    assert found.favourable_pct == pytest.approx([3.0])


@pytest.mark.parametrize(("reason", "adverse", "favourable"), [("stop", 3.0, 6.0), ("reversal", 10.0, 10.0)])
def test_the_bar_that_reached_the_stop_counts_with_the_stop_alone(
    reason: str, adverse: float, favourable: float
) -> None:
    found = excursions(trade(MINUTE_MS, 4 * MINUTE_MS, reason, gross=-2.0), history_of(LOW, HIGH))
    assert found.adverse_pct == pytest.approx([adverse])
    assert found.favourable_pct == pytest.approx([favourable])


def test_a_trade_within_one_bar_has_its_own_prices_alone() -> None:
    found = excursions(trade(1_000, MINUTE_MS, "target", gross=4.0), history_of(LOW, HIGH))
    assert found.adverse_pct == pytest.approx([0.0])
    assert found.favourable_pct == pytest.approx([4.0])


def test_a_missing_bar_says_nothing() -> None:
    low, high = list(LOW), list(HIGH)
    low[2] = high[2] = float("nan")
    found = excursions(trade(MINUTE_MS + 1_000, 3 * MINUTE_MS + 1_000, "reversal"), history_of(low, high))
    assert found.favourable_pct == pytest.approx([2.0])


@given(st.data())
def test_every_trade_is_what_a_loop_over_its_bars_finds(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 1_000)))
    middle = rng.uniform(90.0, 110.0, 60)
    history = history_of((middle - 2).tolist(), (middle + 2).tolist(), ("BTCUSDT", "ETHUSDT"))
    spans = data.draw(st.lists(st.tuples(st.integers(0, 59), st.integers(0, 60)).filter(lambda s: s[0] < s[1])))
    trades = trades_of(
        [0.0] * len(spans),
        symbols=[data.draw(st.sampled_from(history.symbols)) for _ in spans],
        reasons=["reversal"] * len(spans),
        entry_ms=[FROM_MS + begin * MINUTE_MS for begin, _ in spans],
    )
    exits = np.array([FROM_MS + end * MINUTE_MS for _, end in spans], np.int64)
    found = excursions(replace(trades, exit_time_ms=exits), history)
    for i, (begin, end) in enumerate(spans):
        assert found.adverse_pct[i] == pytest.approx(max(0.0, 100.0 - history.low[0, begin:end].min()))
        assert found.favourable_pct[i] == pytest.approx(max(0.0, history.high[0, begin:end].max() - 100.0))
