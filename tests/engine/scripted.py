"""A scripted hour: two recorded symbols, a forecaster without workers, an operator who acts by the clock.

Everything but the predictions is the real thing: trader, stepper, simulated venue, SQLite journal, engine.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from core.clock import VirtualClock
from core.domain.forecast import Because, Forecast
from core.domain.instrument import Instrument
from core.domain.market import MINUTE_MS, MarketEvent
from core.domain.operator import OperatorWish, Verb
from core.domain.records import OperatorRecord
from core.domain.trading import ExitReason
from core.engine.assembly.account import change_rules, told_again
from core.engine.engine import Engine
from core.engine.pacing import Pacer
from core.engine.parts import EngineParts
from core.engine.settlements import Settlements
from core.engine.starts import Rules
from core.home.logbook import Logbook
from core.market.contracts.instruments import load_instruments
from core.market.replay.events import ReplayFeed, batched, event_time_ms
from core.market.replay.resuming import ResumePoint, replay_cursors
from core.ports import BarColumns, TrainingResult
from core.position.kit.trailing import trailing
from core.settings.schema import Settings, parse_settings
from core.strategy.declaration import ExitRule, Lifecycle, Strategy
from core.trader.account import retired_symbols
from core.trader.ids import NEWEST
from core.trader.state import DAY_MS
from core.trader.trader import Trader
from core.venues.rebuild import journalled_venue
from storage.candles import SqliteCandles
from storage.data_admin import import_recorded_market
from storage.database import Database, open_database
from storage.journal import SqliteJournal
from tests.core.trader.laddered import HALF_OFF, more_of_it
from tests.declared import SURE, Vector, declared, said

DATA = Path(__file__).resolve().parents[2] / "data"
SYMBOLS = ("BTCUSDT", "SOLUSDT")
# 15:30 UTC: the hour holds a funding at 16:00 and prices that move.
START_MS = 1_749_223_800_000
HOUR_MS = 60 * MINUTE_MS
ACCOUNT = "demo"

# Small enough participation that orders of a few lots fill in parts, levels narrow enough that an hour meets them.
SETTINGS = parse_settings(
    {
        "market": {"symbols": list(SYMBOLS)},
        "costs": {"max_participation_pct": 0.05},
        "limits": {"max_trades_per_day": 24, "max_losses_in_row": 40, "min_stop_distance_pct": 0.01},
        "sizing": {"position_pct": 60.0, "risk_per_trade_pct": 0.2},
        "engine": {"training_delay_seconds": 60},
    },
    "the scripted hour",
)


@dataclass(frozen=True, slots=True)
class Act:
    """An operator's act at the first instant at or after `at_ms`."""

    at_ms: int
    verb: Verb
    symbol: str = ""
    for_ms: int | None = None
    trade: str = ""
    share_pct: Decimal | None = None
    price: Decimal | None = None


ACTS = (
    Act(START_MS + 20 * MINUTE_MS + 5_000, Verb.PAUSE),
    Act(START_MS + 24 * MINUTE_MS + 5_000, Verb.RESUME),
    Act(START_MS + 41 * MINUTE_MS + 5_000, Verb.FLATTEN, "SOLUSDT"),
)


def _decide(values: Vector, cost_bps: float, parameters: Vector) -> tuple[int, float]:
    needed_bps = cost_bps + 1.0
    return int(values[0] > needed_bps) - int(values[0] < -needed_bps), values[1]


def _because(values: Vector, cost_bps: float, parameters: Vector, direction: int) -> tuple[Because, ...]:
    return (Because("forecast", float(values[0]), (direction or 1) * (cost_bps + 1.0), "bps"),)


def _reversal(side: int, entry: float, price: float, values: Vector, held_ms: int, parameter: float) -> bool:
    return bool(side * values[0] < -parameter)


STRATEGY = declared(
    "scripted",
    outputs=SURE,
    lookback_bars=2,
    horizon_ms=10 * MINUTE_MS,
    decide=_decide,
    because=_because,
    stop_pct=0.12,
    target_pct=0.1,
    cooldown_ms=MINUTE_MS,
    exits=(ExitRule(ExitReason.REVERSAL, _reversal, 4.5),),
    lifecycle=Lifecycle(window_ms=30 * MINUTE_MS, retrain_ms=15 * MINUTE_MS, keep_versions=3),
)

LADDERED = replace(
    STRATEGY,
    exits=(),
    ladder=((0.05, 0.3), (0.1, 0.3), (0.2, 0.2)),
    policies=(HALF_OFF, more_of_it(4_000.0), trailing(0.15, 0.05)),
)
"""The same with several targets, and with exits that reduce, add and trail."""


