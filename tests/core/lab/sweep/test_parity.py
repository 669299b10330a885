"""The demo and the event-driven backtest decide the same over the recorded market, to the last digit of every order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pytest

from core.arithmetic import exits
from core.domain.market import MINUTE_MS
from core.domain.records import ForecastRecord, Record, SignalRecord, TradeRecord, TrainingRecord, TrainingStatus
from core.domain.trading import ExitReason, SignalAction
from core.engine.starts import Rules, Start
from core.lab.replay.verify import verify
from core.lab.run.event_driven import Drive
from core.lab.run.result import RunResult, trade_columns
from core.ports import Forecaster
from core.position.kit.atr_stop import atr_stop
from core.position.kit.break_even import break_even
from core.position.kit.roi import roi
from core.position.kit.trailing import trailing
from core.settings.schema import Settings, parse_settings
from core.strategy.declaration import ExitRule, Strategy
from core.trader.trader import Trader
from core.venues.rebuild import journalled_venue
from strategies.ema_cross.declaration import build
from tests.core.lab.markets import decisions
from tests.core.lab.recorded import ACCOUNT, RecordedCandles, demo_records, history, instruments
from tests.engine.scripted import STRATEGY, ScriptedForecaster

FROM_MS = 1_749_223_800_000
"""2025-06-06 15:30 UTC: a funding comes at 16:00, a new day at 00:00."""


async def backtest(
    strategy: Strategy,
    settings: Settings,
    forecaster: Forecaster | None,
    from_ms: int,
    to_ms: int,
    warm_up_bars: int,
    analysts: Mapping[str, Forecaster] | None = None,
) -> tuple[RunResult, list[Record]]:
    known = instruments(settings)
    market = history(tuple(known), from_ms, to_ms, warm_up_bars)
    records: list[Record] = []
    trader, venue = Trader(ACCOUNT, strategy, settings, known), journalled_venue(known, settings)
    forecasters = {**({} if forecaster is None else {"main": forecaster}), **(analysts or {})}
    drive = Drive(market, trader, venue, forecasters, None, observe=records.extend)
    await drive.run(lambda done, total: None, lambda: False)
    return drive.result(), records


def assert_same_trades(result: RunResult, theirs: list[Record]) -> None:
    trades = trade_columns([record.trade for record in theirs if isinstance(record, TradeRecord)])
    for name in type(trades).__slots__:
        assert np.array_equal(getattr(result.trades, name), getattr(trades, name)), name


@pytest.mark.parametrize("exit_mode", ["bracket", "reverse"])
async def test_a_rule_strategy_trades_as_in_the_demo(exit_mode: str) -> None:
    settings = parse_settings(
        {
            "strategy": "ema_cross",
            "ema_cross": {"exit": exit_mode, "stop_pct": 0.3, "target_pct": 0.6},
            "limits": {"max_trades_per_day": 60, "max_losses_in_row": 12},
        },
        "the test",
    )
    strategy, to_ms = build(settings), FROM_MS + 10 * 60 * MINUTE_MS
    theirs = await demo_records(strategy, settings, None, FROM_MS, to_ms)
    result, ours = await backtest(strategy, settings, None, FROM_MS, to_ms, strategy.part.lookback_bars)
    assert decisions(ours) == decisions(theirs)
    assert_same_trades(result, theirs)
    made = Counter(record.forecast.symbol for record in theirs if isinstance(record, ForecastRecord))
    assert {symbol: len(told.close_ms) for symbol, told in result.predictions.items()} == made
    kinds = Counter(type(record).__name__ for record in ours)
    assert kinds["TradeRecord"] > 15
    assert kinds["FundingRecord"] > 0


@dataclass(frozen=True)
class Told:
    """Implements core.lab.replay.verify.StoredJournal over records in memory."""

    kept: list[Record]

    @property
    def last_seq(self) -> int:
        return len(self.kept)

    def records(self, first_seq: int, last_seq: int) -> Iterator[tuple[int, Record]]:
        return ((seq, self.kept[seq - 1]) for seq in range(first_seq, last_seq + 1))


async def test_a_time_stop_leaves_at_bars_without_a_signal_as_in_the_demo_and_replays() -> None:
    settings = parse_settings(
        {"strategy": "ema_cross", "limits": {"max_trades_per_day": 60, "max_losses_in_row": 12}}, "the test"
    )
    rule = ExitRule(ExitReason.FLATTEN, exits.time_stop, 7.0 * MINUTE_MS)
    strategy, to_ms = replace(build(settings), exits=(rule,)), FROM_MS + 10 * 60 * MINUTE_MS
    theirs = await demo_records(strategy, settings, None, FROM_MS, to_ms)
    result, ours = await backtest(strategy, settings, None, FROM_MS, to_ms, strategy.part.lookback_bars)
    assert decisions(ours) == decisions(theirs)
    assert_same_trades(result, theirs)
    left = result.trades.exit_reason == "flatten"
    held_ms = (result.trades.exit_time_ms - result.trades.entry_time_ms)[left]
    assert np.count_nonzero(left) > 5
    assert set(held_ms.tolist()) == {7 * MINUTE_MS}
    rules = Rules(settings, instruments(settings))
    found = await verify(
        Told(theirs),
        RecordedCandles(),
        [Start(0, rules)],
        FROM_MS,
        lambda rules: Trader(ACCOUNT, strategy, rules.settings, rules.instruments),
    )
    assert found.first_difference is None
    assert found.records == len(theirs)


async def test_exits_that_look_back_on_a_trade_move_stops_as_in_the_demo_and_replay() -> None:
    settings = parse_settings(
        {"strategy": "ema_cross", "limits": {"max_trades_per_day": 60, "max_losses_in_row": 12}}, "the test"
    )
    policies = (trailing(0.4, 0.1), atr_stop(14, 3.0), break_even(0.2, 11.0), roi({0: 0.3, 30: 0.05}))
    strategy, to_ms = replace(build(settings), policies=policies), FROM_MS + 6 * 60 * MINUTE_MS
    theirs = await demo_records(strategy, settings, None, FROM_MS, to_ms)
    result, ours = await backtest(strategy, settings, None, FROM_MS, to_ms, strategy.part.lookback_bars)
    assert decisions(ours) == decisions(theirs)
    assert_same_trades(result, theirs)
    signals = [record.signal for record in theirs if isinstance(record, SignalRecord)]
    moved = {signal.reason for signal in signals if signal.action is SignalAction.MOVE_STOP}
    assert moved == {"trailing stop", "ATR stop", "break-even stop"}
    assert "profit is enough" in result.trades.exit_reason
    rules = Rules(settings, instruments(settings))
    found = await verify(
        Told(theirs),
        RecordedCandles(),
        [Start(0, rules)],
        FROM_MS,
        lambda rules: Trader(ACCOUNT, strategy, rules.settings, rules.instruments),
    )
    assert found.first_difference is None


async def test_a_model_strategy_trains_and_trades_as_in_the_demo() -> None:
    settings = parse_settings(
        {
            "costs": {"max_participation_pct": 0.05},
            "limits": {"max_trades_per_day": 60, "max_losses_in_row": 40, "min_stop_distance_pct": 0.01},
            "sizing": {"position_pct": 60.0, "risk_per_trade_pct": 0.2},
        },
        "the test",
    )
    to_ms = FROM_MS + 150 * MINUTE_MS
    theirs = await demo_records(STRATEGY, settings, ScriptedForecaster(), FROM_MS, to_ms)
    result, ours = await backtest(STRATEGY, settings, ScriptedForecaster(), FROM_MS, to_ms, 30)
    assert decisions(ours) == decisions(theirs)
    told = (ForecastRecord, TrainingRecord)
    assert [r for r in ours if isinstance(r, told)] == [r for r in theirs if isinstance(r, told)]
    assert_same_trades(result, theirs)
    assert len(result.trades) > 15
    statuses = Counter(record.status for record in ours if isinstance(record, TrainingRecord))
    assert statuses[TrainingStatus.SWAPPED] > 30
    assert statuses[TrainingStatus.REFUSED] > 5


async def test_stored_predictions_of_a_model_give_its_run_again() -> None:
    settings = parse_settings({"limits": {"min_stop_distance_pct": 0.01, "max_losses_in_row": 40}}, "the test")
    to_ms = FROM_MS + 120 * MINUTE_MS
    first, _ = await backtest(STRATEGY, settings, ScriptedForecaster(), FROM_MS, to_ms, 30)
    known = instruments(settings)
    market = history(tuple(known), FROM_MS, to_ms, 30)
    values = {}
    for symbol, told in first.predictions.items():
        values[symbol] = np.full((len(market), len(STRATEGY.outputs)), np.nan)
        values[symbol][np.searchsorted(market.open_time_ms, told.close_ms - MINUTE_MS)] = told.values
    drive = Drive(market, Trader(ACCOUNT, STRATEGY, settings, known), journalled_venue(known, settings), {}, values)
    await drive.run(lambda done, total: None, lambda: False)
    again = drive.result()
    assert len(first.trades) > 10
    for name in type(first.trades).__slots__:
        assert np.array_equal(getattr(again.trades, name), getattr(first.trades, name)), name
    assert np.array_equal(again.curve.equity_usdt, first.curve.equity_usdt)
