"""What a model that is slow, hangs or dies costs the market beside it: first prices, stops and exits of a session in
real time, with models trained all the while, against a model that answers at once in the same run."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from benchmarks.market import load_settings_and_rules
from benchmarks.report import Figure, Section, percentile
from benchmarks.slow_learner import KINDS
from core.compute.lanes import WorkerPool
from core.domain.forecast import Forecast, Output
from core.domain.market import MINUTE_MS, Bar, FirstPrice
from core.domain.orders import OrderRole
from core.domain.origin import champion
from core.domain.records import FillRecord, IntentRecord, Record, TrainingRecord, TrainingStatus
from core.domain.trading import ExitReason
from core.engine.session import Session
from core.learning.forecaster import WorkerForecaster
from core.ports import BarColumns
from core.settings.schema import LimitSettings, Settings
from core.strategy.declaration import ExitRule, Lifecycle, ModelSpec, Part, Strategy
from core.trader.trader import Trader
from core.venues.rebuild import journalled_venue

Vector = NDArray[np.float64]

START_MS = 1_749_168_000_000
SCALE = 60
"""A minute of the market takes a second."""

SECONDS = 30
FIRST_PRICE_S = 0.03
"""After the close of the bars before it."""

WINDOW_BARS, HELD_BARS = 20, 3
ENTERS_EVERY = 2
"""Closes: as often what is flat is entered by a forecast from elsewhere, so that there is something to leave."""

TRAINING_S = 1.0
STOP_PCT, TARGET_PCT, SWING_PCT = 0.3, 0.9, 0.15
PRICES = {"BTCUSDT": 103_000.0, "ETHUSDT": 2_450.0, "SOLUSDT": 147.0, "BNBUSDT": 640.0, "XRPUSDT": 2.15}


def _decide(values: Vector, cost_bps: float, parameters: Vector) -> tuple[int, float]:
    return (1 if values[0] > 0.0 else -1), 0.6


def _held_long(sign: int, entry: float, price: float, values: Vector, held_ms: int, parameter: float) -> bool:
    return held_ms >= parameter


def strategy_of(kind: str) -> Strategy:
    options = json.dumps({"kind": kind, "training_s": TRAINING_S})
    part = Part(
        (Output("forecast", "bps"),),
        lookback_bars=2,
        source=ModelSpec("benchmarks.slow_learner", options),
        lifecycle=Lifecycle(WINDOW_BARS * MINUTE_MS, MINUTE_MS, keep_versions=3),
        max_age_ms=SECONDS * SCALE * 1_000,
    )
    held = ExitRule(ExitReason.REVERSAL, _held_long, float(HELD_BARS * MINUTE_MS))
    return Strategy("bench", (part,), _decide, STOP_PCT, TARGET_PCT, 0, (held,))


class _Clock:
    """The market's time, SCALE times as fast as the wall's."""

    def __init__(self, at_ms: int) -> None:
        self._at_ms, self._began = at_ms, perf_counter()

    def now_ms(self) -> int:
        return self._at_ms + int((perf_counter() - self._began) * 1_000 * SCALE)

    def advance_to(self, time_ms: int) -> None: ...


class _Memory:
    async def commit(self, records: Sequence[Record]) -> None: ...

    async def load(self) -> list[Record]:
        return []


@dataclass
class Waits:
    """Milliseconds from when a thing was due until the trader was done with it; `close` is how long the market stood
    at each close."""

    close: list[float] = field(default_factory=list)
    first_price: list[float] = field(default_factory=list)
    stop: list[float] = field(default_factory=list)
    exit: list[float] = field(default_factory=list)
    trainings: int = 0
    late: int = 0
    missing: int = 0

    def waiting(self, delay_ms: float) -> list[int]:
        """The closes at which the market waited for a forecast as long as it ever does."""
        return [n for n, stood_ms in enumerate(self.close) if stood_ms >= delay_ms]

    def take(self, records: Sequence[Record], waited_ms: float) -> None:
        for record in records:
            if isinstance(record, FillRecord) and record.order.role is OrderRole.STOP:
                self.stop.append(waited_ms)
            elif isinstance(record, IntentRecord) and record.order.role is OrderRole.EXIT:
                self.exit.append(waited_ms)
            elif isinstance(record, TrainingRecord) and record.status is TrainingStatus.SWAPPED:
                self.trainings += 1


class _Market:
    """A drawn walk of each symbol, a bar and then its successor's first price at a time."""

    def __init__(self) -> None:
        self._rng = random.Random(20_261_128)
        self._prices = dict(PRICES)

    def bars(self, close_ms: int) -> list[Bar]:
        return [self._bar(symbol, close_ms - MINUTE_MS) for symbol in PRICES]

    def _bar(self, symbol: str, open_ms: int) -> Bar:
        opened = self._prices[symbol]
        close = opened * (1.0 + self._rng.gauss(0.0, SWING_PCT) / 100.0)
        self._prices[symbol] = close
        high, low = max(opened, close) * 1.0003, min(opened, close) * 0.9997
        return Bar(symbol, open_ms, MINUTE_MS, opened, high, low, close, 1_000.0)

    def firsts(self, time_ms: int) -> list[FirstPrice]:
        return [FirstPrice(symbol, time_ms, time_ms, price) for symbol, price in self._prices.items()]


