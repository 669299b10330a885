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
from benchmarks.report import Figure, Section, percentiles
from core.clock import VirtualClock
from core.compute.lanes import WorkerPool
from core.domain.forecast import Forecast
from core.domain.market import MINUTE_MS
from core.domain.origin import champion
from core.engine.engine import Engine
from core.engine.pacing import Pacer
from core.engine.parts import EngineParts
from core.home.folder import Home
from core.home.logbook import Logbook
from core.learning import tasks
from core.learning.forecaster import WorkerForecaster, training_bars, training_seed
from core.market.replay.events import ReplayFeed, batched
from core.market.replay.resuming import replay_cursors
from core.ports import BarColumns, Forecaster, TrainingResult
from core.settings.schema import Settings, load_settings
from core.trader.account import iso
from core.trader.trader import Trader
from core.venues.rebuild import journalled_venue
from storage.candles import SqliteCandles
from storage.database import open_database
from storage.journal import SqliteJournal
from storage.recorded import open_recorded
from strategies.scalper.declaration import build

START_MS = 1_749_168_000_000
"""2025-06-06 00:00 UTC: where two days of the recorded market lie behind."""
MINUTES = 180
TIMEOUT_S = 1_800.0


class WaveForecaster:
    """Predictions that swing through every threshold, and trainings that cost nothing."""

    async def predict(self, windows: Sequence[tuple[BarColumns, str]], made_ms: int) -> list[Forecast | None]:
        return [self._predict(window, version, made_ms) for window, version in windows]

    def _predict(self, window: BarColumns, version: str, made_ms: int) -> Forecast:
        close_ms = int(window.open_time_ms[-1]) + window.interval_ms
        wave = (close_ms // MINUTE_MS * 7 + sum(map(ord, window.symbol))) % 23 - 11
        return Forecast(window.symbol, close_ms, made_ms, (2.0 * wave, 0.6), champion("scalper", version))

    async def train(self, window: BarColumns, requested_ms: int) -> TrainingResult:
        return TrainingResult(window.symbol, "scalper", f"{window.symbol}-{requested_ms}", True, "", {})

    async def warm_up(self) -> None:
        """Nothing to start."""

    def describe(self) -> dict[str, Any]:
        return {}


class TimedForecaster:
    """The real one, with the milliseconds that each call for predictions took."""

    def __init__(self, inner: Forecaster) -> None:
        self._inner = inner
        self.predict_ms: list[float] = []
        self.train_ms: list[float] = []

    async def predict(self, windows: Sequence[tuple[BarColumns, str]], made_ms: int) -> list[Forecast | None]:
        began = time.perf_counter()
        try:
            return await self._inner.predict(windows, made_ms)
        finally:
            self.predict_ms.append((time.perf_counter() - began) * 1e3)

    async def train(self, window: BarColumns, requested_ms: int) -> TrainingResult:
        began = time.perf_counter()
        try:
            return await self._inner.train(window, requested_ms)
        finally:
            self.train_ms.append((time.perf_counter() - began) * 1e3)

    async def warm_up(self) -> None:
        await self._inner.warm_up()

    def describe(self) -> dict[str, Any]:
        return self._inner.describe()


@dataclass(frozen=True, slots=True)
class Driven:
    """`train_ms` are times in the queue for a worker and with it; `warm_up_s` is what the workers' start took."""

    seconds: float
    warm_up_s: float
    commits: int
    orders: int
    predict_ms: list[float]
    train_ms: list[float]


def drive(home: Home, minutes: int, *, models: bool) -> Driven:
    """The engine in this process with feed, trader, simulated venue and durable journal; `models` or scripted ones."""
    open_recorded(home.recorded, DATA, now_ms=0)
    seconds, warm_up_s, timed = asyncio.run(
        _drive_with_models(home, minutes) if models else _drive_scripted(home, minutes)
    )
    with closing(sqlite3.connect(home.database)) as connection:
        commits, orders = connection.execute(
            "SELECT (SELECT max(last_commit) FROM journals), (SELECT count(*) FROM orders)"
        ).fetchone()
    return Driven(seconds, warm_up_s, commits, orders, timed.predict_ms, timed.train_ms)


async def _drive_scripted(home: Home, minutes: int) -> tuple[float, float, TimedForecaster]:
    timed = TimedForecaster(WaveForecaster())
    return await _drive(home, minutes, timed), 0.0, timed


async def _drive_with_models(home: Home, minutes: int) -> tuple[float, float, TimedForecaster]:
    settings = _settings(home)
    pool = WorkerPool(settings.engine.training_workers, settings.engine.worker_nice, home.log)
    try:
        forecaster = WorkerForecaster(build(settings), pool, home.models, settings.demo.seed)
        began = time.perf_counter()
        await forecaster.warm_up()
        warm_up_s = time.perf_counter() - began
        timed = TimedForecaster(forecaster)
        return await _drive(home, minutes, timed), warm_up_s, timed
    finally:
        await pool.close()


def _settings(home: Home) -> Settings:
    return load_settings(home.settings) if home.settings.exists() else Settings()


async def _drive(home: Home, minutes: int, forecaster: Forecaster) -> float:
    settings, instruments = load_settings_and_rules(_settings(home))
    candles = await SqliteCandles.open(open_database(home.recorded), read_only=True)
    journal = await SqliteJournal.open(open_database(home.database), "demo")
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
                forecasters={"main": forecaster},
                feed=lambda point: batched(
                    ReplayFeed(
                        candles,
                        tuple(instruments),
                        START_MS,
                        end_ms,
                        settings.engine.first_price_delay_ms,
                        replay_cursors(point, MINUTE_MS),
                    ).events()
                ),
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
    with temporary_home(home.settings.read_text() if home.settings.exists() else "") as other:
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
    settings = _settings(home)
    strategy = build(settings)
    assert strategy.part.model is not None
    models = tasks.ModelHome(home.root / "trained-alone", strategy.name, strategy.part.model, strategy.outputs)
    tasks.warm_up(models)
    windows = asyncio.run(_windows(home, settings.market.symbols, training_bars(strategy, MINUTE_MS)))
    spent_s = 0.0
    for number in range(trainings):
        window = windows[number % len(windows)]
        requested_ms = START_MS + number * MINUTE_MS
        order = tasks.TrainingOrder(
            window=window,
            requested_ms=requested_ms,
            seed=training_seed(7, strategy.name, window.symbol, requested_ms),
            lookback_bars=strategy.part.lookback_bars,
            horizon_ms=strategy.part.horizon_ms,
        )
        began = time.perf_counter()
        tasks.train(models, order)
        spent_s += time.perf_counter() - began
    return spent_s


async def _windows(home: Home, symbols: Sequence[str], bars: int) -> list[BarColumns]:
    candles = await SqliteCandles.open(open_database(home.recorded), read_only=True)
    try:
        return [await candles.bars(symbol, START_MS - bars * MINUTE_MS, START_MS) for symbol in symbols]
    finally:
        await candles.close()


def run(minutes: int = MINUTES, trainings_alone: int = 10) -> Section:
    with temporary_home() as home:
        whole = time_with_models(home, minutes)
        alone_s = time_training_alone(home, trainings_alone) / trainings_alone
    with temporary_home() as home:
        learned = drive(home, minutes, models=True)
    with temporary_home() as home:
        scripted = drive(home, minutes, models=False)
    return told(minutes, whole, alone_s, learned, scripted)


def told(minutes: int, whole: WithModels, alone_s: float, learned: Driven, scripted: Driven) -> Section:
    """`alone_s` is the time of one training without anything beside it."""
    symbols = len(Settings().market.symbols)
    return Section(
        "replay",
        "recorded time at full speed",
        (
            Figure("the command: market minutes a second", minutes / whole.seconds, "min/s"),
            Figure("the command: whole run", whole.seconds, "s"),
            Figure("of it start, import and stop", whole.start_seconds, "s"),
            Figure("trainings in it", float(whole.trainings), "models"),
            Figure("reference: all its trainings alone, one after the other", alone_s * whole.trainings, "s"),
            Figure("reference: one training alone", 1e3 * alone_s, "ms"),
            *percentiles("a training in the run, waiting for a worker included,", learned.train_ms, "ms", (50, 99)),
            *percentiles("predictions of a minute in the run", learned.predict_ms, "ms", (50, 99)),
            Figure("workers' start: processes, imports, compiled code", learned.warm_up_s, "s"),
            Figure("the engine with warm workers: whole run", learned.seconds, "s"),
            Figure("the engine with warm workers: market minutes a second", minutes / learned.seconds, "min/s"),
            Figure("of it waiting for predictions", sum(learned.predict_ms) / 1e3, "s"),
            Figure("of it the engine's own work, measured without models", scripted.seconds, "s"),
            Figure(
                "of it the rest: waiting for trainings",
                max(0.0, learned.seconds - scripted.seconds - sum(learned.predict_ms) / 1e3),
                "s",
            ),
            Figure("without models: bars a second, journal included", minutes * symbols / scripted.seconds, "bars/s"),
            Figure("without models: market minutes a second", minutes / scripted.seconds, "min/s"),
            Figure("without models: durable commits a second", scripted.commits / scripted.seconds, "commits/s"),
            Figure("without models: orders", float(scripted.orders), "orders"),
        ),
        (f"{minutes} recorded minutes of {symbols} symbols from {iso(START_MS)}",),
    )
