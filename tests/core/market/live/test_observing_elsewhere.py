"""The streams beside bars of MEXC: the genuine ccxt.pro client on loopback, fed with its own messages."""

from __future__ import annotations

import asyncio

import pytest

from core.domain.market import Quote
from core.domain.stream import Observation
from core.market.live.beside import StreamsBeside
from core.market.live.observing import LiveStreams, live_names
from core.market.replay.resuming import ResumePoint
from tests.core.market.live.test_elsewhere import MEXC_NOW_MS, market_of, topics, wire_to
from tests.core.market.live.test_storing import Disk
from tests.core.market.memory_store import MemoryCandles
from tests.venue.mexc import MexcLoopback, pushed


@pytest.mark.usefixtures("only_loopback")
async def test_mark_and_index_of_mexc_come_with_its_ticker() -> None:
    names = live_names("mexc", ["mark"])
    async with MexcLoopback() as venue, wire_to("mexc", venue, MEXC_NOW_MS) as (wire, clock):
        assert isinstance(venue, MexcLoopback)
        streams = LiveStreams(wire, ["BTCUSDT"], names)
        running = asyncio.create_task(streams.run())
        await venue.until(lambda: "ticker.BTC_USDT" in topics(venue))
        clock.advance_to(MEXC_NOW_MS + 40)
        await venue.push_quote("BTC_USDT", 31198.5, 31199.0, MEXC_NOW_MS)
        found = await streams.taken()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    told = pushed("Ticker")["data"]
    values = (told["fairPrice"], told["indexPrice"])
    assert found == [Observation("BTCUSDT", "mark", MEXC_NOW_MS, MEXC_NOW_MS + 40, values)]


@pytest.mark.usefixtures("only_loopback")
async def test_beside_its_market_the_mark_of_mexc_is_heard_where_its_quotes_are() -> None:
    async with MexcLoopback() as venue, wire_to("mexc", venue, MEXC_NOW_MS) as (wire, _):
        assert isinstance(venue, MexcLoopback)
        async with market_of("mexc", wire, MemoryCandles()) as market:
            disk = Disk()
            beside = StreamsBeside(wire, ["BTCUSDT"], ("mark",), disk, followed=market.followed, stale_ms=10_000)
            running = asyncio.create_task(beside.run())
            batches = beside.batches(market.batches(ResumePoint({}, {})))
            heard = asyncio.ensure_future(anext(batches))
            await venue.until(lambda: "ticker.BTC_USDT" in topics(venue))
            await venue.push_quote("BTC_USDT", 31198.5, 31199.0, MEXC_NOW_MS)
            batch = await heard
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    told = pushed("Ticker")["data"]
    assert batch.events == (Quote("BTCUSDT", MEXC_NOW_MS, 31198.5, 31199.0),)
    assert [one.values for one in batch.observed] == [(told["fairPrice"], told["indexPrice"])]
    assert disk.rows == list(batch.observed)