async def watch(kind: str, seconds: int, models: Path) -> Waits:
    """A session in real time, whose models are of this `kind`."""
    settings, instruments = load_settings_and_rules(
        Settings(limits=LimitSettings(max_trades_per_day=1_000_000, max_losses_in_row=1_000_000))
    )
    strategy, pool, waits, market = strategy_of(kind), WorkerPool(1, 19), Waits(), _Market()
    forecaster = WorkerForecaster(strategy, pool, models, 1)
    trader = Trader("bench", strategy, settings, instruments)
    clock, due = _Clock(START_MS), [perf_counter()]
    session = Session(
        trader,
        journalled_venue(instruments, settings),
        _Memory(),
        {strategy.part.name: forecaster},
        clock,
        lambda records: waits.take(records, 1e3 * (perf_counter() - due[0])),
        waits_for_models=False,
    )
    try:
        await forecaster.warm_up()
        before = [market.bars(START_MS - n * MINUTE_MS) for n in range(WINDOW_BARS, -1, -1)]
        for bars in before:
            for bar in bars:
                session.histories[bar.symbol].append(bar)
        session.take_in([await _trained(forecaster, strategy, session, symbol) for symbol in PRICES])
        async with asyncio.TaskGroup() as group:
            began = perf_counter()
            for n in range(1, seconds + 1):
                close_ms = START_MS + n * MINUTE_MS
                due[0] = await _until(began + n)
                await session.deliver_models(close_ms)
                closed = perf_counter()
                await session.instant(close_ms, market.bars(close_ms), group)
                waits.close.append(1e3 * (perf_counter() - closed))
                due[0] = await _until(began + n + FIRST_PRICE_S)
                await session.instant(close_ms, market.firsts(close_ms), group)
                waits.first_price.append(1e3 * (perf_counter() - due[0]))
                if n % ENTERS_EVERY == 0:
                    await _enter(session, close_ms)
            waits.late, waits.missing = session.answers.late, session.answers.missing
            for task in session.tasks():
                task.cancel()
    finally:
        await pool.close()
    return waits


async def _enter(session: Session, close_ms: int) -> None:
    flat = [symbol for symbol, s in session.trader.state.symbols.items() if not s.lots]
    origin = champion(session.trader.strategy.name, "elsewhere")
    await session.stepper.step([Forecast(symbol, close_ms, close_ms, (20.0,), origin) for symbol in flat], close_ms)


async def _until(due_s: float) -> float:
    await asyncio.sleep(max(0.0, due_s - perf_counter()))
    return due_s


async def _trained(forecaster: WorkerForecaster, strategy: Strategy, session: Session, symbol: str) -> TrainingRecord:
    window: BarColumns = session.histories[symbol].window(WINDOW_BARS, START_MS)
    result = await forecaster.train(window, START_MS)
    return TrainingRecord(symbol, champion(strategy.name, result.version), 0, 0, TrainingStatus.SWAPPED)


def run(seconds: int = SECONDS) -> Section:
    figures: list[Figure] = []
    allowed: dict[str, float] = {}
    quiet = logging.getLogger("quarterdeck")
    level = quiet.level
    quiet.setLevel(logging.CRITICAL)
    try:
        for kind in KINDS:
            with tempfile.TemporaryDirectory(prefix="qdbench-") as folder:
                waits = asyncio.run(watch(kind, seconds, Path(folder)))
            figures += _figures(kind, waits, allowed)
    finally:
        quiet.setLevel(level)
    delay_ms = Settings().engine.inference_delay_ms
    notes = (
        f"{seconds} closes of five symbols for each kind, a close a second, and a first price "
        f"{1e3 * FIRST_PRICE_S:g} ms after it; a training of {TRAINING_S:g} s of a core follows another, niced",
        f"the market waits up to {delay_ms} ms at a close (engine.inference_delay_ms) for an answer, but not for a "
        "model that was late at the last: one such close more than where models answer at once is allowed, at p99 of "
        "stops and exits that much time more, and half of it at first prices behind that close",
    )
    return Section("models", "the market beside models that are slow, hang or die", tuple(figures), notes)


def _figures(kind: str, waits: Waits, allowed: dict[str, float]) -> list[Figure]:
    """`allowed` is filled by the first kind, which is the reference of the others."""
    told = [
        Figure(f"{kind}: trainings that ended", waits.trainings, ""),
        Figure(f"{kind}: forecasts late / not asked for", waits.late + waits.missing, ""),
    ]
    delay_ms = float(Settings().engine.inference_delay_ms)
    waiting = waits.waiting(delay_ms)
    told.append(Figure(f"{kind}: closes that waited {delay_ms:g} ms", len(waiting), "", at_most=allowed.get("closes")))
    allowed.setdefault("closes", len(waiting) + 1)
    behind = waits.first_price[waiting[0] + 1 :] if waiting else waits.first_price
    for what, samples, more_ms in (
        ("first price", behind, delay_ms / 2.0),
        ("stop", waits.stop, delay_ms),
        ("exit", waits.exit, delay_ms),
    ):
        if not samples:
            continue
        p99 = percentile(samples, 99)
        limit = allowed.get(what)
        allowed.setdefault(what, p99 + more_ms)
        told.append(Figure(f"{kind}: {what}, p50 of {len(samples)}", percentile(samples, 50), "ms"))
        told.append(Figure(f"{kind}: {what}, p99", p99, "ms", at_most=limit))
    return told
