"""From a closed bar at the engine's step to the order's intent on disk, beside what the disk itself can do."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter_ns

from benchmarks.decision import ENTERS_FROM_BPS, START_MS, bar_of, forecast_of, new_trader
from benchmarks.market import temporary_home
from benchmarks.report import Section, percentile, percentiles
from core.domain.market import MINUTE_MS
from core.domain.orders import Order
from core.domain.records import IntentRecord, Record
from core.engine.stepper import Stepper
from core.venues.rebuild import journalled_venue
from storage.database import open_database
from storage.journal import SqliteJournal

ITERATIONS = 8_000
BEYOND_DISK_US = 1_000.0
APPENDED = b"x" * 200


class TimedJournal:
    """A journal that notes when the commit of an intent returned."""

    def __init__(self, journal: SqliteJournal) -> None:
        self._journal = journal
        self.intent: Order | None = None
        self.durable_ns = 0

    async def commit(self, records: Sequence[Record]) -> None:
        await self._journal.commit(records)
        now_ns = perf_counter_ns()
        for record in records:
            if isinstance(record, IntentRecord):
                self.durable_ns, self.intent = now_ns, record.order

    async def load(self) -> list[Record]:
        return await self._journal.load()


@dataclass(frozen=True, slots=True)
class Timings:
    """Microseconds, one of each a minute: bars of a minute to durable intent, the part from the prediction on, and
    one and two appends of 200 bytes with fdatasync, and one such on a thread that the event loop waits for.
    """

    whole: list[float] = field(default_factory=list)
    intent: list[float] = field(default_factory=list)
    one_sync: list[float] = field(default_factory=list)
    two_syncs: list[float] = field(default_factory=list)
    thread_sync: list[float] = field(default_factory=list)


async def time_intents(root: Path, iterations: int) -> Timings:
    """A minute is as the engine has it: the bars of all symbols, limits measured and account sampled, one commit; then
    the prediction, and a commit with signal and intent. Every order is canceled again, untimed.
    """
    trader = new_trader()
    instruments = {symbol: s.instrument for symbol, s in trader.state.symbols.items()}
    symbols = tuple(instruments)
    venue = journalled_venue(instruments, trader.settings)
    stored = await SqliteJournal.open(open_database(root / "quarterdeck.db"), "bench")
    journal = TimedJournal(stored)
    stepper = Stepper(trader, venue, journal, lambda records: None)
    appended = os.open(root / "appended", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    timings = Timings()
    # As the command does once everything is imported: the collector leaves what was there before alone.
    gc.freeze()
    try:
        for index in range(iterations):
            close_ms = START_MS + (index + 1) * MINUTE_MS
            bars = [bar_of(symbol, index) for symbol in symbols]
            prediction = forecast_of(bars[index % len(bars)], 2.0 * ENTERS_FROM_BPS)
            journal.intent = None
            began = perf_counter_ns()
            await stepper.market(bars, close_ms, timer=True)
            decided = perf_counter_ns()
            await stepper.step([prediction], prediction.made_ms)
            if journal.intent is None:
                raise RuntimeError(f"minute {index} made no intent")
            timings.whole.append((journal.durable_ns - began) / 1e3)
            timings.intent.append((journal.durable_ns - decided) / 1e3)
            order = trader.state.symbols[prediction.symbol].orders[journal.intent.client_order_id]
            await stepper.step(await venue.cancel(order, prediction.made_ms), prediction.made_ms)
            first, second = _sync(appended), _sync(appended)
            timings.one_sync.append(first)
            timings.two_syncs.append(first + second)
            began = perf_counter_ns()
            await asyncio.to_thread(_sync, appended)
            timings.thread_sync.append((perf_counter_ns() - began) / 1e3)
    finally:
        os.close(appended)
        await stored.close()
    return timings


def _sync(descriptor: int) -> float:
    began = perf_counter_ns()
    os.write(descriptor, APPENDED)
    os.fdatasync(descriptor)
    return (perf_counter_ns() - began) / 1e3


def run(iterations: int = ITERATIONS) -> Section:
    with temporary_home() as home:
        found = asyncio.run(time_intents(home.root, iterations))
    one_us = percentile(found.one_sync, 99) + BEYOND_DISK_US
    figures = percentiles("prediction to durable intent (one commit)", found.intent, "us", (50, 99), {99: one_us})
    figures += percentiles("reference: append 200 bytes, fdatasync", found.one_sync, "us", (50, 99))
    figures += percentiles("reference: the same on a thread, awaited", found.thread_sync, "us", (50, 99))
    figures += percentiles("a minute's bars to durable intent (two commits)", found.whole, "us", (50, 99))
    figures += percentiles("reference: append and fdatasync twice", found.two_syncs, "us", (50, 99))
    notes = (
        f"{iterations:,} minutes of 5 symbols, SQLite WAL with synchronous FULL, one of each figure a minute",
        f"target: p99 at most {BEYOND_DISK_US:g} us beyond the disk's own p99 of one sync, in this run",
        "in the engine the first of the two commits runs while the workers predict",
    )
    return Section("durable", "from a bar to its order's intent on disk", tuple(figures), notes)
