"""An exchange on loopback in virtual time, and gatherings of its streams that come and go."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from core.clock import ExchangeClock
from core.domain.rows import Row
from core.exchange.binanceusdm.dialect import BinanceUsdm
from core.exchange.connection.health import Health
from core.exchange.connection.requests import open_wire
from core.market.collecting.collector import Collector, Gathering
from core.market.collecting.report import gathered
from core.settings.schema import parse_settings
from storage.collected import SqliteCollected
from storage.database import Database, open_database
from tests.simulation.loop import LoopClock, VirtualLoop, run_virtual
from tests.simulation.transport import virtual_ccxt
from tests.venue.server import VenueServer
from tests.venue.venue import BinanceVenue
from tests.venue.walk import RandomWalk

T = TypeVar("T")

BTC = "BTCUSDT"
EXCHANGE = "binanceusdm"
START_MS = 1_780_012_650_000
"""2 minutes and 30 seconds before a settlement of funding, 30 seconds into a minute."""

MINUTE = 60_000
HOUR_S = 3_600
ALL = ("funding", "trades", "book10", "mark", "liquidations", "open_interest.5m", "long_short.5m", "taker_flow.5m")
ASKED = Gathering(
    symbols=(BTC,),
    streams=ALL,
    keep_ms={},
    batch_ms=2_000,
    sample_ms=1_000,
    stale_ms=10_000,
    fill_ms=24 * 60 * MINUTE,
    weight_an_hour=12_000,
    min_free_bytes=1_000,
)


class PatientStore(SqliteCollected):
    """Virtual time stands still while the database works."""

    loop: VirtualLoop

    async def _call(self, function: Callable[[Any], T]) -> T:
        with self.loop.waiting_outside():
            return await super()._call(function)


@dataclass
class Scene:
    loop: VirtualLoop
    clock: LoopClock
    server: VenueServer
    database: Database
    said: list[str] = field(default_factory=list)
    rests: int = 0
    free_bytes: int = 1_000_000
    report: list[Row] = field(default_factory=list)
    ended: str = "not yet"

    @property
    def venue(self) -> BinanceVenue:
        return self.server.venue

    @property
    def now_ms(self) -> int:
        return self.clock.now_ms()

    async def gather(self, asked: Gathering = ASKED, seconds: float = 1e9, *, killed: bool = False) -> Collector:
        """One gathering, ended after so long, as it should be or as a kill does."""
        settings = parse_settings({"exchange": {"base_url": self.server.base_url}}, "test")
        clock = ExchangeClock(self.clock)
        wire = await open_wire(settings, None, clock, Health(), BinanceUsdm(), asked.symbols)
        with self.loop.waiting_outside():
            store = await PatientStore.open(self.database, EXCHANGE)
        assert isinstance(store, PatientStore)
        store.loop = self.loop

        async def rest() -> None:
            self.rests += 1

        collector = Collector(wire, store, asked, rest=rest, free_bytes=lambda: self.free_bytes, tell=self.said.append)
        until_s = self.loop.time() + seconds
        running = asyncio.ensure_future(collector.run(lambda: not killed and self.loop.time() >= until_s))
        try:
            await asyncio.wait({running}, timeout=seconds if killed else None)
            running.cancel()
            (end,) = await asyncio.gather(running, return_exceptions=True)
            if isinstance(end, Exception):
                raise end
            if not isinstance(end, asyncio.CancelledError):
                self.ended = end
                self.report = await gathered(collector, store, asked, EXCHANGE, self.now_ms)
        finally:
            await wire.close()
            with self.loop.waiting_outside():
                await store.close()
        return collector

    def of(self, stream: str) -> Row:
        (row,) = [row for row in self.report if row["stream"] == stream]
        return row

    def rows(self, sql: str, *told: object) -> list[tuple[Any, ...]]:
        with self.database.connect_sync(durable=False) as connection:
            return connection.execute(sql, told).fetchall()

    def numbers(self) -> list[int]:
        return [n for (n,) in self.rows("SELECT number FROM observations WHERE stream = 'trades' ORDER BY number")]

    def times(self, stream: str) -> list[int]:
        sql = "SELECT time_ms FROM observations WHERE stream = ? ORDER BY time_ms"
        return [time_ms for (time_ms,) in self.rows(sql, stream)]


def play(folder: Path, act: Callable[[Scene], Coroutine[Any, Any, None]], step_s: float = 1.0) -> Scene:
    async def main(loop: VirtualLoop) -> Scene:
        clock = LoopClock(loop, START_MS)
        venue = BinanceVenue([BTC], start_ms=START_MS)
        walk = RandomWalk(venue, (BTC,), random.Random(7), history_minutes=10)
        walk.begin(START_MS)
        with virtual_ccxt(clock):
            async with VenueServer(venue, clock.now_ms) as server, _moved(walk, clock, step_s):
                scene = Scene(loop, clock, server, open_database(folder / "quarterdeck.db"))
                await act(scene)
        return scene

    return run_virtual(main, real_io=True)


@asynccontextmanager
async def _moved(walk: RandomWalk, clock: LoopClock, step_s: float) -> AsyncIterator[None]:
    async def move() -> None:
        while True:
            walk.step(clock.now_ms())
            await asyncio.sleep(step_s)

    moving = asyncio.ensure_future(move())
    try:
        yield
    finally:
        moving.cancel()
        await asyncio.gather(moving, return_exceptions=True)


def only(*streams: str, **more: Any) -> Gathering:
    return replace(ASKED, streams=streams, **more)


def holes_of(numbers: Sequence[int]) -> list[int]:
    return sorted(set(range(numbers[0], numbers[-1] + 1)) - set(numbers))