class ScriptedForecaster:
    """Predictions as a pure function of symbol, bar and version; trainings that always pass but one in four."""

    async def predict(self, windows: Sequence[tuple[BarColumns, str]], made_ms: int) -> list[Forecast | None]:
        return [self._predict(window, version, made_ms) for window, version in windows]

    def _predict(self, window: BarColumns, version: str, made_ms: int) -> Forecast:
        close_ms = int(window.open_time_ms[-1]) + window.interval_ms
        minute = close_ms // MINUTE_MS
        wave = (minute * 7 + len(window.symbol) + sum(map(ord, version)) + ord(window.symbol[0])) % 23 - 11
        return said(window.symbol, close_ms, made_ms, (2.4 * wave, 0.5 + abs(wave) / 30), "scripted", version)

    async def train(self, window: BarColumns, requested_ms: int) -> TrainingResult:
        await asyncio.sleep(0)
        passed = (requested_ms // MINUTE_MS // 15) % 4 != 1
        version = f"{window.symbol}-{requested_ms // MINUTE_MS}"
        return TrainingResult(
            window.symbol, "scripted", version, passed, "" if passed else "refused", {"rmse_bps": 1.0}
        )

    async def warm_up(self) -> None:
        await asyncio.sleep(0)

    def describe(self) -> dict[str, Any]:
        return {}


def prepare(path: Path) -> Database:
    """A small database with the recorded market around the hour and nothing else."""
    database = open_database(path)
    import_recorded_market(database, DATA, now_ms=0)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "DELETE FROM candles WHERE symbol NOT IN (?, ?) OR open_time_ms NOT BETWEEN ? AND ?",
            (*SYMBOLS, START_MS - 2 * HOUR_MS, START_MS + 3 * HOUR_MS),
        )
        connection.commit()
        connection.execute("VACUUM")
    return database


def instruments(settings: Settings = SETTINGS) -> dict[str, Instrument]:
    known = load_instruments(DATA / "instruments.toml", settings.costs)
    return {symbol: known[symbol] for symbol in settings.market.symbols}


async def run_hour(
    database: Database,
    *,
    on_write: Callable[[int], None] | None = None,
    settings: Settings = SETTINGS,
    strategy: Strategy = STRATEGY,
    acts: Sequence[Act] = ACTS,
    trade_from_ms: int = START_MS,
    end_ms: int = START_MS + HOUR_MS,
    fresh: Mapping[str, Instrument] | None = None,
    adopt: Callable[[int, SqliteJournal], Mapping[str, Instrument]] = lambda time_ms, journal: {},
    look: Callable[[int, Engine], None] = lambda time_ms, engine: None,
    id_form: int = NEWEST,
) -> Engine:
    """Run, or go on with, the scripted hour to its end.

    `fresh` are the contracts as this start finds them; `adopt` is asked before every event for those that have other
    rules from then on, and `look` is shown the engine.
    """
    candles = await SqliteCandles.open(database)
    journal = await SqliteJournal.open(database, ACCOUNT, on_write)
    try:
        fresh = fresh or instruments(settings)
        known, records = await told_again(journal, fresh)
        traded, retired = tuple(fresh), retired_symbols(records, fresh)
        await journal.put_instruments(list(known.values()))
        done = sum(1 for record in records if isinstance(record, OperatorRecord))
        engines: list[Engine] = []

        async def told(point: ResumePoint) -> AsyncIterator[MarketEvent]:
            replay = ReplayFeed(candles, traded, START_MS, end_ms, 1_000, replay_cursors(point, MINUTE_MS))
            waiting = list(acts[done:])
            async for event in replay.events():
                look(event_time_ms(event), engines[0])
                while waiting and event_time_ms(event) > waiting[0].at_ms:
                    act = waiting.pop(0)
                    wish = OperatorWish(
                        act.verb,
                        act.symbol,
                        "script",
                        for_ms=act.for_ms,
                        trade=act.trade,
                        share_pct=act.share_pct,
                        price=act.price,
                    )
                    result = await engines[0].command(wish)
                    assert result.accepted, result.message
                if changed := adopt(event_time_ms(event), journal):
                    async with engines[0]._session.stepper.lock:
                        await change_rules(journal, 0, Rules(settings, {**known, **changed}))
                        for instrument in changed.values():
                            trader.adopt(instrument)
                            venue.adopt(instrument)
                yield event

        trader = Trader(ACCOUNT, strategy, settings, known, retired, id_form)
        venue = journalled_venue(known, settings)
        rates = [rate for symbol in traded for rate in await candles.funding(symbol, START_MS, end_ms + DAY_MS)]
        engine = Engine(
            EngineParts(
                mode="demo",
                source="recorded",
                trader=trader,
                venue=venue,
                journal=journal,
                records=records,
                candles=candles,
                forecasters={"main": ScriptedForecaster()},
                feed=lambda point: batched(told(point)),
                clock=VirtualClock(START_MS),
                pacer=Pacer(None, None),
                logbook=Logbook(),
                start_ms=START_MS,
                trade_from_ms=trade_from_ms,
                end_with_feed=True,
                publish_hz=1.0,
                settlements=Settlements(traded, rates) if settings.limits.funding_quiet_minutes else None,
            )
        )
        engines.append(engine)
        await engine.run()
        return engine
    finally:
        await journal.close()
        await candles.close()
