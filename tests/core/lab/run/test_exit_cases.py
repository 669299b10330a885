"""Exits by hand over candles, each with its one right answer: of the event-driven run, of trader and venue told every
event, and of the sweep. No costs; the entry is at the open of the second candle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from core.domain.errors import BadInputError
from core.domain.market import MINUTE_MS
from core.lab.data.history import make_history
from core.lab.run.event_driven import run_event_driven
from core.lab.run.result import TradeColumns, trade_columns
from core.lab.sweep import sweep
from core.lab.sweep.prepared import prepare
from core.position.kit.break_even import break_even
from core.position.kit.hard_loss import hard_loss
from core.position.kit.profit_lock import profit_lock
from core.position.kit.reversal import reversal
from core.position.kit.roi import roi
from core.position.kit.time_limit import time_limit
from core.position.kit.trailing import trailing
from core.position.policy import HOLD, REDUCE, Candle, ExitPolicy, Held
from core.settings.schema import Settings, parse_settings
from core.strategy.declaration import Strategy
from core.trader.trader import Trader
from core.venues.rebuild import journalled_venue
from tests.core.lab.plain_run import plain_run
from tests.core.lab.walks import CONTRACT, FROM_MS
from tests.core.trader.desk import make_strategy

Prices = tuple[float, float, float, float]
SYMBOL = "WALKUSDT"
HOUR_MS = 60 * MINUTE_MS
FIRST_PRICE_MS = 1_000
C0: Prices = (5000.0, 5050.0, 4950.0, 5000.0)
FREE = {
    SYMBOL: replace(
        CONTRACT,
        maker_fee_bps=Decimal(0),
        taker_fee_bps=Decimal(0),
        liquidation_fee_bps=Decimal(0),
        maintenance_margin_pct=Decimal("0.4"),
        min_lots=10,
    )
}


def settings_of(**sections: dict[str, Any]) -> Settings:
    wide = {"max_order_notional_usdt": 1e9, "max_leverage": 125.0, "max_exposure_pct": 1e5, "max_drawdown_pct": 99.0}
    deep = {"max_stop_distance_pct": 50.0, "day_loss_usdt": 1e9, "day_loss_pct": 99.0}
    return parse_settings(
        {
            "market": {"interval_minutes": 60},
            "costs": {"slippage_bps": 0.0, "impact_bps": 0.0, "max_participation_pct": 0.0},
            "account": {"leverage": 2},
            "sizing": {"notional_usdt": 1_000.0},
            "limits": wide | deep,
        }
        | sections,
        "the case",
    )


def strategy_of(*policies: ExitPolicy, stop_pct: float = 10.0) -> Strategy:
    plain = make_strategy(exits=(), lifecycle=None, stop_pct=stop_pct, cooldown_ms=0, target_pct=500.0)
    return replace(plain, policies=policies)


def values_of(count: int, said: dict[int, float]) -> np.ndarray[Any, Any]:
    bps = np.array([said.get(slot, np.nan) for slot in range(count)])
    return np.stack([bps, np.where(np.isnan(bps), np.nan, 0.5)], axis=1)[None]


def history_of(bars: Sequence[Prices]) -> Any:
    columns = [np.array([[bar[i] for bar in bars]]) for i in range(4)] + [np.full((1, len(bars)), 1e6)]
    times = FROM_MS + np.arange(len(bars), dtype=np.int64) * HOUR_MS
    return make_history([SYMBOL], HOUR_MS, times, columns, 0, (), "by hand", True)


def driven(bars: Sequence[Prices], settings: Settings, strategy: Strategy, said: dict[int, float]) -> TradeColumns:
    trader, venue = Trader("case", strategy, settings, FREE), journalled_venue(FREE, settings)
    values = {SYMBOL: values_of(len(bars), said)[0]}
    return run_event_driven(history_of(bars), trader, venue, values=values).trades


def told(bars: Sequence[Prices], settings: Settings, strategy: Strategy, said: dict[int, float]) -> TradeColumns:
    values = values_of(len(bars), said)
    return trade_columns(plain_run(history_of(bars), FREE, settings, strategy, values).trades)


def swept(bars: Sequence[Prices], settings: Settings, strategy: Strategy, said: dict[int, float]) -> TradeColumns:
    prepared = prepare(history_of(bars), FREE, Decimal(0))
    return sweep.run(prepared, settings, strategy, values_of(len(bars), said)).trades


LIVE_CODE = pytest.mark.parametrize("engine", [driven, told])
ENGINES = pytest.mark.parametrize("engine", [driven, told, swept])

GAP = (5000.0, 5150.0, 4650.0, 4750.0)
CASES: dict[str, tuple[Strategy, Sequence[Prices], int, float, str]] = {
    "trailing": (
        strategy_of(trailing(10.0)),
        [C0, (5000, 5250, 4750, 4850), (4850, 5050, 4650, 4750)],
        3,
        4725.0,
        "stop",
    ),
    "a gap through a trail that was reached": (
        strategy_of(trailing(3.0, from_pct=5.0)),
        [(5000, 5100, 4950, 5100), (5100, 5251, 5100, 5100), GAP],
        3,
        5000.0,
        "stop",
    ),
    "a trail that was reached, and is past at the close": (
        strategy_of(trailing(3.0, from_pct=5.0)),
        [(5000, 5100, 4950, 5100), (5100, 5251, 5000, 5090), (4850, 5050, 4650, 4750)],
        3,
        4850.0,
        "trailing stop",
    ),
    "a trail is reached in one bar and met in the next": (
        strategy_of(trailing(3.0, from_pct=5.0)),
        [(5000, 5100, 4950, 5100), (5100, 5251, 5000, 5100), (4850, 5050, 4650, 4750)],
        3,
        4850.0,
        "stop",
    ),
    "a trail from the entry waits for the next bar": (
        strategy_of(trailing(1.0)),
        [(5000, 5500, 4900, 4900), (4890, 4900, 4850, 4880)],
        2,
        4890.0,
        "trailing stop",
    ),
    "any profit after two hours": (
        strategy_of(roi({0: 10.0, 120: 0.0})),
        [(5000, 5025, 4975, 4987), (4987, 5300, 4950, 5050), (4980, 5000, 4940, 4962)],
        3,
        4980.0,
        "profit is enough",
    ),
    "a percent after two hours": (
        strategy_of(roi({0: 10.0, 120: 1.0})),
        [(5000, 5025, 4975, 4987), (4987, 5300, 4950, 5200), (5200, 5220, 4940, 4962)],
        3,
        5200.0,
        "profit is enough",
    ),
    "two hours": (
        strategy_of(time_limit(2.0 * HOUR_MS)),
        [(5000, 5025, 4975, 4987), (4987, 5300, 4950, 5050), (4980, 5000, 4940, 4962)],
        3,
        4980.0,
        "time limit",
    ),
    "the entry once there was a profit": (
        strategy_of(break_even(2.0, beyond_bps=10.0)),
        [(5000, 5110, 4990, 5050), (5050, 5060, 4900, 4950)],
        2,
        5005.0,
        "stop",
    ),
    "half of the best profit": (
        strategy_of(profit_lock(2.0, 0.5)),
        [(5000, 5200, 4990, 5150), (5150, 5160, 5000, 5010)],
        2,
        5100.0,
        "stop",
    ),
    # 1,000 USDT at 5,000 are 0.2: fifty USDT are 250 a unit.
    "the largest loss, in the bar of the entry": (
        strategy_of(hard_loss(50.0)),
        [(5000, 5010, 4740, 5000)],
        1,
        4750.0,
        "stop",
    ),
    "the stop of the entry where it is nearer": (
        strategy_of(hard_loss(50.0), stop_pct=3.0),
        [(5000, 5010, 4740, 5000)],
        1,
        4850.0,
        "stop",
    ),
    "who closes before who only moves the stop": (
        strategy_of(trailing(3.0), time_limit(1.0 * HOUR_MS)),
        [(5000, 5250, 4990, 5200), (5200, 5210, 5190, 5200)],
        2,
        5200.0,
        "time limit",
    ),
    "the nearest of two stops": (
        strategy_of(trailing(10.0), trailing(3.0, reason="near"), trailing(5.0)),
        [(5000, 5000, 4990, 5000), (5000, 5000, 4700, 4700)],
        2,
        4850.0,
        "stop",
    ),
}


@ENGINES
@pytest.mark.parametrize("case", CASES)
def test_a_long_leaves_where_and_when_it_must(engine: Any, case: str) -> None:
    strategy, bars, bar, price, reason = CASES[case]
    last = bars[-1][3]
    trades = engine([C0, *bars, *[(last,) * 4] * 3], settings_of(), strategy, {0: 20.0})
    assert trades.entry_price.tolist() == [5000.0]
    assert trades.exit_price.tolist() == [price]
    assert (trades.exit_time_ms.item() - FROM_MS - 1) // HOUR_MS == bar
    assert trades.exit_reason.tolist() == [reason]


def mirrored(bar: Prices) -> Prices:
    open_, high, low, close = (10_000.0 - price for price in bar)
    return open_, low, high, close


@ENGINES
@pytest.mark.parametrize("case", ["two hours", "any profit after two hours", "half of the best profit"])
def test_a_short_leaves_where_the_long_of_the_mirrored_market_does(engine: Any, case: str) -> None:
    strategy, bars, bar, price, reason = CASES[case]
    bars = [mirrored(one) for one in (C0, *bars, *[(bars[-1][3],) * 4] * 3)]
    trades = engine(bars, settings_of(), strategy, {0: -20.0})
    assert trades.exit_price.tolist() == [10_000.0 - price]
    assert (trades.exit_time_ms.item() - FROM_MS - 1) // HOUR_MS == bar
    assert trades.exit_reason.tolist() == [reason]


@ENGINES
def test_a_liquidation_that_is_nearer_than_the_stop_comes_first(engine: Any) -> None:
    bars: Sequence[Prices] = [C0, C0, (5000, 5010, 4250, 4300), *[(4300.0,) * 4] * 2]
    trades = engine(bars, settings_of(account={"leverage": 20}), strategy_of(trailing(10.0)), {0: 20.0})
    assert trades.exit_reason.tolist() == ["liquidation"]
    # 5,000 * (1 - 1 / 20) / (1 - 0.004), against the position to the next tick: 95.38 of an entry at 100
    assert trades.exit_price.tolist() == [4_769.07]


@ENGINES
def test_what_was_forecast_is_told_to_the_exits(engine: Any) -> None:
    strategy = strategy_of(reversal(5.0))
    trades = engine([C0] * 8, settings_of(), strategy, {0: 20.0, 2: -4.0, 4: -6.0})
    assert trades.exit_time_ms.tolist() == [FROM_MS + 5 * HOUR_MS + FIRST_PRICE_MS]
    assert trades.exit_reason.tolist() == ["forecast turned"]


@ENGINES
def test_the_second_trade_remembers_nothing_of_the_first(engine: Any) -> None:
    rise = [C0, (5000, 6000, 5000, 6000), (5500, 5500, 4000, 4000)]
    bars = [*rise, *[(4000.0,) * 4] * 2, *[(4000.0,) * 4] * 4]
    trades = engine(bars, settings_of(), strategy_of(trailing(10.0)), {0: 20.0, 4: 20.0})
    assert trades.exit_price.tolist() == [5400.0]


def test_a_trader_refuses_an_exit_that_it_could_not_carry_out() -> None:
    more = replace(time_limit(1.0, reason="more"), says=(7,))
    with pytest.raises(BadInputError, match="its exit 'more' may 7, which no trade here does"):
        Trader("case", strategy_of(more), settings_of(), FREE)


def _part_off(state: Any, held: Held, bar: Candle, values: Any, parameters: Any) -> tuple[int, float]:
    """A share of what is left once the close is a percentage ahead; each share of its own further ahead."""
    taken = round(np.log(held.qty / held.opened_qty) / np.log(1.0 - parameters[0]))
    ahead_pct = 100.0 * held.sign * (bar.close / held.entry_price - 1.0)
    return (REDUCE, parameters[0]) if ahead_pct >= parameters[1] * (taken + 1) else (HOLD, 0.0)


def part_off(share: float, each_pct: float) -> ExitPolicy:
    return ExitPolicy("part off", _part_off, (share, each_pct), says=(REDUCE,))


@ENGINES
@pytest.mark.parametrize("sign", [1, -1])
def test_a_trade_is_reduced_by_shares_and_its_stop_covers_the_rest(engine: Any, sign: int) -> None:
    rise: Sequence[Prices] = [C0, C0, (5000, 5150, 4990, 5100), (5100, 5250, 5090, 5200), (5210, 5220, 4000, 4400)]
    bars = [bar if sign > 0 else mirrored(bar) for bar in rise]
    bars += [(bars[-1][3],) * 4] * 3
    settings = settings_of(sizing={"notional_usdt": 2_000.0})
    strategy = strategy_of(part_off(0.5, 2.0))
    trades = engine(bars, settings, strategy, {0: 20.0 * sign})
    # 0.4 at 5,000: 0.2 leave at 5,100, half of the rest at 5,210, and what is left at the stop of 4,500.
    mean = (0.2 * 5_100 + 0.1 * 5_210 + 0.1 * 4_500) / 0.4
    assert trades.qty.tolist() == [0.4]
    assert trades.exit_price.item() == pytest.approx(mean if sign > 0 else 10_000.0 - mean)
    assert trades.exit_reason.tolist() == ["stop"]
    assert trades.gross_usdt.item() == pytest.approx(0.4 * (mean - 5_000.0))


@ENGINES
def test_what_no_order_could_close_leaves_with_the_rest(engine: Any) -> None:
    bars: Sequence[Prices] = [C0, C0, (5000, 5150, 4990, 5100), *[(5100.0,) * 4] * 3]
    strategy = strategy_of(part_off(0.96, 2.0))
    trades = engine(bars, settings_of(), strategy, {0: 20.0})
    assert (trades.exit_price.tolist(), trades.exit_reason.tolist()) == ([5_100.0], ["part off"])
