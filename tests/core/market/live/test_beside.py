"""Streams that are pushed beside the market that is traded, through genuine ccxt.pro on one client, over loopback."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.clock import ExchangeClock
from core.domain.errors import StorageError
from core.domain.market import Bar, FirstPrice, MarketBatch
from core.domain.stream import Observation
from core.exchange.binanceusdm.dialect import BinanceUsdm
from core.exchange.connection.health import Health
from core.exchange.connection.requests import Requests, open_wire
from core.market.live.beside import HEALTH_PART, STORE_PART, StreamsBeside
from core.market.live.market import LiveMarket
from core.market.replay.resuming import ResumePoint
from core.settings.schema import parse_settings
from tests.core.market.live.test_storing import Disk
from tests.core.market.memory_store import MemoryCandles
from tests.simulation.loop import LoopClock, VirtualLoop, run_virtual
from tests.simulation.transport import virtual_ccxt
from tests.venue.server import VenueServer
from tests.venue.venue import BinanceVenue
from tests.venue.walk import RandomWalk

BTC, ETH = "BTCUSDT", "ETHUSDT"
START_MS = 1_780_012_650_000
MINUTE = 60_000
PUSHED = ("mark", "trades", "book10", "liquidations")


@dataclass
class Scene:
    server: VenueServer
    wire: Requests
    market: LiveMarket
    beside: StreamsBeside
    disk: Disk
    batches: list[tuple[int, MarketBatch]] = field(default_factory=list)
    moves: bool = True

    @property
    def now_ms(self) -> int:
        return self.server.now_ms()

    @property
    def health(self) -> str:
        return self.wire.health.problem()

    def of(self, name: str) -> list[Observation]:
        return [one for _, batch in self.batches for one in batch.observed if one.stream == name]

    async def take(self) -> None:
        market = self.market.batches(ResumePoint({}, {}))
        async for batch in self.beside.batches(market):
            self.batches.append((self.now_ms, batch))


def play(names: Sequence[str], act: Callable[[Scene], Coroutine[Any, Any, None]]) -> Scene:
    async def main(loop: VirtualLoop) -> Scene:
        clock = LoopClock(loop, START_MS)
        venue = BinanceVenue([BTC, ETH], start_ms=START_MS)
        walk = RandomWalk(venue, (BTC, ETH), random.Random(7), history_minutes=10)
        walk.begin(START_MS)

        async def move(scene: Scene) -> None:
            while True:
                if scene.moves:
                    walk.step(clock.now_ms())
                await asyncio.sleep(0.5)

        with virtual_ccxt(clock):
            async with VenueServer(venue, clock.now_ms) as server:
                settings = parse_settings(
                    {"mode": "paper", "market": {"symbols": [BTC, ETH]}, "exchange": {"base_url": server.base_url}}, "a"
                )
                wire = await open_wire(settings, None, ExchangeClock(clock), Health(), BinanceUsdm(), (BTC, ETH))
                market = LiveMarket(wire, MemoryCandles(), (BTC, ETH), settings)
                disk = Disk()
                beside = StreamsBeside(wire, (BTC, ETH), names, disk, followed=market.followed, stale_ms=10_000)
                scene = Scene(server, wire, market, beside, disk)
                jobs = (move(scene), market.run(), beside.run(), scene.take())
                tasks = [asyncio.ensure_future(job) for job in jobs]
                try:
                    await act(scene)
                finally:
                    for task in tasks:
                        task.cancel()
                    ended = await asyncio.gather(*tasks, return_exceptions=True)
                    await wire.close()
                assert all(isinstance(end, asyncio.CancelledError) for end in ended), ended
        return scene

    return run_virtual(main, real_io=True)


def test_what_is_pushed_comes_with_the_market_and_is_stored_as_it_was_told() -> None:
    async def act(scene: Scene) -> None:
        await asyncio.sleep(20)
        for n in range(5):
            scene.server.venue.tell_liquidation(ETH, "SELL", "3000.5", f"1.{n}", scene.now_ms)
            await asyncio.sleep(30)

    scene = play(PUSHED, act)
    told = [one for _, batch in scene.batches for one in batch.observed]
    assert [len(scene.of(name)) > 100 for name in PUSHED[:3]] == [True] * 3
    assert [one.values[2] for one in scene.of("liquidations")] == [1.0, 1.1, 1.2, 1.3, 1.4]
    assert scene.disk.rows == told
    closes_ms: dict[str, int] = {}
    for now_ms, batch in scene.batches:
        assert all(closes_ms.get(one.symbol, 0) < one.known_ms <= now_ms for one in batch.observed)
        closes_ms |= {event.symbol: event.close_time_ms for event in batch.events if isinstance(event, Bar)}
    assert closes_ms.keys() == {BTC, ETH}
    assert scene.health == ""


def test_mark_prices_are_listened_to_on_the_market_s_own_connection() -> None:
    async def act(scene: Scene) -> None:
        await asyncio.sleep(30)
        assert scene.of("mark")
        topics = [topic for one in scene.server.venue.connections for topic in one.streams if "@markPrice" in topic]
        assert sorted(topics) == sorted(set(topics))
        await scene.server.cut()
        await asyncio.sleep(30)
        assert scene.now_ms - scene.of("mark")[-1].known_ms < 3_000

    play(("mark",), act)


def test_while_events_are_not_heard_no_silence_is_taken_for_none() -> None:
    async def act(scene: Scene) -> None:
        await asyncio.sleep(0.01)
        assert f"{HEALTH_PART}: trades: not opened yet, liquidations: not opened yet" in scene.health
        await asyncio.sleep(40)
        assert scene.health == ""
        scene.server.refuses_websockets = True
        await scene.server.cut()
        await asyncio.sleep(20)
        assert f"{HEALTH_PART}: trades: " in scene.health
        assert "liquidations: " in scene.health
        scene.server.refuses_websockets = False
        await asyncio.sleep(90)
        assert scene.health == ""

    play(PUSHED, act)


def test_a_market_without_trades_is_no_stream_that_broke() -> None:
    async def act(scene: Scene) -> None:
        await asyncio.sleep(30)
        scene.moves = False
        await asyncio.sleep(5 * 60)
        assert scene.health == ""
        before = len(scene.of("trades"))
        scene.moves = True
        await asyncio.sleep(5)
        assert len(scene.of("trades")) > before

    play(("trades",), act)


def test_a_disk_that_hangs_or_fails_delays_no_bar_and_no_first_price() -> None:
    def delays(scene: Scene) -> list[int]:
        return [
            now_ms - event.time_ms
            for now_ms, batch in scene.batches
            for event in batch.events
            if isinstance(event, FirstPrice)
        ]

    async def calm(scene: Scene) -> None:
        await asyncio.sleep(4 * 60)

    async def hanging(scene: Scene) -> None:
        scene.disk.slow_s = 40.0
        await asyncio.sleep(4 * 60)

    async def failing(scene: Scene) -> None:
        scene.disk.error = StorageError("the disk is full")
        await asyncio.sleep(4 * 60)
        assert f"{STORE_PART}: what comes of streams cannot be stored: the disk is full" in scene.health
        scene.disk.error = None
        await asyncio.sleep(20)
        assert scene.health == ""

    at_rest = delays(play(PUSHED, calm))
    assert len(at_rest) == 10
    assert delays(play(PUSHED, hanging)) == at_rest
    assert delays(play(PUSHED, failing))[: len(at_rest)] == at_rest


async def test_what_is_told_behind_a_bar_was_not_known_at_its_close() -> None:
    """Our clock may be behind the exchange's: then the bar is there before its close."""

    async def market() -> AsyncIterator[MarketBatch]:
        yield MarketBatch(MINUTE, (Bar(BTC, 0, MINUTE, 1.0, 1.0, 1.0, 1.0, 1.0),))
        beside._live._put([late, of_another])
        yield MarketBatch(MINUTE, ())

    late = Observation(BTC, "mark", MINUTE - 30, MINUTE - 20, (1.0, 1.0))
    of_another = Observation(ETH, "mark", MINUTE - 30, MINUTE - 20, (1.0, 1.0))
    venue = BinanceVenue([BTC, ETH], start_ms=START_MS)
    async with VenueServer(venue, lambda: START_MS) as server:
        settings = parse_settings({"exchange": {"base_url": server.base_url}}, "test")
        clock = ExchangeClock(LoopClock(VirtualLoop(), START_MS))
        wire = await open_wire(settings, None, clock, Health(), BinanceUsdm(), (BTC, ETH))
        beside = StreamsBeside(wire, (BTC, ETH), ("mark",), Disk(), stale_ms=10_000)
        found = [batch.observed async for batch in beside.batches(market())]
        await wire.close()
    assert [[one.known_ms for one in observed] for observed in found] == [[], [MINUTE + 1, MINUTE - 20]]
