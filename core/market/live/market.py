"""The live market: an exchange's public streams and REST answers told as the batches that a recorded market gives."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import replace

from core.domain.errors import UnavailableError, VenueBusyError, VenueRejectedError
from core.domain.market import MINUTE_MS, Bar, FundingRate, MarketBatch, MarketEvent, Quote
from core.exchange.connection.wire import Wire
from core.market.live.bars import FRESH_MS, LiveBars
from core.market.live.fill import exchange_time, fill_bars, fill_funding
from core.market.live.funding import LiveFunding
from core.market.live.plans import Caches, stream_plans
from core.market.live.quotes import AHEAD_MS, BookTop, MarketTrade, MarkPrice
from core.market.live.reader import LiveReader, wait
from core.market.live.rows import Candle, tap_candles
from core.market.live.streams import Stream
from core.market.replay.events import ReplayCursor, ReplayFeed, batched
from core.market.replay.resuming import ResumePoint
from core.ports import CandleStore
from core.settings.schema import Settings

log = logging.getLogger("quarterdeck.market")

HEALTH_PART = "market stream"
QUOTES_MS = 500
"""Quotes are given at most so often, the newest of each symbol."""


class LiveMarket:
    """Closed bars, first prices, quotes and funding of `symbols` as they happen, stored before they are told.

    `run` keeps the streams; `batches` is what the engine consumes beside it. `order_books` and `trades` name the
    symbols of which strategies ask for them. Rooms that fall behind lose no bar: what waits is the newest quote of each
    symbol, and bars that the store does not have yet.
    """

    def __init__(
        self,
        wire: Wire,
        candles: CandleStore,
        symbols: Sequence[str],
        settings: Settings,
        *,
        order_books: Sequence[str] = (),
        trades: Sequence[str] = (),
    ) -> None:
        self._wire = wire
        self._candles = candles
        self._symbols = tuple(symbols)
        self._clock = wire.clock
        self._delay_ms = settings.engine.first_price_delay_ms
        exchange = settings.exchange
        self._interval_ms = settings.market.interval_ms
        self._bars = LiveBars(symbols, exchange.bar_grace_ms, self._delay_ms, self._interval_ms)
        self._stir = asyncio.Event()
        # Simulated fills must come after the funding of their minute; an exchange books its own.
        hold = self._bars.hold if settings.mode == "paper" else _no_hold
        self._funding = LiveFunding(wire, candles, self._settled, hold)
        self._caches = Caches(wire, self._symbols, self._clock, self._funding.announce, self._stir.set)
        unified = {symbol: wire.unified(symbol) for symbol in self._symbols}
        tap_candles(wire.client, wire.dialect.words, unified, self._heard, self._interval_ms)
        self._reader = LiveReader(wire, self._bars, self._symbols, self._stir.set, self._interval_ms)
        stale_ms = int(exchange.stale_after_seconds * 1_000)
        plans = stream_plans(
            wire,
            self._caches,
            self._symbols,
            self._candle_news,
            self._reader.nothing_new,
            self._interval_ms,
            order_books,
            trades,
        )
        self.followed = frozenset(plan.marks for plan in plans)
        """The marks of its streams, by which ccxt's connections are found."""
        self._streams = [Stream(plan, wire.client, self._clock, stale_ms, self._tell_health) for plan in plans]
        self._candle_ms: int | None = None
        self._unreadable = 0
        self._given_quotes: dict[str, Quote] = {}
        self._filled_ms: int | None = None

    def quotes(self) -> Mapping[str, Quote]:
        """The newest of each symbol."""
        return self._caches.quotes

    @property
    def mark_prices(self) -> Mapping[str, MarkPrice]:
        """The newest of each symbol; empty where the exchange has no stream of them."""
        return self._caches.marks

    def fed_ms(self) -> int | None:
        """The exchange's time of its newest news; None before any."""
        times = [stream.news_ms for stream in self._streams if stream.news_ms is not None]
        return max(times, default=None)

    def order_book(self, symbol: str) -> BookTop | None:
        """The best ten levels; None where nobody asked for them or they are not in step with the exchange now."""
        return self._caches.order_book(symbol)

    def trades(self, symbol: str) -> tuple[MarketTrade, ...]:
        """At most the last 1,000 trades, oldest first."""
        return self._caches.trades(symbol)

    @property
    def read_bars(self) -> int:
        """How many live bars REST had to bring because the streams did not."""
        return self._reader.brought

    async def back_fill(self, from_ms: Mapping[str, int]) -> None:
        """Store what is missing from each symbol's open time on: bars to the last closed one, and settled funding.

        Raises UnavailableError, VenueRejectedError. Funding that cannot be had is a warning.
        """
        boundary_ms = self._newest_open_ms()
        exchange_ms = await exchange_time(self._wire)
        for symbol, since_ms in from_ms.items():
            await self._fill(symbol, since_ms, exchange_ms)
        self._filled_ms = boundary_ms

    async def _fill(self, symbol: str, since_ms: int, exchange_ms: int | None) -> None:
        await fill_bars(self._wire, self._candles, symbol, since_ms, exchange_ms, self._interval_ms)
        try:
            await fill_funding(self._wire, self._candles, symbol, since_ms)
        except (UnavailableError, VenueRejectedError) as error:
            log.warning("%s: its funding history could not be read: %s", symbol, error)

    async def run(self) -> None:
        """Keep the streams, read what they miss and settle funding, until canceled."""
        self._tell_health()
        async with asyncio.TaskGroup() as group:
            for stream in self._streams:
                group.create_task(stream.run())
            group.create_task(self._reader.run(self._candles_are_live, self._tell_health))
            group.create_task(self._funding.run())

    async def batches(self, point: ResumePoint, from_ms: int | None = None) -> AsyncIterator[MarketBatch]:
        """The market behind a resume point: stored first, then live, without end.

        Symbols that were never told begin with the bar that opens at `from_ms`, by default at the end of the last
        back-fill. Quotes come between the others, with the time at which they were given as their `due_ms`.
        """
        step_ms = self._interval_ms
        fresh_ms = from_ms if from_ms is not None else self._filled_ms or self._newest_open_ms()
        starts = {
            symbol: point.bars[symbol] + step_ms if symbol in point.bars else fresh_ms for symbol in self._symbols
        }
        boundary_ms = await self._catch_up(starts)
        last = {symbol: start_ms - step_ms for symbol, start_ms in starts.items()}
        async for batch in self._stored(point, starts, boundary_ms):
            last.update((event.symbol, event.open_time_ms) for event in batch.events if isinstance(event, Bar))
            yield batch
        for symbol in self._symbols:
            next_ms = last[symbol] + step_ms
            first_ms = max(next_ms, point.first_prices.get(symbol, next_ms - step_ms) + step_ms)
            self._bars.begin(symbol, next_ms, first_ms)
        self._funding.begin({
            symbol: max(boundary_ms - MINUTE_MS, point.first_prices.get(symbol, 0)) for symbol in self._symbols
        })  # fmt: skip
        self._reader.stir.set()
        async for batch in self._live():
            yield batch

    async def _catch_up(self, starts: Mapping[str, int]) -> int:
        """Fill the store from these open times on; the open of the newest bar, where what is told from there ends."""
        while True:
            boundary_ms = self._newest_open_ms()
            try:
                await self._fill_what_is_told(starts)
            except (UnavailableError, VenueRejectedError) as error:
                self._wire.health.report(HEALTH_PART, f"the past cannot be read: {error}")
                log.warning("the bars since the last run cannot be read yet: %s", error)
                wait_ms = error.retry_ms - self._clock.now_ms() if isinstance(error, VenueBusyError) else 5_000
                await asyncio.sleep(max(wait_ms, 1_000) / 1_000)
                continue
            self._tell_health()
            return boundary_ms

    def _newest_open_ms(self) -> int:
        """When the bar that is open now began."""
        return self._clock.now_ms() // self._interval_ms * self._interval_ms

    async def _fill_what_is_told(self, starts: Mapping[str, int]) -> None:
        """As `back_fill`; a contract that the exchange refuses to tell of, as one that was taken off, is left to be
        asked for later, while another one is told. Raises what the last one was refused with where none is."""
        exchange_ms, refused = await exchange_time(self._wire), 0
        for symbol, since_ms in starts.items():
            try:
                await self._fill(symbol, since_ms, exchange_ms)
            except VenueRejectedError as error:
                refused += 1
                if refused == len(starts):
                    raise
                log.warning("%s: the bars since the last run are refused, it is not entered: %s", symbol, error)

    async def _stored(
        self, point: ResumePoint, starts: Mapping[str, int], boundary_ms: int
    ) -> AsyncIterator[MarketBatch]:
        step_ms = self._interval_ms
        after = {
            symbol: ReplayCursor(start_ms - step_ms, point.first_prices.get(symbol, start_ms - step_ms))
            for symbol, start_ms in starts.items()
        }
        start_ms = min(starts.values())
        feed = ReplayFeed(self._candles, self._symbols, start_ms - step_ms, boundary_ms, self._delay_ms, after)
        async for batch in batched(feed.events()):
            is_fresh = self._clock.now_ms() - batch.due_ms <= FRESH_MS
            yield batch if is_fresh else replace(batch, trading=False)

    async def _live(self) -> AsyncIterator[MarketBatch]:
        quotes_ms = 0
        while True:
            now_ms = self._clock.now_ms()
            self._stir.clear()
            batch = self._bars.due(now_ms)
            if batch is not None:
                yield replace(batch, events=await self._kept(batch.events))
                continue
            wake_ms = self._bars.wake_ms(now_ms)
            if quotes := self._new_quotes():
                if now_ms >= quotes_ms + QUOTES_MS:
                    quotes_ms = now_ms
                    self._given_quotes.update((quote.symbol, quote) for quote in quotes)
                    yield MarketBatch(now_ms, quotes)
                    continue
                wake_ms = min(wake_ms, quotes_ms + QUOTES_MS)
            await wait(self._stir, wake_ms - now_ms)

    async def _kept(self, events: Sequence[MarketEvent]) -> tuple[MarketEvent, ...]:
        """The events, with their bars as they are stored from now on."""
        bars = iter(await self._candles.append([event for event in events if isinstance(event, Bar)]))
        return tuple(next(bars) if isinstance(event, Bar) else event for event in events)

    def _new_quotes(self) -> tuple[Quote, ...]:
        return tuple(
            quote for symbol, quote in self._caches.quotes.items() if self._given_quotes.get(symbol) is not quote
        )

    def _heard(self, symbol: str, candle: Candle | None) -> None:
        """Take in a candle frame at the moment it arrives."""
        newest_ms = self._clock.now_ms() + AHEAD_MS
        if candle is None or max(candle.time_ms, candle.bar.open_time_ms) > newest_ms:
            self._unreadable += 1
            log.warning("a candle frame that cannot be read was left out (%d so far) %s", self._unreadable, symbol)
            return
        self._candle_ms = max(candle.time_ms, self._candle_ms or 0)
        is_new = candle.bar.open_time_ms > self._bars.newest(symbol)
        self._reader.heard(candle.bar)
        if candle.is_closed:
            self._bars.closed(candle.bar)
        else:
            self._bars.opened(candle.bar, self._clock.now_ms())
        if is_new or candle.is_closed:
            self._stir.set()
        if is_new:
            # The candle before has ended; where its closing frame is missing it is read.
            self._reader.stir.set()

    def _candle_news(self) -> int | None:
        return self._candle_ms

    def _candles_are_live(self) -> bool:
        return not self._streams[0].problem

    def _settled(self, rates: Iterable[FundingRate]) -> None:
        self._bars.settled(rates)
        self._stir.set()

    def _tell_health(self) -> None:
        """A contract whose bars stay away stops itself; where all stay away it is the market."""
        problems = [f"{stream.name}: {alarm}" for stream in self._streams if (alarm := stream.alarm())]
        missing = self._bars.missing(self._clock.now_ms())
        if len(missing) == len(self._symbols):
            symbol = min(missing, key=missing.__getitem__)
            others = f" and {len(missing) - 1} more symbols" if len(missing) > 1 else ""
            problems.append(f"{symbol}{others} {missing[symbol]}")
            missing = {}
        self._wire.health.report(HEALTH_PART, ", ".join(problems))
        for symbol in self._symbols:
            self._wire.health.report(HEALTH_PART, missing.get(symbol, ""), symbol)


def _no_hold(minute_ms: int, until_ms: int) -> None:
    """What an exchange books itself needs no order here."""
