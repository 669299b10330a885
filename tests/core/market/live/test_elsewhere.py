"""The live market of MEXC and Apex: the genuine ccxt.pro client on loopback, fed with their own messages."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal

import pytest

from core.clock import ExchangeClock, VirtualClock
from core.domain.market import MINUTE_MS, Bar, FirstPrice, MarketBatch, Quote
from core.exchange.binanceusdm.weights import BUDGET
from core.exchange.connection.health import Health
from core.exchange.connection.limiter import Limiter
from core.exchange.connection.requests import Requests, open_wire
from core.exchange.dialects import dialect_of
from core.market.live.fill import fill_funding
from core.market.live.market import LiveMarket
from core.market.live.rows import Candle, tap_candles
from core.market.replay.resuming import ResumePoint
from core.settings.schema import parse_settings
from core.trader.account import iso
from tests.core.market.memory_store import MemoryCandles
from tests.venue.apex import NOW_MS as APEX_NOW_MS
from tests.venue.apex import ApexLoopback
from tests.venue.loopback import Answer, Call, Loopback
from tests.venue.mexc import NOW_MS as MEXC_NOW_MS
from tests.venue.mexc import MexcLoopback

HOUR_MS = 60 * MINUTE_MS
FIRST_PAGE = {"mexc": 1, "apex": 0}


@asynccontextmanager
async def wire_to(exchange_id: str, venue: Loopback, now_ms: int) -> AsyncIterator[tuple[Requests, VirtualClock]]:
    settings = parse_settings({"mode": "paper", "exchange": {"id": exchange_id, "base_url": venue.url}}, "test")
    clock = VirtualClock(now_ms)
    wire = await open_wire(settings, None, ExchangeClock(clock), Health(), dialect_of(exchange_id), ["BTCUSDT"])
    # The clock moves by hand, so what is spent of the rate limit never comes back.
    wire.limiter = Limiter(BUDGET, wire.clock.now_ms, wire.health)
    try:
        yield wire, clock
    finally:
        await wire.close()


@asynccontextmanager
async def market_of(exchange_id: str, wire: Requests, store: MemoryCandles) -> AsyncIterator[LiveMarket]:
    settings = parse_settings({"mode": "paper", "exchange": {"id": exchange_id}}, "test")
    market = LiveMarket(wire, store, ["BTCUSDT"], settings)
    running = asyncio.create_task(market.run())
    try:
        yield market
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def next_with(batches: AsyncIterator[MarketBatch], kind: type) -> list:
    async for batch in batches:
        if any(isinstance(event, kind) for event in batch.events):
            return [event for event in batch.events if isinstance(event, kind)]
    raise AssertionError("no more batches")


@pytest.mark.usefixtures("only_loopback")
async def test_mexc_candles_and_quotes() -> None:
    minute_ms = MEXC_NOW_MS // MINUTE_MS * MINUTE_MS
    past = [[(minute_ms - n * MINUTE_MS) // 1000, 100, 102, 99, 101, 50] for n in range(2600, 0, -1)]
    async with MexcLoopback() as venue, wire_to("mexc", venue, MEXC_NOW_MS) as (wire, clock):
        assert isinstance(venue, MexcLoopback)
        venue.candles["BTC_USDT", "Min1"] = past
        store = MemoryCandles()
        async with market_of("mexc", wire, store) as market:
            await market.back_fill({"BTCUSDT": 1000 * past[0][0]})
            assert len(store.rows) == len(past)
            assert store.rows["BTCUSDT", minute_ms - MINUTE_MS].volume == 0.005, "50 contracts of 0.0001 BTC"
            batches = market.batches(ResumePoint({}, {}))
            heard = asyncio.create_task(next_with(batches, Quote))
            await venue.until(lambda: {"ticker.BTC_USDT", "kline.BTC_USDT.Min1"} <= topics(venue))
            await venue.push_quote("BTC_USDT", 31198.5, 31199.0, MEXC_NOW_MS)
            assert await heard == [Quote("BTCUSDT", MEXC_NOW_MS, 31198.5, 31199.0)]
            heard = asyncio.create_task(next_with(batches, Bar))
            await venue.push_candle("BTC_USDT", "Min1", [minute_ms // 1000, 101, 105, 100, 104, 7])
            clock.advance_to(minute_ms + MINUTE_MS + 500)
            next_candle = [minute_ms // 1000 + 60, 104, 104, 104, 104, 1]
            venue.candles["BTC_USDT", "Min1"] += [[minute_ms // 1000, 101, 105, 100, 104, 7], next_candle]
            await venue.push_candle("BTC_USDT", "Min1", next_candle, clock.now_ms())
            clock.advance_to(minute_ms + MINUTE_MS + 2500)
            assert await heard == [Bar("BTCUSDT", minute_ms, MINUTE_MS, 101, 105, 100, 104, 0.0007)]
            (first,) = await next_with(batches, FirstPrice)
            assert (first.open_time_ms, first.price) == (minute_ms + MINUTE_MS, 104.0)


@pytest.mark.usefixtures("only_loopback")
async def test_apex_candles_and_quotes() -> None:
    minute_ms = APEX_NOW_MS // MINUTE_MS * MINUTE_MS
    past = [apex_row(minute_ms - n * MINUTE_MS, "101", "0.5") for n in range(450, 0, -1)]
    async with ApexLoopback() as venue, wire_to("apex", venue, APEX_NOW_MS) as (wire, clock):
        assert isinstance(venue, ApexLoopback)
        venue.candles["BTCUSDT", "1"] = past
        store = MemoryCandles()
        async with market_of("apex", wire, store) as market:
            await market.back_fill({"BTCUSDT": int(past[0]["t"])})
            assert len(store.rows) == len(past)
            batches = market.batches(ResumePoint({}, {}))
            heard = asyncio.create_task(next_with(batches, Quote))
            await venue.until(lambda: {"orderBook25.H.BTCUSDT", "candle.1.BTCUSDT"} <= topics(venue))
            await venue.push_book("BTCUSDT", "90000.1", "90000.2", APEX_NOW_MS)
            assert await heard == [Quote("BTCUSDT", APEX_NOW_MS, 90000.1, 90000.2)]
            heard = asyncio.create_task(next_with(batches, Bar))
            frame = {"start": minute_ms, "open": "101", "high": "105", "low": "100", "close": "104", "volume": "7"}
            clock.advance_to(minute_ms + MINUTE_MS + 500)
            await venue.push_candle("BTCUSDT", {**frame, "confirm": True}, clock.now_ms())
            assert await heard == [Bar("BTCUSDT", minute_ms, MINUTE_MS, 101, 105, 100, 104, 7)]


async def test_the_time_of_an_apex_candle_is_that_of_its_frame() -> None:
    told: asyncio.Queue[Candle | None] = asyncio.Queue()
    start_ms = APEX_NOW_MS // MINUTE_MS * MINUTE_MS
    async with ApexLoopback() as venue, wire_to("apex", venue, APEX_NOW_MS) as (wire, _):
        assert isinstance(venue, ApexLoopback)
        tap_candles(
            wire.client,
            wire.dialect.words,
            {"BTCUSDT": "BTC/USDT:USDT"},
            lambda _, candle: told.put_nowait(candle),
            60_000,
        )
        watching = asyncio.create_task(wire.client.watch_ohlcv("BTC/USDT:USDT", "1m"))
        await venue.until(lambda: "candle.1.BTCUSDT" in topics(venue))
        await venue.push_candle("BTCUSDT", {"start": start_ms, "confirm": False}, APEX_NOW_MS)
        candle = await told.get()
        await watching
    assert candle is not None
    assert (candle.bar.open_time_ms, candle.time_ms, candle.is_closed) == (start_ms, APEX_NOW_MS, False)


async def test_mexc_funding_is_read_page_by_page() -> None:
    settled = [(MEXC_NOW_MS // HOUR_MS * HOUR_MS - 8 * n * HOUR_MS, 0.0001 * n) for n in range(250, -1, -1)]
    async with MexcLoopback() as venue, wire_to("mexc", venue, MEXC_NOW_MS) as (wire, _):
        assert isinstance(venue, MexcLoopback)
        venue.funding = settled
        store = MemoryCandles()
        await fill_funding(wire, store, "BTCUSDT", settled[30][0])
        rates = await store.funding("BTCUSDT", 0, MEXC_NOW_MS)
        assert [(rate.time_ms, rate.rate) for rate in rates] == [(ms, Decimal(str(rate))) for ms, rate in settled[30:]]


async def test_apex_funding_is_read_page_by_page() -> None:
    settled = [(APEX_NOW_MS // HOUR_MS * HOUR_MS - n * HOUR_MS, f"0.0000{n:03}") for n in range(250, -1, -1)]
    async with ApexLoopback() as venue, wire_to("apex", venue, APEX_NOW_MS) as (wire, _):
        assert isinstance(venue, ApexLoopback)
        venue.funding = settled
        store = MemoryCandles()
        await fill_funding(wire, store, "BTCUSDT", settled[30][0])
        rates = await store.funding("BTCUSDT", 0, APEX_NOW_MS)
        assert [(rate.time_ms, rate.rate) for rate in rates] == [(ms, Decimal(rate)) for ms, rate in settled[30:]]


@pytest.mark.parametrize("exchange_id", ["mexc", "apex"])
async def test_all_funding_of_a_long_absence_is_read_once(exchange_id: str) -> None:
    make, now_ms = {"mexc": (MexcLoopback, MEXC_NOW_MS), "apex": (ApexLoopback, APEX_NOW_MS)}[exchange_id]
    times = [now_ms // HOUR_MS * HOUR_MS - n * HOUR_MS for n in range(4_250, -1, -1)]
    async with make() as venue, wire_to(exchange_id, venue, now_ms) as (wire, _):
        venue.funding = [(time_ms, "0.0001") for time_ms in times]
        store = MemoryCandles()
        await fill_funding(wire, store, "BTCUSDT", times[30])
        rates = await store.funding("BTCUSDT", 0, now_ms)
        assert [rate.time_ms for rate in rates] == times[30:]
        pages = sum("fund" in call.path for call in venue.calls)
        assert pages <= 4_250 // 100 + 2


@pytest.mark.parametrize("exchange_id", ["mexc", "apex"])
async def test_an_exchange_that_tells_the_same_page_for_ever_is_left(
    exchange_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, now_ms = {"mexc": (MexcLoopback, MEXC_NOW_MS), "apex": (ApexLoopback, APEX_NOW_MS)}[exchange_id]
    times = [now_ms // HOUR_MS * HOUR_MS - n * HOUR_MS for n in range(99, -1, -1)]
    async with make() as venue, wire_to(exchange_id, venue, now_ms) as (wire, _):
        # As many as a page holds, whichever page is asked for.
        venue.funding = [(time_ms, "0.0001") for time_ms in times]
        again = venue.answer

        def answer(call: Call) -> Answer:
            first = re.sub(r"(page(?:_num)?)=\d+", lambda found: f"{found[1]}={FIRST_PAGE[exchange_id]}", call.query)
            return again(replace(call, query=first))

        monkeypatch.setattr(venue, "answer", answer)
        store = MemoryCandles()
        await fill_funding(wire, store, "BTCUSDT", times[0] - 9 * HOUR_MS)
        assert [rate.time_ms for rate in await store.funding("BTCUSDT", 0, now_ms)] == times


async def test_funding_that_the_exchange_does_not_keep_so_long_is_told(caplog: pytest.LogCaptureFixture) -> None:
    times = [APEX_NOW_MS // HOUR_MS * HOUR_MS - n * HOUR_MS for n in range(20, -1, -1)]
    async with ApexLoopback() as venue, wire_to("apex", venue, APEX_NOW_MS) as (wire, _):
        venue.funding = [(time_ms, "0.0001") for time_ms in times]
        await fill_funding(wire, MemoryCandles(), "BTCUSDT", times[0] - 8 * HOUR_MS)
        assert not caplog.messages
        await fill_funding(wire, MemoryCandles(), "BTCUSDT", times[0] - 90 * HOUR_MS)
    told = f"BTCUSDT: the exchange tells no funding from {iso(times[0] - 90 * HOUR_MS)} to {iso(times[0])}"
    assert caplog.messages == [told]


def topics(venue: Loopback) -> set[str]:
    return {topic for socket in venue.sockets for topic in socket.topics}


def apex_row(open_ms: int, price: str, volume: str) -> dict[str, str]:
    row = {"s": "BTCUSDT", "i": "1", "t": str(open_ms), "v": volume, "tr": "0"}
    return row | dict.fromkeys("ohlc", price)
