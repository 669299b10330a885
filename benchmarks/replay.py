"""How fast recorded time can run, and where the time goes."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from benchmarks.market import DATA, load_settings_and_rules, temporary_home
from benchmarks.processes import QUARTERDECK, run_to_end
from benchmarks.report import Figure, Section
from core.account import iso
from core.clock import VirtualClock
from core.domain.market import MINUTE_MS
from core.domain.trading import Prediction
from core.engine import Engine, EngineParts
from core.home import Home
from core.learning import tasks
from core.learning.forecaster import training_bars, training_seed
from core.logbook import Logbook
from core.market.replay import ReplayFeed
from core.pace import Pacer
from core.ports import BarColumns, TrainingResult
from core.recovery import replay_cursors
from core.settings import Settings, load_settings
from core.trader.trader import Trader
from core.venues.rebuild import journalled_venue
from storage.candles import SqliteCandles
from storage.data_admin import import_recorded_market
from storage.database import open_database
from storage.journal import SqliteJournal
from strategies.scalper.declaration import build

START_MS = 1_749_168_000_000
"""2025-06-06 00:00 UTC: where two days of the recorded market lie behind."""
MINUTES = 180
TIMEOUT_S = 1_800.0


class WaveForecaster:
    """Predictions that swing through every threshold, and trainings that cost nothing."""

    async def predict(self, windows: Sequence[tuple[BarColumns, str]], made_ms: int) -> list[Prediction | None]:
        return [self._predict(window, version, made_ms) for window, version in windows]

    def _predict(self, window: BarColumns, version: str, made_ms: int) -> Prediction:
        close_ms = int(window.open_time_ms[-1]) + window.interval_ms
        wave = (close_ms // MINUTE_MS * 7 + sum(map(ord, window.symbol))) % 23 - 11
        return Prediction(window.symbol, close_ms, made_ms, 600_000, 2.0 * wave, 0.6, version, "scalper")

    async def train(self, window: BarColumns, requested_ms: int) -> TrainingResult:
        return TrainingResult(window.symbol, "scalper", f"{window.symbol}-{requested_ms}", True, "", {})

    def describe(self) -> dict[str, Any]:
        return {}


@dataclass(frozen=True, slots=True)
class Scripted:
    seconds: float
    commits: int
    orders: int


def time_scripted(home: Home, minutes: int) -> Scripted:
    """The engine in this process with feed, trader, simulated venue and durable journal, but without any model."""
    database = open_database(home.database)
    import_recorded_market(database, DATA, now_ms=0)
    seconds = asyncio.run(_drive(home, minutes))
    with closing(sqlite3.connect(home.database)) as connection:
        commits, orders = connection.execute(
            "SELECT (SELECT max(last_commit) FROM journals), (SELECT count(*) FROM orders)"
        ).fetchone()
    return Scripted(seconds, commits, orders)


async def _drive(home: Home, minutes: int) -> float:
    settings, instruments = load_settings_and_rules()
    database = open_database(home.database)
    candles = await SqliteCandles.open(database)
    journal = await SqliteJournal.open(database, "demo")
    end_ms = START_MS + minutes * MINUTE_MS
    try:
        engine = Engine(
            EngineParts(
                mode="demo",
                source="recorded",
                trader=Trader("demo", build(settings), settings, instruments),
                venue=journalled_venue(instruments, settings),
                journal=journal,
                records=await journal.load(),
                candles=candles,
                forecaster=WaveForecaster(),
                feed=lambda point: ReplayFeed(
                    candles,
                    tuple(instruments),
                    START_MS,
                    end_ms,
                    settings.engine.first_price_delay_ms,
                    replay_cursors(point),
                ).events(),
                clock=VirtualClock(START_MS),
                pacer=Pacer(None, None),
                logbook=Logbook(),
                start_ms=START_MS,
                trade_from_ms=START_MS,
                end_with_feed=True,
                publish_hz=1.0,
            )
        )
        began = time.perf_counter()
        await engine.run()
        return time.perf_counter() - began
    finally:
        await journal.close()
        await candles.close()


@dataclass(frozen=True, slots=True)
class WithModels:
    """`start_seconds` is what the command takes for one market minute: start, import and stop."""

    seconds: float
    start_seconds: float
    trainings: int


def time_with_models(home: Home, minutes: int) -> WithModels:
    """The real command at full speed over a fixed span, start and stop included, and the same over one minute."""
    with temporary_home() as other:
        start_s = run_to_end(headless(other, 1), TIMEOUT_S)
    seconds = run_to_end(headless(home, minutes), TIMEOUT_S)
    with closing(sqlite3.connect(home.database)) as connection:
        trainings = connection.execute("SELECT count(*) FROM training WHERE status <> 'requested'").fetchone()[0]
    return WithModels(seconds, start_s, trainings)


def headless(home: Home, minutes: int) -> tuple[str, ...]:
    span = ("--from", iso(START_MS), "--to", iso(START_MS + minutes * MINUTE_MS))
    return (*QUARTERDECK, "run", "--headless", "--speed", "max", "--home", str(home.root), *span)


def time_training_alone(home: Home, trainings: int) -> float:
    """Seconds that one core needs for as many trainings of the stored candles, each as a worker does it."""
    settings = load_settings(home.settings) if home.settings.exists() else Settings()
    strategy = build(settings)
    assert strategy.model is not None
    models = tasks.ModelHome(home.root / "trained-alone", strategy.name, strategy.model)
    tasks.warm_up(models)
    windows = asyncio.run(_windows(home, settings.market.symbols, training_bars(strategy)))
    spent_s = 0.0
    for number in range(trainings):
        window = windows[number % len(windows)]
        requested_ms = START_MS + number * MINUTE_MS
        order = tasks.TrainingOrder(
            window=window,
            requested_ms=requested_ms,
            seed=training_seed(7, strategy.name, window.symbol, requested_ms),
            lookback_bars=strategy.lookback_bars,
            horizon_ms=strategy.horizon_ms,
        )
        began = time.perf_counter()
        tasks.train(models, order)
        spent_s += time.perf_counter() - began
    return spent_s


async def _windows(home: Home, symbols: Sequence[str], bars: int) -> list[BarColumns]:
    candles = await SqliteCandles.open(open_database(home.database))
    try:
        return [await candles.bars(symbol, START_MS - bars * MINUTE_MS, START_MS) for symbol in symbols]
    finally:
        await candles.close()


def run(minutes: int = MINUTES, trainings_alone: int = 10) -> Section:
    with temporary_home() as home:
        whole = time_with_models(home, minutes)
        alone_s = time_training_alone(home, trainings_alone) / trainings_alone
    with temporary_home() as home:
        scripted = time_scripted(home, minutes)
    symbols = len(Settings().market.symbols)
    workers = Settings().engine.training_workers
    running_s = max(whole.seconds - whole.start_seconds, 1e-3)
    figures = (
        Figure("with models: market minutes a second", minutes / whole.seconds, "min/s"),
        Figure("with models: whole run", whole.seconds, "s"),
        Figure("of it start, import and stop", whole.start_seconds, "s"),
        Figure("trainings in it", float(whole.trainings), "models"),
        Figure("reference: one training alone, one thread", alone_s, "s"),
        Figure(
            f"trainings alone on {workers} workers, share of the run",
            100.0 * alone_s * whole.trainings / workers / running_s,
            "%",
        ),
        Figure("without models: bars a second, journal included", minutes * symbols / scripted.seconds, "bars/s"),
        Figure("without models: market minutes a second", minutes / scripted.seconds, "min/s"),
        Figure("without models: durable commits a second", scripted.commits / scripted.seconds, "commits/s"),
        Figure("without models: orders", float(scripted.orders), "orders"),
    )
    note = f"{minutes} recorded minutes of {symbols} symbols from {iso(START_MS)}, default settings"
    return Section("replay", "recorded time at full speed", figures, (note,))
