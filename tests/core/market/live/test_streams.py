"""How one stream is kept alive, and what is read from ccxt's caches."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest
from ccxt.base.errors import NotSupported

from core.domain.market import Quote
from core.exchange.binanceusdm.words import WORDS
from core.market.live.quotes import BookTop, MarkPrice, book_top, mark_of, quote_of, trades_of
from core.market.live.streams import Stream, StreamPlan, cut
from tests.core.market.live.fake_exchange import T0, Connection, FakeExchange, LoopClock
from tests.core.market.virtual_loop import run_virtual

STALE_MS = 10_000


class Feed:
    """A stream that speaks every second until it is told otherwise."""

    def __init__(self) -> None:
        self.watched: list[float] = []
        self.news_ms: int | None = None
        self.fails: Exception | None = None
        self.is_silent = False
        self.read: Callable[[], int | None] = lambda: self.news_ms

    async def watch(self) -> None:
        self.watched.append(asyncio.get_running_loop().time())
        if self.fails is not None:
            raise self.fails
        await asyncio.sleep(3_600 if self.is_silent else 1)
        self.news_ms = LoopClock().now_ms()


def stream_of(feed: Feed, told: list[str], is_quiet: Callable[[], Awaitable[bool]] | None = None) -> Stream:
    client = FakeExchange(("BTCUSDT",)).client
    plan = StreamPlan("candles", ("ohlcv",), [feed.watch], lambda: feed.read(), 0.5, is_quiet, "once heard")
    stream = Stream(plan, client, LoopClock(), STALE_MS, lambda: told.append(stream.problem))
    return stream


def follow(
    feed: Feed,
    seconds: float,
    script: dict[float, Callable[[], None]] | None = None,
    is_quiet: Callable[[], Awaitable[bool]] | None = None,
) -> tuple[Stream, list[str]]:
    told: list[str] = []

    async def main() -> Stream:
        stream = stream_of(feed, told, is_quiet)
        for second, act in (script or {}).items():
            asyncio.get_running_loop().call_at(second, act)
        running = asyncio.ensure_future(stream.run())
        await asyncio.wait({running}, timeout=seconds)
        if running.done():
            running.result()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return stream

    return run_virtual(main()), told


def test_a_stream_that_speaks_is_live_and_never_cut() -> None:
    stream, told = follow(Feed(), 60)
    assert told == [""]
    assert stream.cuts == 0
    assert stream.news_ms is not None


def test_a_failing_stream_is_opened_again_ever_more_seldom() -> None:
    feed = Feed()
    feed.fails = ConnectionError("refused\nat length")
    stream, told = follow(feed, 200, {150: lambda: setattr(feed, "fails", None)})
    assert told == ["ConnectionError: refused", ""]
    opened = [second for second in feed.watched if second < 150]
    gaps = [later - earlier for earlier, later in pairwise(opened)]
    assert gaps == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert stream.alarm() == ""


def test_what_an_exchange_does_not_offer_is_given_up_and_no_alarm() -> None:
    feed = Feed()
    feed.fails = NotSupported("mexc has no such stream")
    stream, told = follow(feed, 60)
    assert told == ["not offered"]
    assert len(feed.watched) == 1
    assert stream.alarm() == ""


def test_silence_is_cut_unless_the_exchange_has_nothing_to_say() -> None:
    async def yes() -> bool:
        return True

    for quiet, cuts in ((None, 1), (yes, 0)):
        feed = Feed()
        stream, told = follow(feed, 33, {20: lambda feed=feed: setattr(feed, "is_silent", True)}, quiet)
        assert stream.cuts == cuts
        assert told == [""] + cuts * ["no news for 10 s"]
        assert bool(stream.alarm()) == bool(cuts)


def test_news_with_old_times_are_no_news() -> None:
    feed = Feed()
    feed.read = lambda: T0 - 3_600_000
    stream, told = follow(feed, 15)
    assert stream.cuts == 1
    assert told == ["no news for 11 s"]


def test_times_of_the_far_future_are_no_news() -> None:
    feed = Feed()
    feed.read = lambda: T0 + 10**9
    stream, _ = follow(feed, 15)
    assert (stream.cuts, stream.news_ms) == (1, None)


def test_a_cache_that_cannot_be_read_is_a_failure_of_its_stream() -> None:
    feed = Feed()

    def read() -> int | None:
        raise ValueError("not a time")

    feed.read = read
    stream, told = follow(feed, 3)
    assert stream.cuts >= 1
    assert told == ["what it says cannot be read: ValueError: not a time"]


def test_a_cut_ends_only_the_connections_of_its_stream_even_if_they_hang() -> None:
    class Hanging(Connection):
        async def close(self) -> None:
            self.is_closed = True
            await asyncio.sleep(3_600)

    async def main() -> float:
        client = FakeExchange(("BTCUSDT",)).client
        candles, other = Hanging(client, "a"), Connection(client, "b")
        candles.subscriptions["ohlcv::BTC/USDT:USDT::1m"] = True
        other.subscriptions["orders"] = True
        client.clients.update(a=candles, b=other)
        waiting = candles.futures["x"] = asyncio.get_running_loop().create_future()
        await cut(client, ("ohlcv",))
        assert client.clients == {"b": other}
        assert candles.error is not None
        assert candles.is_closed and not other.is_closed  # noqa: PT018
        assert isinstance(waiting.exception(), Exception)
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("row", "quote"),
    [
        ({"bid": 99.0, "ask": 99.5, "timestamp": 7}, Quote("A", 7, 99.0, 99.5)),
        ({"bid": 99.0, "ask": 99.0, "timestamp": None}, Quote("A", 1_000, 99.0, 99.0)),
        ({"bid": 99.0, "ask": 98.0, "timestamp": 7}, None),
        ({"bid": None, "ask": 98.0, "timestamp": 7}, None),
        ({"bid": 0.0, "ask": 98.0, "timestamp": 7}, None),
        ({"bid": 1.0, "ask": float("inf"), "timestamp": 7}, None),
        ({}, None),
    ],
)
def test_a_quote_has_a_bid_below_its_ask(row: dict[str, Any], quote: Quote | None) -> None:
    assert quote_of("A", row, now_ms=1_000) == quote


def test_a_mark_price_tells_when_funding_is_settled_next() -> None:
    info = {"e": "markPriceUpdate", "T": 9_000}
    row = {"markPrice": 50.5, "timestamp": 7, "info": info}
    assert mark_of("A", row, WORDS, 1_000) == MarkPrice("A", 7, 50.5, 9_000)
    assert mark_of("A", {**row, "info": {"e": "24hrTicker", "T": 9_000}}, WORDS, 1_000) == MarkPrice("A", 7, 50.5, None)
    assert mark_of("A", {**row, "markPrice": None}, WORDS, 1_000) is None
    assert mark_of("A", {}, WORDS, 1_000) is None


@pytest.mark.parametrize("time_ms", [2**63, 1e300, float("inf"), "7", True, -1])
def test_what_is_told_of_a_time_to_come_does_not_stand_for_all_until_then(time_ms: Any) -> None:
    assert quote_of("A", {"bid": 97.0, "ask": 98.0, "timestamp": time_ms}, now_ms=1_000) is None
    assert mark_of("A", {"markPrice": 50.5, "timestamp": time_ms}, WORDS, now_ms=1_000) is None


def test_an_ask_of_many_times_the_bid_is_no_quote() -> None:
    assert quote_of("A", {"bid": 97.0, "ask": 1e40, "timestamp": 7}, now_ms=1_000) is None


def test_an_order_book_is_its_ten_best_levels() -> None:
    bids = [[100.0 - level, 1.0] for level in range(20)]
    asks = [[101.0 + level, 2.0] for level in range(20)]
    top = book_top("A", {"timestamp": 5, "bids": bids, "asks": asks})
    assert isinstance(top, BookTop)
    assert (top.bids[0], top.asks[-1], len(top.bids), len(top.asks)) == ((100.0, 1.0), (110.0, 2.0), 10, 10)
    assert top.age_ms(25) == 20
    assert book_top("A", {"timestamp": None, "bids": bids, "asks": asks}) is None
    assert book_top("A", {"timestamp": 5, "bids": [], "asks": asks}) is None
    assert book_top("A", {"timestamp": 5, "bids": [[101.0, 1.0]], "asks": asks}) is None
    assert book_top("A", None) is None


def test_at_most_a_thousand_trades_are_kept() -> None:
    rows = [{"timestamp": at, "price": 1.5, "amount": 2.0, "id": at, "side": "buy"} for at in range(1, 1_500)]
    trades = trades_of("A", [*rows, {"timestamp": None, "price": 1.0, "amount": 1.0}])
    assert len(trades) == 999
    assert (trades[-1].time_ms, trades[-1].trade_id, trades[-1].side) == (1_499, "1499", "buy")
