"""A stored market told again: in the order of its candles, or as a journal names it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from core.domain.market import MINUTE_MS, Bar, FirstPrice, FundingRate, MarketEvent
from core.domain.records import CursorRecord, FirstPriceRecord
from core.lab.data.journalled_market import ToldMarket
from core.market.replay.events import ReplayFeed
from tests.simulation.candles import MemoryCandles

DELAY_MS = 1_000
SYMBOLS = ("A", "B")


def bar(symbol: str, minute: int) -> Bar:
    price = 100.0 + minute
    return Bar(symbol, minute * MINUTE_MS, MINUTE_MS, price, price, price, price, 1.0)


def first(symbol: str, minute: int) -> FirstPrice:
    return FirstPrice(symbol, minute * MINUTE_MS + DELAY_MS, minute * MINUTE_MS, 100.0 + minute)


async def market(minutes: int, *, without: tuple[Bar, ...] = ()) -> ToldMarket:
    candles = MemoryCandles()
    bars = [bar(symbol, minute) for symbol in SYMBOLS for minute in range(minutes)]
    await candles.append([one for one in bars if one not in without])
    feed = ReplayFeed(candles, SYMBOLS, 0, minutes * MINUTE_MS, DELAY_MS, {})
    return ToldMarket(feed.events(), DELAY_MS)


async def test_without_names_it_is_told_in_the_order_of_its_candles() -> None:
    told = await market(2)
    found = [await told.next() for _ in range(8)]
    assert found == [
        *(first("A", 0), first("B", 0), bar("A", 0), bar("B", 0)),
        *(first("A", 1), first("B", 1), bar("A", 1), bar("B", 1)),
    ]
    assert await told.next() is None


async def test_a_late_symbol_is_found_behind_the_others() -> None:
    told = await market(3)
    names: list[CursorRecord | FirstPriceRecord] = []
    for minute in range(3):
        names += [FirstPriceRecord("A", minute * MINUTE_MS, 100.0 + minute), CursorRecord("A", minute * MINUTE_MS)]
    for minute in range(3):
        names += [FirstPriceRecord("B", minute * MINUTE_MS), CursorRecord("B", minute * MINUTE_MS)]
    found = [await told.named(name) for name in names]
    assert found == [kind(symbol, minute) for symbol in SYMBOLS for minute in range(3) for kind in (first, bar)]
    assert await told.next() is None


async def test_the_account_may_be_sampled_before_a_late_symbol_only_where_bars_are_named() -> None:
    told = await market(1)
    assert await told.named(CursorRecord("A", 0)) == bar("A", 0)
    assert await told.out_of_step(MINUTE_MS) == ""
    assert "came last: a record before this one is missing" in await told.out_of_step(2 * MINUTE_MS)
    told = await market(1)
    for _ in range(3):
        await told.next()
    assert await told.out_of_step(MINUTE_MS) == (
        "the bar of B that opened at 0 comes first: candles were added since, or the journal lacks it"
    )


async def test_a_first_price_with_its_price_needs_no_candle() -> None:
    told = await market(1)
    assert await told.named(FirstPriceRecord("B", 5 * MINUTE_MS, 3.5)) == FirstPrice("B", 301_000, 300_000, 3.5)
    assert await told.named(FirstPriceRecord("A", 5 * MINUTE_MS)) is None
    assert await told.next() == first("A", 0)
    assert await told.next() == bar("A", 0)


async def test_a_bar_that_is_gone_or_was_added_is_no_match() -> None:
    told = await market(3, without=(bar("B", 1),))
    assert await told.named(CursorRecord("B", 0)) == bar("B", 0)
    assert await told.named(CursorRecord("B", MINUTE_MS)) is None
    assert await told.instead() == "the first price of A that opened at 0 comes first: candles were changed since"
    assert await told.named(CursorRecord("B", 2 * MINUTE_MS)) == bar("B", 2)
    assert await told.named(CursorRecord("B", 3 * MINUTE_MS)) is None


async def test_funding_is_not_told_and_the_end_is() -> None:
    async def events() -> AsyncIterator[MarketEvent]:
        yield FundingRate("A", 0, 0.0001, 100.0)

    told = ToldMarket(events(), DELAY_MS)
    assert await told.next() is None
    assert await told.instead() == "no candle is left"
