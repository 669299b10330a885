"""Small markets with the right answer beside them, for both engines and for trader and venue told every event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from core.arithmetic import exits
from core.domain.market import MINUTE_MS
from core.domain.trading import ExitReason
from core.lab.data.history import History, make_history
from core.lab.run.event_driven import run_event_driven
from core.lab.run.result import TradeColumns, trade_columns
from core.lab.run.result_rows import trade_rows
from core.lab.sweep import sweep
from core.lab.sweep.prepared import prepare
from core.settings.schema import Settings, parse_settings
from core.strategy.declaration import ExitRule, Strategy
from core.trader.trader import Trader
from core.venues.rebuild import journalled_venue
from tests.core.lab.plain_run import plain_run
from tests.core.lab.walks import FROM_MS, INSTRUMENTS
from tests.core.trader.desk import make_strategy

SYMBOL = "WALKUSDT"
FLAT = (100.0, 100.0, 100.0, 100.0, 1e6)
FIRST_PRICE_MS = 1_000


@dataclass(frozen=True)
class Market:
    """Bars (open, high, low, close, volume) and what was forecast at their closes, in bps by slot."""

    bars: Sequence[tuple[float, float, float, float, float]]
    said: Mapping[int, float]

    def history(self) -> History:
        columns = [np.array([[bar[i] for bar in self.bars]]) for i in range(5)]
        times = FROM_MS + np.arange(len(self.bars), dtype=np.int64) * MINUTE_MS
        return make_history([SYMBOL], MINUTE_MS, times, columns, 0, (), "by hand", True)

    def values(self) -> np.ndarray[Any, Any]:
        """Of each slot what was said, as sure as a coin."""
        said = np.array([self.said.get(slot, np.nan) for slot in range(len(self.bars))])
        return np.stack([said, np.where(np.isnan(said), np.nan, 0.5)], axis=1)[None]


def settings_of(**sections: dict[str, Any]) -> Settings:
    wide = {"max_order_notional_usdt": 1e9, "max_leverage": 125.0, "max_exposure_pct": 1e5, "max_drawdown_pct": 99.0}
    free = {"slippage_bps": 0.0, "impact_bps": 0.0, "max_participation_pct": 0.0}
    return parse_settings(
        {
            "costs": {**free, **sections.get("costs", {})},
            "account": {"leverage": 10, **sections.get("account", {})},
            "sizing": {"notional_usdt": 1_000.0, **sections.get("sizing", {})},
            "limits": {**wide, **sections.get("limits", {})},
        },
        "the case",
    )


def strategy_of(**changes: Any) -> Strategy:
    return replace(make_strategy(exits=(), lifecycle=None, stop_pct=4.0, cooldown_ms=0, target_pct=3.0), **changes)


def swept(market: Market, settings: Settings, strategy: Strategy) -> TradeColumns:
    prepared = prepare(market.history(), INSTRUMENTS, Decimal(0))
    return sweep.run(prepared, settings, strategy, market.values()).trades


def told(market: Market, settings: Settings, strategy: Strategy) -> TradeColumns:
    return trade_columns(plain_run(market.history(), INSTRUMENTS, settings, strategy, market.values()).trades)


def driven(market: Market, settings: Settings, strategy: Strategy) -> TradeColumns:
    trader, venue = Trader("case", strategy, settings, INSTRUMENTS), journalled_venue(INSTRUMENTS, settings)
    return run_event_driven(market.history(), trader, venue, values={SYMBOL: market.values()[0]}).trades


ENGINES = pytest.mark.parametrize("engine", [swept, told, driven])


@ENGINES
@pytest.mark.parametrize("minutes", [1, 5, 30])
@pytest.mark.parametrize("every", [1, 237])
def test_a_time_stop_leaves_after_its_minutes_whatever_is_predicted(engine: Any, minutes: int, every: int) -> None:
    rule = ExitRule(ExitReason.FLATTEN, exits.time_stop, minutes * MINUTE_MS)
    said = {0: 20.0} | dict.fromkeys(range(every, 250, every), 1.0)
    trades = engine(Market([FLAT] * 250, said), settings_of(), strategy_of(exits=(rule,)))
    assert trades.entry_time_ms.tolist() == [FROM_MS + MINUTE_MS + FIRST_PRICE_MS]
    assert (trades.exit_time_ms - trades.entry_time_ms).tolist() == [minutes * MINUTE_MS]


@ENGINES
def test_an_exit_by_price_is_asked_at_bars_without_a_prediction(engine: Any) -> None:
    bars = [FLAT] * 4 + [(100.0, 101.0, 100.0, 101.0, 1e6)] + [(101.0, 101.0, 101.0, 101.0, 1e6)] * 4
    rule = ExitRule(ExitReason.TARGET, exits.take_profit, 0.5)
    trades = engine(Market(bars, {0: 20.0}), settings_of(), strategy_of(exits=(rule,)))
    assert trades.exit_time_ms.tolist() == [FROM_MS + 5 * MINUTE_MS + FIRST_PRICE_MS]
    assert trades.exit_price.tolist() == [101.0]


@ENGINES
def test_a_reversal_waits_for_a_prediction(engine: Any) -> None:
    rule = ExitRule(ExitReason.REVERSAL, exits.reversal, 5.0)
    trades = engine(Market([FLAT] * 30, {0: 20.0, 20: -6.0}), settings_of(), strategy_of(exits=(rule,)))
    assert trades.exit_time_ms.tolist() == [FROM_MS + 21 * MINUTE_MS + FIRST_PRICE_MS]


@ENGINES
@pytest.mark.parametrize("target_pct", [99.999, 100.0, 150.0])
def test_a_short_whose_target_lies_at_nothing_is_held_without_one(engine: Any, target_pct: float) -> None:
    rule = ExitRule(ExitReason.FLATTEN, exits.time_stop, 20.0 * MINUTE_MS)
    falling = [(p, p, p - 1.0, p - 1.0, 1e6) for p in np.arange(100.0, 60.0, -1.0).tolist()]
    trades = engine(Market(falling, {0: -20.0}), settings_of(), strategy_of(exits=(rule,), target_pct=target_pct))
    assert trades.exit_reason.tolist() == ["flatten"]
    assert (trades.entry_price.tolist(), trades.exit_price.tolist()) == ([99.0], [79.0])


@ENGINES
@pytest.mark.parametrize(
    ("value_bps", "low", "high", "price"),
    # 100 * (1 - 1 / 30) / 0.995 and 100 * (1 + 1 / 30) / 1.005, against the position to the next tick
    [(20.0, 90.0, 100.0, 97.15), (-20.0, 100.0, 110.0, 102.82)],
)
def test_a_stop_beyond_the_liquidation_price_comes_too_late(
    engine: Any, value_bps: float, low: float, high: float, price: float
) -> None:
    bars = [FLAT, FLAT, (100.0, high, low, 100.0, 1e6), FLAT, FLAT]
    settings = settings_of(account={"leverage": 30})
    trades = engine(Market(bars, {0: value_bps}), settings, strategy_of(target_pct=50.0))
    assert trades.exit_reason.tolist() == ["liquidation"]
    assert trades.exit_price.tolist() == [price]


@ENGINES
def test_a_stop_before_the_liquidation_price_prevents_it(engine: Any) -> None:
    bars = [FLAT, FLAT, (100.0, 100.0, 90.0, 100.0, 1e6), FLAT, FLAT]
    settings = settings_of(account={"leverage": 30})
    trades = engine(Market(bars, {0: 20.0}), settings, strategy_of(stop_pct=2.0))
    assert (trades.exit_reason.tolist(), trades.exit_price.tolist()) == (["stop"], [98.0])


@ENGINES
def test_an_entry_takes_no_more_than_its_part_of_a_bar(engine: Any) -> None:
    # 10 % of a volume of 10 is one unit a bar: 1,000 USDT at 100 are ten units, of which five bars give five.
    bars = [(100.0, 100.0, 100.0, 100.0, 10.0)] * 6 + [(100.0, 100.0, 90.0, 100.0, 1e6)] + [FLAT] * 3
    settings = settings_of(costs={"max_participation_pct": 10.0})
    trades = engine(Market(bars, {0: 20.0}), settings, strategy_of())
    assert trades.exit_reason.tolist() == ["stop"]
    assert trades.qty.tolist() == [6.0]


def test_a_trade_keeps_what_it_was_entered_with() -> None:
    bars = [FLAT, FLAT, (100.0, 100.0, 90.0, 100.0, 1e6), FLAT, FLAT, FLAT, FLAT]
    settings, strategy = settings_of(), strategy_of(stop_pct=2.0, target_pct=100.0)
    market = Market(bars, {0: 20.0, 3: -20.0})
    rule = ExitRule(ExitReason.FLATTEN, exits.time_stop, 2.0 * MINUTE_MS)
    strategy = replace(strategy, exits=(rule,))
    prepared = prepare(market.history(), INSTRUMENTS, Decimal(0))
    swept_run = sweep.run(prepared, settings, strategy, market.values())
    trader, venue = Trader("case", strategy, settings, INSTRUMENTS), journalled_venue(INSTRUMENTS, settings)
    driven_run = run_event_driven(market.history(), trader, venue, values={SYMBOL: market.values()[0]})
    rows = [trade_rows(run.trades, run.plans) for run in (swept_run, driven_run)]
    assert rows[0] == rows[1]
    long, short = rows[0]
    names = ("exit_reason", "closed_early", "confidence", "leverage", "margin_usdt")
    assert [long[name] for name in names] == ["stop", False, 0.5, 10.0, 100.0]
    assert [short[name] for name in names] == ["flatten", True, 0.5, 10.0, 100.0]
    assert (long["expected_profit_usdt"], long["expected_loss_usdt"]) == (1_000.0, 20.0)
    # The target of the short would lie at nothing, and was not placed.
    assert (short["expected_profit_usdt"], short["expected_loss_usdt"]) == (None, 20.0)
    assert trade_rows(swept_run.trades)[0]["confidence"] is None
