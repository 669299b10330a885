"""The live market through genuine ccxt.pro, over loopback sockets, against an exchange of the real protocol."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from core.clock import ExchangeClock
from core.domain.market import MINUTE_MS, Bar, FirstPrice, FundingRate, MarketBatch, Quote
from core.exchange.binanceusdm.dialect import BinanceUsdm
from core.exchange.connection.health import Health
from core.exchange.connection.requests import Requests, open_wire
from core.market.live.market import LiveMarket
from core.market.replay.resuming import ResumePoint
from core.settings.schema import parse_settings
from tests.core.market.memory_store import MemoryCandles
from tests.simulation.loop import LoopClock, VirtualLoop, run_virtual
from tests.simulation.transport import virtual_ccxt
from tests.venue.server import VenueServer
from tests.venue.streams import Connection
from tests.venue.venue import BinanceVenue
from tests.venue.walk import RandomWalk

SYMBOLS = ("BTCUSDT", "ETHUSDT")
START_MS = 1_780_012_650_000
"""2 minutes and 30 seconds before a settlement of funding, 30 seconds into a minute."""


@dataclass
class Scene:
    server: VenueServer
    wire: Requests
    market: LiveMarket
    store: MemoryCandles
    given: list[tuple[int, MarketBatch]] = field(default_factory=list)

    @property
    def venue(self) -> BinanceVenue:
        return self.server.venue

    async def consume(self) -> None:
        async for batch in self.market.batches(ResumePoint({}, {})):
            self.given.append((self.server.now_ms(), batch))

    def events(self, kind: type[Any], symbol: str) -> list[Any]:
        return [e for _, batch in self.given for e in batch.events if isinstance(e, kind) and e.symbol == symbol]

    def check_whole(self) -> None:
        """Every candle that closed since the start was given once, with the values that the exchange has."""
        first_ms = START_MS - START_MS % MINUTE_MS
        for symbol in SYMBOLS:
            market = self.venue.exchange.markets[symbol]
            rows = [market.kline_row(candle) for candle in market.candles if candle.open_ms >= first_ms]
            truth = [Bar(symbol, row[0], MINUTE_MS, *map(float, row[1:6])) for row in rows]
            assert self.events(Bar, symbol) == truth
            assert [self.store.rows[symbol, bar.open_time_ms] for bar in truth] == truth
            firsts = self.events(FirstPrice, symbol)
            assert [first.price for first in firsts][: len(truth)] == [bar.open for bar in truth]
        assert all(e.close_time_ms <= now for now, batch in self.given for e in batch.events if isinstance(e, Bar))

    def streams(self, name: str) -> list[Connection]:
        return [c for c in self.venue.connections if any(name in stream for stream in c.streams)]


def play(act: Callable[[Scene], Coroutine[Any, Any, None]], **asked: Any) -> Scene:
    async def main(loop: VirtualLoop) -> Scene:
        clock = LoopClock(loop, START_MS)
        venue = BinanceVenue(list(SYMBOLS), start_ms=START_MS)
        walk = RandomWalk(venue, SYMBOLS, random.Random(7))
        walk.begin(START_MS)

        async def move() -> None:
            while True:
                walk.step(clock.now_ms())
                await asyncio.sleep(0.5)

        with virtual_ccxt(clock):
            async with VenueServer(venue, clock.now_ms) as server:
                settings = parse_settings({"mode": "paper", "exchange": {"base_url": server.base_url}}, "test")
                wire = await open_wire(settings, None, ExchangeClock(clock), Health(), BinanceUsdm(), SYMBOLS)
                store = MemoryCandles()
                scene = Scene(server, wire, LiveMarket(wire, store, SYMBOLS, settings, **asked), store)
                tasks = [asyncio.ensure_future(job) for job in (move(), scene.market.run(), scene.consume())]
                try:
                    await act(scene)
                finally:
                    for task in tasks:
                        task.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)
                    await wire.close()
        return scene

    return run_virtual(main, real_io=True)


def test_minutes_and_funding_come_from_the_genuine_client() -> None:
    async def act(scene: Scene) -> None:
        await asyncio.sleep(4 * 60 + 45)
        assert scene.wire.health.problem() == ""

    scene = play(act)
    scene.check_whole()
    assert len(scene.events(Bar, "BTCUSDT")) == 5
    late = [now - batch.due_ms for now, batch in scene.given if isinstance(batch.events[0], Bar)]
    assert max(late) <= 500
    (rate,) = scene.events(FundingRate, "ETHUSDT")
    settled = scene.venue.exchange.markets["ETHUSDT"].fundings[-1]
    assert rate.time_ms == settled["fundingTime"]
    assert rate.time_ms == START_MS + 150_000
    assert (rate.rate, rate.mark_price) == (Decimal(settled["fundingRate"]), Decimal(settled["markPrice"]))
    order = [
        type(batch.events[0]) for _, batch in scene.given if batch.due_ms // MINUTE_MS == rate.time_ms // MINUTE_MS
    ]
    assert [kind for kind in order if kind is not Quote] == [Bar, FundingRate, FundingRate, FirstPrice]


def test_ten_minutes_without_streams_leave_no_hole() -> None:
    async def act(scene: Scene) -> None:
        await asyncio.sleep(100)
        scene.server.refuses_websockets = True
        await scene.server.cut()
        await asyncio.sleep(60)
        assert "market stream: candles: " in scene.wire.health.problem()
        await asyncio.sleep(540)
        scene.server.refuses_websockets = False
        await asyncio.sleep(60)
        assert scene.wire.health.problem() == ""

    play(act).check_whole()


@pytest.mark.parametrize("kind", ["stall", "not json", "wrong json"])
def test_a_stream_that_falls_silent_is_opened_again_and_one_that_tells_nonsense_goes_on(kind: str) -> None:
    async def act(scene: Scene) -> None:
        await asyncio.sleep(100)
        (old,) = scene.streams("@kline")
        if kind == "stall":
            # The exchange forgets that anybody listens; the connection stays.
            for stream in list(old.streams):
                scene.venue.exchange.hub.unsubscribe(old, stream)
        else:
            old.send('{"e":"kline","E":17' if kind == "not json" else '{"e":"kline","k":[]}')
        await asyncio.sleep(45)
        assert scene.wire.health.problem() == ""
        (new,) = scene.streams("@kline")
        assert (new is old) == (kind != "stall"), "a frame that cannot be read is left out"
        await asyncio.sleep(90)

    play(act).check_whole()


def test_an_order_book_and_trades_are_there_where_asked_for() -> None:
    async def act(scene: Scene) -> None:
        # Between two steps of the market.
        await asyncio.sleep(20.25)
        now_ms = scene.server.now_ms()
        market = scene.venue.exchange.markets["BTCUSDT"]
        book = scene.market.order_book("BTCUSDT")
        assert book is not None
        assert book.age_ms(now_ms) <= 1_000
        price = market.contract.price
        assert [level[0] for level in book.bids] == [float(price(ticks)) for ticks, _ in market.bids[:10]]
        assert [level[0] for level in book.asks] == [float(price(ticks)) for ticks, _ in market.asks[:10]]
        assert scene.market.order_book("ETHUSDT") is None
        scene.venue.trade("ETHUSDT", "3210.00", "0.5", now_ms)
        await asyncio.sleep(1)
        trades = [trade for trade in scene.market.trades("ETHUSDT") if trade.price == 3210.0]
        assert [(trade.amount, trade.time_ms, trade.side) for trade in trades] == [(0.5, now_ms, "buy")]
        # A lost difference: ccxt finds the hole, and the book is asked for anew.
        (connection,) = scene.streams("@depth")
        connection.outbox.clear()
        market.update_id += 50
        market.told_book = None
        await asyncio.sleep(15)
        assert len([call for call in scene.server.calls if call.path.endswith("/depth")]) >= 2
        again = scene.market.order_book("BTCUSDT")
        assert again is not None
        assert again.age_ms(scene.server.now_ms()) <= 1_000
        assert [level[0] for level in again.bids] == [float(price(ticks)) for ticks, _ in market.bids[:10]]

    play(act, order_books=["BTCUSDT"], trades=["ETHUSDT"])
