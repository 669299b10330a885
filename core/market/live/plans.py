"""Which public streams are followed on which exchange, and what is read from ccxt's caches when they speak."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from core.clock import Clock
from core.domain.errors import UnavailableError, VenueRejectedError
from core.domain.market import Quote
from core.exchange.connection.wire import QuoteSource, Wire
from core.market.intervals import interval_text
from core.market.live.quotes import (
    BookTop,
    MarketTrade,
    MarkPrice,
    book_top,
    mark_of,
    quote_of,
    trades_of,
)
from core.market.live.streams import StreamPlan

Read = Callable[[], int | None]
Ask = Callable[[], Awaitable[bool]]
Announce = Callable[[str, int, int], None]
"""(symbol, time of its next funding, now), in the exchange's time."""

_SOON, _SLOWLY = 0.5, 2.0
"""Pauses between two looks at a stream. Candles are heard at once (`tap_candles`), whenever they are looked at."""


class Caches:
    """The newest quote and mark price of each symbol, taken over from ccxt's caches; an older one never replaces it.

    `changed` is called for every new quote.
    """

    def __init__(
        self, wire: Wire, symbols: Sequence[str], clock: Clock, announce: Announce, changed: Callable[[], None]
    ) -> None:
        self._wire = wire
        self._client = wire.client
        self._unified = {symbol: wire.unified(symbol) for symbol in symbols}
        self._clock = clock
        self._announce = announce
        self._changed = changed
        self.quotes: dict[str, Quote] = {}
        self.marks: dict[str, MarkPrice] = {}

    def read_bids_asks(self) -> int | None:
        return self._take_quotes(self._client.bidsasks)

    def read_tickers(self) -> int | None:
        return self._take_quotes(self._client.tickers)

    def read_book_quotes(self) -> int | None:
        """Where an exchange has no stream of best bids and offers."""
        for symbol in self._unified:
            top = self.order_book(symbol)
            if top is not None:
                self._take_quote(Quote(symbol, top.time_ms, top.bids[0][0], top.asks[0][0]))
        return _newest(quote.time_ms for quote in self.quotes.values())

    def read_marks(self) -> int | None:
        now_ms, words = self._clock.now_ms(), self._wire.dialect.words
        for symbol, unified in self._unified.items():
            mark = mark_of(symbol, self._client.tickers.get(unified, {}), words, now_ms)
            known = self.marks.get(symbol)
            if mark is None or (known is not None and mark.time_ms < known.time_ms):
                continue
            self.marks[symbol] = mark
            if mark.next_funding_ms is not None:
                self._announce(symbol, mark.next_funding_ms, mark.time_ms)
        return _newest(mark.time_ms for mark in self.marks.values())

    def read_books(self) -> int | None:
        return _newest(int(book["timestamp"]) for book in self._client.orderbooks.values() if book.get("timestamp"))

    def read_trades(self) -> int | None:
        return _newest(int(rows[-1]["timestamp"]) for rows in self._client.trades.values() if len(rows))

    def order_book(self, symbol: str) -> BookTop | None:
        return book_top(symbol, self._client.orderbooks.get(self._unified[symbol]))

    def trades(self, symbol: str) -> tuple[MarketTrade, ...]:
        return trades_of(symbol, self._client.trades.get(self._unified[symbol], ()))

    async def quotes_are_quiet(self) -> bool:
        """Whether REST shows the same best prices as the silent stream told last."""
        is_in_tickers = self._wire.dialect.quotes is QuoteSource.TICKERS
        method = "fetch_tickers" if is_in_tickers else "fetch_bids_asks"
        if not self.quotes:
            return False
        try:
            rows: Mapping[str, Any] = await self._wire.read(method, list(self._unified.values()))
        except (UnavailableError, VenueRejectedError):
            return False
        now_ms = self._clock.now_ms()
        for symbol, unified in self._unified.items():
            shown, known = quote_of(symbol, rows.get(unified, {}), now_ms), self.quotes.get(symbol)
            if shown is not None and (known is None or (shown.bid, shown.ask) != (known.bid, known.ask)):
                return False
        return True

    def _take_quotes(self, rows: Mapping[str, Mapping[str, Any]]) -> int | None:
        now_ms = self._clock.now_ms()
        for symbol, unified in self._unified.items():
            quote = quote_of(symbol, rows.get(unified, {}), now_ms)
            if quote is not None:
                self._take_quote(quote)
        return _newest(quote.time_ms for quote in self.quotes.values())

    def _take_quote(self, quote: Quote) -> None:
        known = self.quotes.get(quote.symbol)
        if known is None or (quote.time_ms >= known.time_ms and quote != known):
            self.quotes[quote.symbol] = quote
            self._changed()


