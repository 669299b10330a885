"""The past of a live market, by REST: candles without holes into the store, and funding as it was settled."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from core.domain.errors import UnavailableError, VenueRejectedError
from core.domain.market import MINUTE_MS
from core.exchange.connection.own_words import OwnWords
from core.exchange.connection.wire import Reads, Wire
from core.market.intervals import LONGEST_FUNDING_MS, interval_text
from core.market.live.rows import bars_of, holes
from core.ports import CandleStore, SettledFunding
from core.trader.account import iso

log = logging.getLogger("quarterdeck.market")

PAGE_BARS = 1_000
PAGE_RATES = 1_000
SHORT_PAGE = 20
"""No exchange cuts its pages of funding rates shorter than this: a shorter one is the last."""

_PAGE_HOURS, _PAGE_MS, _USUAL_PAGES = 100, 500, 10
"""A page of funding that is settled every hour, what a slow one takes, and how many the usual time is enough for."""

Span = tuple[int, int]
"""Open times of the first missing bar and of the first behind it."""


async def read_candles(wire: Wire, symbol: str, from_ms: int, limit: int, interval_ms: int) -> list[list[Any]]:
    """ccxt rows from `from_ms` on. Raises UnavailableError, VenueRejectedError."""
    which = wire.unified(symbol), interval_text(interval_ms), from_ms, limit
    rows: list[list[Any]] = await wire.read("fetch_ohlcv", *which)
    return rows


async def exchange_time(wire: Wire) -> int | None:
    """The exchange's time as it tells it now; None where it does not."""
    try:
        return int(await wire.read("fetch_time"))
    except (UnavailableError, VenueRejectedError, TypeError, ValueError):
        return None


async def fill_bars(
    wire: Wire, candles: CandleStore, symbol: str, from_ms: int, exchange_ms: int | None, interval_ms: int
) -> list[Span]:
    """Store every closed bar from `from_ms` to now that is not stored, oldest first; what the exchange does not have.
    `interval_ms` is that of the store.

    `exchange_ms` as `bars_of` has it. Raises UnavailableError, VenueRejectedError.
    """
    from_ms = -(-from_ms // interval_ms) * interval_ms
    to_ms = wire.clock.now_ms() // interval_ms * interval_ms
    for attempt in (1, 2):
        missing = await _missing(candles, symbol, from_ms, to_ms, interval_ms)
        if attempt == 2:
            # The newest bar may not be final yet, and before the first there was no market.
            span = await candles.span(symbol)
            missing = [hole for hole in missing if span is not None and span[0] < hole[0] and hole[1] < span[1]]
        for start_ms, end_ms in missing:
            await _fill(wire, candles, symbol, (start_ms, end_ms), exchange_ms, interval_ms)
    left = await _missing(candles, symbol, from_ms, to_ms, interval_ms)
    for start_ms, end_ms in left:
        # What is missing at the very end is not closed yet, or not told yet: the live feed waits for it.
        if end_ms < to_ms:
            log.warning("%s: the exchange has no bars from %s to %s", symbol, iso(start_ms), iso(end_ms))
    return left


async def fill_funding(wire: Wire, candles: CandleStore, symbol: str, from_ms: int) -> None:
    """Store every funding rate settled since `from_ms`; where the exchange keeps none of so long ago, that is logged.
    Raises UnavailableError, VenueRejectedError."""
    is_first = True
    async for rates in funding_pages(wire, symbol, from_ms):
        await candles.append_funding(rates)
        first_ms = min((rate.time_ms for rate in rates), default=from_ms)
        if is_first and first_ms - from_ms > LONGEST_FUNDING_MS:
            log.warning("%s: the exchange tells no funding from %s to %s", symbol, iso(from_ms), iso(first_ms))
        is_first = False


async def funding_pages(wire: Reads, symbol: str, from_ms: int) -> AsyncIterator[list[SettledFunding]]:
    """Every funding rate settled since `from_ms`, as the exchange's answers hold them. Raises UnavailableError,
    VenueRejectedError."""
    since_ms, unified = from_ms, wire.unified(symbol)
    while True:
        patience_ms = _patience_ms(wire.clock.now_ms() - since_ms)
        rows = await wire.read("fetch_funding_rate_history", unified, since_ms, PAGE_RATES, timeout_ms=patience_ms)
        now_ms = wire.clock.now_ms()
        rates = [rate for row in rows if (rate := rate_of(symbol, row, wire.dialect.words)) is not None]
        rates = [rate for rate in rates if since_ms <= rate.time_ms <= now_ms]
        yield rates
        if not rates or len(rows) < SHORT_PAGE:
            return
        since_ms = max(rate.time_ms for rate in rates) + 1


def _patience_ms(past_ms: int) -> int | None:
    """So long a read of that much past may take, None for as long as any: where it is told newest first, all its
    pages are one read."""
    pages = past_ms // (_PAGE_HOURS * 60 * MINUTE_MS)
    return pages * _PAGE_MS if pages > _USUAL_PAGES else None


def rate_of(symbol: str, row: Mapping[str, Any], words: OwnWords) -> SettledFunding | None:
    """Of a ccxt funding rate row of an exchange with these words."""
    try:
        rate = Decimal(str(words.funding_rate(row)))
        time_ms = int(row["timestamp"])
        mark = words.mark_price(row)
        mark_price = Decimal(str(mark)) if mark else None
    except (InvalidOperation, KeyError, TypeError, ValueError):
        log.warning("%s: a funding rate that cannot be read was left out", symbol)
        return None
    return SettledFunding(symbol, time_ms, rate, mark_price)


async def _missing(candles: CandleStore, symbol: str, from_ms: int, to_ms: int, interval_ms: int) -> list[Span]:
    stored = await candles.bars(symbol, from_ms, to_ms)
    return holes(stored.open_time_ms.tolist(), from_ms, to_ms, interval_ms)


async def _fill(
    wire: Wire, candles: CandleStore, symbol: str, hole: Span, exchange_ms: int | None, interval_ms: int
) -> None:
    since_ms, to_ms = hole
    while since_ms < to_ms:
        limit = min(PAGE_BARS, (to_ms - since_ms) // interval_ms + 2)
        rows = await read_candles(wire, symbol, since_ms, limit, interval_ms)
        closed, _ = bars_of(symbol, rows, exchange_ms, interval_ms)
        await candles.append([bar for bar in closed if since_ms <= bar.open_time_ms < to_ms])
        if not closed or closed[-1].open_time_ms < since_ms:
            return
        since_ms = closed[-1].open_time_ms + interval_ms
