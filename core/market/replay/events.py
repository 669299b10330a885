"""Recorded bars told again as the events a market would have delivered, in the order of their times."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass

from core.domain.market import MINUTE_MS, Bar, FirstPrice, FundingRate, HoleAhead, MarketBatch, MarketEvent, Quote, Told
from core.domain.stream import Observation
from core.market.seeing import observation
from core.ports import BarColumns, CandleStore, ObservationStore

CHUNK_MS = 120 * MINUTE_MS
"""How much market time is held in memory: making its events takes the loop a few milliseconds."""

_OBSERVED, _BAR, _FUNDING, _FIRST_PRICE = range(4)

Placed = tuple[int, int, int, int, Told]
"""An event behind its place in the stream: boundary, rank of its kind, place of its symbol, time."""


@dataclass(frozen=True, slots=True)
class ReplayCursor:
    """What a symbol has been told already: its last bar, first price (open times) and funding rate (its time).

    Events come in order, so a bar or first price that was told tells of the funding before it as well; `funding_ms`
    is needed only where the stream was cut between the funding and the first prices of one boundary.
    """

    bar_open_ms: int | None = None
    first_price_open_ms: int | None = None
    funding_ms: int | None = None

    def has_bar(self, open_time_ms: int) -> bool:
        return self.bar_open_ms is not None and open_time_ms <= self.bar_open_ms

    def has_first_price(self, open_time_ms: int) -> bool:
        return self.first_price_open_ms is not None and open_time_ms <= self.first_price_open_ms

    def has_funding(self, due_ms: int, interval_ms: int) -> bool:
        return (
            (self.funding_ms is not None and due_ms <= self.funding_ms)
            or self.has_first_price(due_ms)
            or (self.bar_open_ms is not None and due_ms < self.bar_open_ms + interval_ms)
        )


def event_time_ms(event: Told) -> int:
    """When an event is due. A funding rate, stamped a few milliseconds late by the venue, is due at its minute; what is
    observed beside is due at the next whole minute, before which nothing asks for it."""
    match event:
        case Bar():
            return event.close_time_ms
        case FundingRate():
            return event.time_ms - event.time_ms % MINUTE_MS
        case Observation():
            return -(-event.known_ms // MINUTE_MS) * MINUTE_MS
        case FirstPrice() | Quote() | HoleAhead():
            return event.time_ms


async def batched(events: AsyncIterator[Told]) -> AsyncIterator[MarketBatch]:
    """Events grouped by the instant at which they are due."""
    group: list[MarketEvent] = []
    observed: list[Observation] = []
    due_ms = 0
    async for event in events:
        at_ms = event_time_ms(event)
        if (group or observed) and at_ms != due_ms:
            yield MarketBatch(due_ms, tuple(group), observed=tuple(observed))
            group, observed = [], []
        due_ms = at_ms
        if isinstance(event, Observation):
            observed.append(event)
        else:
            group.append(event)
    if group or observed:
        yield MarketBatch(due_ms, tuple(group), observed=tuple(observed))


@dataclass(frozen=True, slots=True)
class ReplayFeed:
    """Bars that open in [from_ms, to_ms), their first prices, and funding in the same span.

    At each boundary T: the observations of `streams` known by then, the bars that closed at T (in the order of
    `symbols`), the funding of T, then, at T + first_price_delay_ms, the first prices of the bars that open at T. Where
    bars are missing nothing is told. `after` leaves out what a symbol has been told before, so the stream goes on where
    it was cut; what was observed before that is the past.
    """

    store: CandleStore
    symbols: Sequence[str]
    from_ms: int
    to_ms: int
    first_price_delay_ms: int
    after: Mapping[str, ReplayCursor]
    observed: ObservationStore | None = None
    streams: Sequence[str] = ()

    async def events(self) -> AsyncIterator[Told]:
        waiting: list[Placed] = []
        start = self.from_ms
        while start < self.to_ms:
            end = min(start - start % CHUNK_MS + CHUNK_MS, self.to_ms)
            for place, symbol in enumerate(self.symbols):
                waiting += await self._read(place, symbol, start, end)
            waiting.sort(key=lambda placed: placed[:4])
            # Bars close at their successor's boundary, so those at or after `end` wait for the next chunk.
            due = next((i for i, placed in enumerate(waiting) if placed[0] >= end), len(waiting))
            for placed in waiting[:due]:
                yield placed[4]
            del waiting[:due]
            start = end
        for placed in waiting:
            yield placed[4]

    async def _read(self, place: int, symbol: str, start: int, end: int) -> list[Placed]:
        after = self.after.get(symbol, ReplayCursor())
        told = -1
        if after.bar_open_ms is not None and after.first_price_open_ms is not None:
            told = min(after.bar_open_ms, after.first_price_open_ms)
        bars = await self.store.bars(symbol, max(start, told + 1), max(end, told + 1))
        found: list[Placed] = []
        for bar in _bars(bars):
            if not after.has_bar(bar.open_time_ms):
                found.append((bar.close_time_ms, _BAR, place, bar.close_time_ms, bar))
            if not after.has_first_price(bar.open_time_ms):
                first = FirstPrice(symbol, bar.open_time_ms + self.first_price_delay_ms, bar.open_time_ms, bar.open)
                found.append((bar.open_time_ms, _FIRST_PRICE, place, first.time_ms, first))
        rates = [(event_time_ms(rate), rate) for rate in await self.store.funding(symbol, start, end)]
        found += [
            (due_ms, _FUNDING, place, rate.time_ms, rate)
            for due_ms, rate in rates
            if not after.has_funding(due_ms, bars.interval_ms)
        ]
        reached_ms = -1 if after.bar_open_ms is None else after.bar_open_ms + bars.interval_ms
        if self.observed is not None:
            for name in self.streams:
                columns = await self.observed.observations(symbol, name, max(start, reached_ms), max(end, reached_ms))
                ones = (observation(columns, row) for row in range(len(columns.time_ms)))
                found += [(event_time_ms(one), _OBSERVED, place, one.known_ms, one) for one in ones]
        return found


def _bars(columns: BarColumns) -> Iterable[Bar]:
    rows = zip(
        columns.open_time_ms.tolist(),
        columns.open.tolist(),
        columns.high.tolist(),
        columns.low.tolist(),
        columns.close.tolist(),
        columns.volume.tolist(),
        strict=True,
    )
    return (
        Bar(columns.symbol, open_time_ms, columns.interval_ms, o, h, low, c, volume)
        for open_time_ms, o, h, low, c, volume in rows
    )
