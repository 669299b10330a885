from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain.market import Bar, FirstPrice, FundingRate, MarketEvent
from core.market.replay.events import CHUNK_MS, ReplayCursor, ReplayFeed, event_time_ms
from core.market.replay.resuming import ResumePoint, replay_cursors
from core.ports import BarColumns, SettledFunding

MINUTE = 60_000
T0 = 1_748_995_200_000
DELAY = 1_000


class MemoryStore:
    """Implements core.ports.CandleStore."""

    def __init__(self, bars: Sequence[Bar], funding: Sequence[FundingRate] = (), interval_ms: int = MINUTE) -> None:
        self.interval_ms = interval_ms
        self.rows = list(bars)
        self.rates = list(funding)

    async def bars(self, symbol: str, from_ms: int, to_ms: int) -> BarColumns:
        rows = [b for b in self.rows if b.symbol == symbol and from_ms <= b.open_time_ms < to_ms]
        table = np.array([(b.open, b.high, b.low, b.close, b.volume) for b in rows], dtype=np.float64).reshape(-1, 5)
        return BarColumns(symbol, self.interval_ms, np.array([b.open_time_ms for b in rows], dtype=np.int64), *table.T)

    async def append(self, bars: Sequence[Bar]) -> Sequence[Bar]:
        self.rows.extend(bars)
        return bars

    async def append_funding(self, rates: Sequence[SettledFunding]) -> None:
        raise NotImplementedError

    async def funding(self, symbol: str, from_ms: int, to_ms: int) -> list[FundingRate]:
        return [r for r in self.rates if r.symbol == symbol and from_ms <= r.time_ms < to_ms]

    async def span(self, symbol: str) -> tuple[int, int] | None:
        times = [b.open_time_ms for b in self.rows if b.symbol == symbol]
        return (min(times), max(times) + self.interval_ms) if times else None


def bar(symbol: str, minute: int) -> Bar:
    price = 100.0 + minute
    return Bar(symbol, T0 + minute * MINUTE, MINUTE, price, price + 2, price - 2, price + 1, 5.0)


def rate(symbol: str, minute: int, late_ms: int = 0) -> FundingRate:
    return FundingRate(symbol, T0 + minute * MINUTE + late_ms, Decimal("0.0001"), Decimal(100))


def replay(
    store: MemoryStore,
    symbols: Sequence[str] = ("B", "A"),
    minutes: tuple[int, int] = (0, 300),
    after: dict[str, ReplayCursor] | None = None,
) -> list[MarketEvent]:
    async def collect() -> list[MarketEvent]:
        span = (T0 + minutes[0] * MINUTE, T0 + minutes[1] * MINUTE)
        feed = ReplayFeed(store, symbols, *span, first_price_delay_ms=DELAY, after=after or {})
        return [event async for event in feed.events()]

    return asyncio.run(collect())


def told(event: MarketEvent) -> tuple[str, str, int]:
    return type(event).__name__, event.symbol, (event_time_ms(event) - T0)


def test_the_order_at_a_boundary() -> None:
    store = MemoryStore([bar(s, m) for m in (0, 1) for s in ("A", "B")], [rate("A", 1, 7), rate("B", 1)])
    assert [told(event) for event in replay(store)] == [
        ("FirstPrice", "B", DELAY),
        ("FirstPrice", "A", DELAY),
        ("Bar", "B", MINUTE),
        ("Bar", "A", MINUTE),
        ("FundingRate", "B", MINUTE),
        ("FundingRate", "A", MINUTE),
        ("FirstPrice", "B", MINUTE + DELAY),
        ("FirstPrice", "A", MINUTE + DELAY),
        ("Bar", "B", 2 * MINUTE),
        ("Bar", "A", 2 * MINUTE),
    ]


DAY = 1_440 * MINUTE


def days() -> tuple[MemoryStore, list[tuple[str, str, int]]]:
    """Bars of a day with funding inside them, and what is told of them in order."""
    bars = [Bar("A", T0 + n * DAY, DAY, 100.0, 103.0, 99.0, 101.0, 5.0) for n in range(2)]
    rates = [rate("A", 480 * n, 4) for n in range(1, 6)]
    wanted = [("FirstPrice", "A", DELAY), *(("FundingRate", "A", 480 * n * MINUTE) for n in (1, 2)), ("Bar", "A", DAY)]
    later = [("FundingRate", "A", DAY), ("FirstPrice", "A", DAY + DELAY)]
    later += [*(("FundingRate", "A", 480 * n * MINUTE) for n in (4, 5)), ("Bar", "A", 2 * DAY)]
    return MemoryStore(bars, rates, DAY), wanted + later


def test_funding_inside_a_long_bar_is_told_when_it_is_due() -> None:
    store, wanted = days()
    assert [told(event) for event in replay(store, ["A"], (0, 2 * 1_440))] == wanted


