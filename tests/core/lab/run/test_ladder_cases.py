"""Several targets of one trade over candles, each case with its one right answer: of the event-driven run, and of
trader and venue told every event. No costs; the entry is at the open of the second candle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from core.domain.errors import BadInputError
from core.lab.run.event_driven import run_event_driven
from core.lab.run.result import trade_columns
from core.lab.sweep import sweep
from core.lab.sweep.prepared import prepare
from core.position.kit.trailing import trailing
from core.position.ladder import Ladder
from core.position.policy import ADD, HOLD, Candle, ExitPolicy, Held
from core.settings.schema import parse_settings
from core.strategy.declaration import Strategy
from core.trader.trader import Trader
from core.venues.rebuild import journalled_venue
from tests.core.lab.plain_run import plain_run
from tests.core.lab.run.test_exit_cases import (
    C0,
    FREE,
    FROM_MS,
    HOUR_MS,
    LIVE_CODE,
    SYMBOL,
    Prices,
    history_of,
    mirrored,
    part_off,
    settings_of,
    strategy_of,
    values_of,
)
from tests.core.lab.walks import INSTRUMENTS, random_walk
from tests.core.trader.desk import make_strategy

HALVES: Ladder = ((2.0, 0.5), (4.0, 0.5))


def laddered(ladder: Ladder, *policies: ExitPolicy, stop_pct: float = 10.0) -> Strategy:
    return replace(strategy_of(*policies, stop_pct=stop_pct), ladder=ladder)


CASES: dict[str, tuple[Strategy, Sequence[Prices], int, float, str]] = {
    # 0.2 at 5,000; the targets lie at 5,100 and 5,200, the stop at 4,500.
    "one after the other": (
        laddered(HALVES),
        [C0, (5000, 5110, 4990, 5100), (5100, 5190, 5090, 5150), (5150, 5210, 5140, 5200)],
        4,
        (5100 + 5200) / 2,
        "target",
    ),
    "both in one bar": (laddered(HALVES), [C0, (5000, 5300, 4990, 5250)], 2, (5100 + 5200) / 2, "target"),
    "a gap above both fills both at its first price": (
        laddered(HALVES),
        [C0, (5400, 5500, 5390, 5400)],
        2,
        5400.0,
        "target",
    ),
    "a gap between the two": (
        laddered(HALVES),
        [C0, (5150, 5220, 5120, 5200)],
        2,
        (5150 + 5200) / 2,
        "target",
    ),
    "stop and targets in one bar: the stop was first": (
        laddered(HALVES),
        [C0, (5000, 5300, 4400, 5000)],
        2,
        4500.0,
        "stop",
    ),
    "the first target, then the stop with what is left": (
        laddered(HALVES),
        [C0, (5000, 5120, 4990, 5100), (5100, 5110, 4400, 4450)],
        3,
        (5100 + 4500) / 2,
        "stop",
    ),
    "the stop of the rest is first in the bar of the second target": (
        laddered(HALVES),
        [C0, (5000, 5120, 4990, 5100), (5100, 5250, 4400, 4450)],
        3,
        (5100 + 4500) / 2,
        "stop",
    ),
    "what the shares leave is trailed": (
        laddered(((2.0, 0.25), (4.0, 0.25)), trailing(2.0)),
        [C0, (5000, 5300, 4990, 5300), (5300, 5310, 5100, 5150)],
        3,
        (0.25 * 5100 + 0.25 * 5200 + 0.5 * 5194),
        "stop",
    ),
    "a share that a policy takes falls on all targets": (
        laddered(HALVES, part_off(0.5, 1.0)),
        [C0, (5000, 5060, 4990, 5060), (5060, 5070, 5050, 5060), (5060, 5300, 5050, 5250)],
        4,
        (0.5 * 5060 + 0.25 * 5100 + 0.25 * 5200),
        "target",
    ),
}


BOTH_SIDES = [(case, sign) for case in CASES for sign in (1, -1) if sign > 0 or "trailed" not in case]
"""A percentage of the best price is another one in the mirrored market."""


@LIVE_CODE
@pytest.mark.parametrize(("case", "sign"), BOTH_SIDES)
def test_each_target_closes_its_part_where_and_when_it_must(engine: Any, case: str, sign: int) -> None:
    strategy, bars, bar, price, reason = CASES[case]
    whole = [C0, *bars, *[(bars[-1][3],) * 4] * 3]
    if sign < 0:
        whole, price = [mirrored(one) for one in whole], 10_000.0 - price
    trades = engine(whole, settings_of(), strategy, {0: 20.0 * sign})
    assert trades.entry_price.tolist() == [5000.0]
    assert trades.qty.tolist() == [0.2]
    assert trades.exit_price.tolist() == pytest.approx([price], abs=1e-9)
    assert (trades.exit_time_ms.item() - FROM_MS - 1) // HOUR_MS == bar
    assert trades.exit_reason.tolist() == [reason]
    assert trades.gross_usdt.item() == pytest.approx(sign * 0.2 * (price - 5_000.0))


@LIVE_CODE
def test_half_a_unit_each_at_eleven_thirteen_and_fifteen(engine: Any) -> None:
    """Closes of 1, 2, 3 and so on; 1.5 are bought at 7."""
    bars = [(float(n), float(n), float(n), float(n)) for n in range(1, 20)]
    ladder = ((100 * 4 / 7, 1 / 3), (100 * 6 / 7, 1 / 3), (100 * 8 / 7, 1 / 3))
    settings = settings_of(sizing={"notional_usdt": 9.0})  # at the close of 6 that was decided on
    trades = engine(bars, settings, laddered(ladder), {5: 20.0})
    assert (trades.entry_price.tolist(), trades.qty.tolist()) == ([7.0], [1.5])
    assert trades.exit_price.tolist() == [13.0]


@LIVE_CODE
def test_volume_that_is_short_fills_the_nearest_first(engine: Any) -> None:
    bars: Sequence[Prices] = [C0, C0, (5000, 5300, 4990, 5250), *[(5250.0,) * 4] * 6]
    settings = settings_of(costs={"slippage_bps": 0.0, "impact_bps": 0.0, "max_participation_pct": 0.00001})
    trades = engine(bars, settings, laddered(HALVES), {0: 20.0})
    # A tenth of a unit a bar: two bars bring the entry; the first target takes all of the third, the second the rest at
    # what the market has come to.
    assert trades.qty.item() == pytest.approx(0.2)
    assert trades.exit_reason.tolist() == ["target"]


def test_the_sweep_refuses_several_targets_in_words() -> None:
    bars = [C0] * 4
    with pytest.raises(BadInputError, match="the sweep cannot run several targets of one trade; use quarterdeck"):
        sweep.run(
            prepare(history_of(bars), FREE, Decimal(0)),
            settings_of(),
            laddered(HALVES),
            values_of(len(bars), {0: 20.0}),
        )


def _pyramid(state: Any, held: Held, bar: Candle, values: Any, parameters: Any) -> tuple[int, float]:
    """Five units more two and four above the entry of seven, decided on at the close before."""
    bought = round(held.opened_qty / 5.0)
    wanted = bought < 3 and bar.close >= 6.0 + 2.0 * bought
    return (ADD, 5.0 / held.qty) if wanted else (HOLD, 0.0)


@LIVE_CODE
def test_five_units_each_at_seven_nine_and_eleven(engine: Any) -> None:
    bars = [(float(n), float(n), float(n), float(n)) for n in range(1, 20)]
    pyramid = ExitPolicy("pyramid", _pyramid, says=(ADD,))
    settings = settings_of(sizing={"notional_usdt": 30.0})
    trades = engine(bars, settings, laddered(((100.0, 1.0),), pyramid, stop_pct=40.0), {5: 20.0})
    assert (trades.entry_price.tolist(), trades.qty.tolist()) == ([9.0], [15.0])
    # The target stays at twice the first fill.
    assert (trades.exit_price.tolist(), trades.exit_reason.tolist()) == ([14.0], ["target"])


@LIVE_CODE
def test_the_stop_covers_what_was_added(engine: Any) -> None:
    bars: Sequence[Prices] = [C0, C0, (5000, 5110, 4990, 5100), C0, (5000, 5010, 4400, 4450), *[(4450.0,) * 4] * 3]
    once = ExitPolicy("once more", _once, (5_100.0,), says=(ADD,))
    trades = engine(bars, settings_of(), laddered(HALVES, once), {0: 20.0})
    # 0.2 at 5,000, of which half leaves at 5,100; as much as is left again at the next open of 5,000; all at 4,500.
    assert (trades.qty.tolist(), trades.entry_price.tolist()) == ([0.3], [5_000.0])
    assert trades.exit_price.tolist() == pytest.approx([(0.1 * 5_100 + 0.2 * 4_500) / 0.3])
    assert trades.exit_reason.tolist() == ["stop"]


def _once(state: Any, held: Held, bar: Candle, values: Any, parameters: Any) -> tuple[int, float]:
    """As much again, once, at a close from the price on."""
    return (ADD, 1.0) if bar.close >= parameters[0] and held.opened_qty < 0.25 else (HOLD, 0.0)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_run_that_passes_over_quiet_bars_is_one_that_is_told_all(seed: int) -> None:
    history = random_walk(seed, 1)
    settings = parse_settings({"limits": {"max_trades_per_day": 500, "max_losses_in_row": 500}}, "the walk")
    plain = make_strategy(exits=(), lifecycle=None, cooldown_ms=0, stop_pct=0.4)
    strategy = replace(plain, ladder=((0.15, 0.3), (0.3, 0.3), (0.6, 0.4)))
    rng = np.random.default_rng(seed)
    bps = np.where(rng.random(len(history)) < 0.03, rng.choice([-20.0, 20.0], len(history)), 0.0)
    values = np.stack([bps, np.full(len(history), 0.5)], axis=1)
    trader, venue = Trader("case", strategy, settings, INSTRUMENTS), journalled_venue(INSTRUMENTS, settings)
    driven_run = run_event_driven(history, trader, venue, values={SYMBOL: values}).trades
    told_run = trade_columns(plain_run(history, INSTRUMENTS, settings, strategy, values[None]).trades)
    assert len(driven_run) > 10
    assert {"stop", "target"} >= set(driven_run.exit_reason.tolist())
    for item in fields(driven_run):
        assert np.array_equal(getattr(driven_run, item.name), getattr(told_run, item.name)), item.name