def stream_plans(
    wire: Wire,
    caches: Caches,
    symbols: Sequence[str],
    candle_news: Read,
    candles_are_quiet: Ask,
    interval_ms: int,
    order_books: Sequence[str] = (),
    trades: Sequence[str] = (),
) -> list[StreamPlan]:
    """The streams of this exchange: candles of an interval, best prices, mark prices where it has them, and what was
    asked for."""
    client = wire.client
    names = [wire.unified(symbol) for symbol in symbols]
    candles = _watches(client, "watch_ohlcv", [(name, interval_text(interval_ms)) for name in names])
    plans = [StreamPlan("candles", ("ohlcv", "candles"), candles, candle_news, _SLOWLY, candles_are_quiet, "always")]
    plans.append(_quotes(wire, caches, names))
    if client.has.get("watchMarkPrices"):
        prices = [partial(client.watch_mark_prices, names)]
        plans.append(StreamPlan("mark prices", ("markPrice",), prices, caches.read_marks, _SLOWLY))
    if order_books and wire.dialect.quotes is not QuoteSource.ORDER_BOOKS:
        books = _watches(client, "watch_order_book", [wire.unified(symbol) for symbol in order_books])
        plans.append(StreamPlan("order books", ("orderbook",), books, caches.read_books, _SOON))
    if trades:
        deals = _watches(client, "watch_trades", [wire.unified(symbol) for symbol in trades])
        plans.append(StreamPlan("trades", ("trade",), deals, caches.read_trades, _SOON, candles_are_quiet))
    return plans


def _quotes(wire: Wire, caches: Caches, names: Sequence[str]) -> StreamPlan:
    client = wire.client
    match wire.dialect.quotes:
        case QuoteSource.ORDER_BOOKS:
            books = _watches(client, "watch_order_book", names)
            return StreamPlan("quotes", ("orderbook",), books, caches.read_book_quotes, _SOON, needed="once heard")
        case QuoteSource.TICKERS:
            watches = [partial(client.watch_ticker, name) for name in names]
            marks, read = ("ticker",), caches.read_tickers
        case QuoteSource.BEST_PRICES:
            watches = [partial(client.watch_bids_asks, names)]
            marks, read = ("bidask",), caches.read_bids_asks
    return StreamPlan("quotes", marks, watches, read, _SOON, caches.quotes_are_quiet, "once heard")


def _watches(
    client: Any, method: str, what: Sequence[str] | Sequence[tuple[str, str]]
) -> list[Callable[[], Awaitable[Any]]]:
    """One watch for all symbols, or symbols with intervals, where the exchange has it, else one for each."""
    given = [[one] if isinstance(one, str) else list(one) for one in what]
    if client.has.get(_CAMEL[method]):
        return [partial(getattr(client, f"{method}_for_symbols"), [one if len(one) > 1 else one[0] for one in given])]
    return [partial(getattr(client, method), *one) for one in given]


_CAMEL = {
    "watch_ohlcv": "watchOHLCVForSymbols",
    "watch_order_book": "watchOrderBookForSymbols",
    "watch_trades": "watchTradesForSymbols",
}


def _newest(times: Iterable[int]) -> int | None:
    return max(times, default=None)