def test_where_a_stream_of_long_bars_was_cut_it_goes_on_without_a_loss() -> None:
    store, wanted = days()
    whole = replay(store, ["A"], (0, 2 * 1_440))
    # What is of one instant is taken in at once.
    cuts = [n for n in range(1, len(whole)) if event_time_ms(whole[n]) > event_time_ms(whole[n - 1])]
    for cut in cuts:
        point = ResumePoint({}, {})
        for event in whole[:cut]:
            if isinstance(event, Bar):
                point.bars["A"] = event.open_time_ms
            elif isinstance(event, FirstPrice):
                point.first_prices["A"] = event.open_time_ms
        rest = [told(event) for event in replay(store, ["A"], (0, 2 * 1_440), replay_cursors(point, DAY))]
        # Funding inside the open bar comes again, and is known by its id.
        again = len(rest) - len(wanted[cut:])
        assert rest[again:] == wanted[cut:]
        assert {kind for kind, _, _ in rest[:again]} <= {"FundingRate"}


def test_a_first_price_is_the_open_of_its_bar() -> None:
    (first, closed) = replay(MemoryStore([bar("A", 4)]), symbols=["A"])
    assert first == FirstPrice("A", T0 + 4 * MINUTE + DELAY, T0 + 4 * MINUTE, 104.0)
    assert closed == bar("A", 4)


def test_no_bar_is_invented_in_a_gap() -> None:
    store = MemoryStore([bar("A", 0), bar("A", 5), *(bar("B", m) for m in range(6))])
    bars = [event for event in replay(store) if isinstance(event, Bar)]
    assert [b.open_time_ms for b in bars if b.symbol == "A"] == [T0, T0 + 5 * MINUTE]
    assert len([b for b in bars if b.symbol == "B"]) == 6


def test_the_span_bounds_the_opens() -> None:
    store = MemoryStore([bar("A", m) for m in range(10)])
    events = replay(store, symbols=["A"], minutes=(3, 5))
    assert [told(event) for event in events] == [
        ("FirstPrice", "A", 3 * MINUTE + DELAY),
        ("Bar", "A", 4 * MINUTE),
        ("FirstPrice", "A", 4 * MINUTE + DELAY),
        ("Bar", "A", 5 * MINUTE),
    ]


def test_no_more_than_a_chunk_is_asked_for() -> None:
    asked: list[int] = []

    class Watched(MemoryStore):
        async def bars(self, symbol: str, from_ms: int, to_ms: int) -> BarColumns:
            asked.append(to_ms - from_ms)
            return await super().bars(symbol, from_ms, to_ms)

    minutes = 3 * CHUNK_MS // MINUTE
    events = replay(Watched([bar("A", m) for m in range(minutes)]), symbols=["A"], minutes=(0, minutes))
    assert len(events) == 2 * minutes
    assert max(asked) == CHUNK_MS


present = st.lists(st.integers(0, 290), unique=True, max_size=40)
funded = st.lists(st.tuples(st.integers(0, 290), st.integers(0, 12)), max_size=4, unique_by=lambda pair: pair[0])


@st.composite
def markets(draw: st.DrawFn) -> MemoryStore:
    bars = [bar(symbol, minute) for symbol in ("A", "B") for minute in sorted(draw(present))]
    rates = [rate(symbol, *pair) for symbol in ("A", "B") for pair in sorted(draw(funded))]
    return MemoryStore(bars, rates)


@settings(max_examples=60, deadline=None)
@given(store=markets())
def test_events_come_in_the_order_of_their_times(store: MemoryStore) -> None:
    events = replay(store)
    assert all(event_time_ms(a) <= event_time_ms(b) for a, b in pairwise(events))
    assert len(events) == 2 * len(store.rows) + len(store.rates)


def cursors(events: list[MarketEvent]) -> dict[str, ReplayCursor]:
    found: dict[str, ReplayCursor] = {}
    for event in events:
        cursor = found.get(event.symbol, ReplayCursor())
        if isinstance(event, Bar):
            cursor = replace(cursor, bar_open_ms=event.open_time_ms)
        elif isinstance(event, FirstPrice):
            cursor = replace(cursor, first_price_open_ms=event.open_time_ms)
        elif isinstance(event, FundingRate):
            cursor = replace(cursor, funding_ms=event.time_ms)
        found[event.symbol] = cursor
    return found


@settings(max_examples=100, deadline=None)
@given(store=markets(), cut=st.integers(0, 170))
def test_after_any_cut_the_stream_goes_on(store: MemoryStore, cut: int) -> None:
    events = replay(store)
    assert replay(store, after=cursors(events[:cut])) == events[cut:]


def test_funding_before_a_told_bar_needs_no_cursor_of_its_own() -> None:
    store = MemoryStore([bar("A", m) for m in range(4)], [rate("A", 1, 3), rate("A", 2)])
    after = {"A": ReplayCursor(bar_open_ms=T0 + MINUTE, first_price_open_ms=T0 + MINUTE)}
    events = replay(store, symbols=["A"], after=after)
    assert [told(event) for event in events][:2] == [
        ("FundingRate", "A", 2 * MINUTE),
        ("FirstPrice", "A", 2 * MINUTE + DELAY),
    ]
