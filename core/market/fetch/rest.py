"""Candles, of trades and of the mark price, and funding by an exchange's REST interface, page by page through the one
door for requests."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import DataError
from core.domain.market import Bar
from core.exchange.connection.wire import Wire
from core.market.checking import first_bad_rate
from core.market.fetch.plan import DAY_MS, Candles, Times
from core.market.importing import CandleFile, FundingFile
from core.market.importing.table import Origin
from core.market.intervals import INTERVALS_MS, interval_text
from core.market.kinds import CANDLES, MARK
from core.market.live.fill import PAGE_BARS, funding_pages
from core.market.live.rows import bar_of, bars_of
from core.ports import BarColumns, SettledFunding
from core.trader.account import iso

HOUR_MS = INTERVALS_MS["1h"]
LEAST_PAGE_BARS = 200
"""No exchange cuts its pages of candles shorter than this: so much of a page that is empty was looked at."""

_METHODS = {CANDLES: "fetch_ohlcv", MARK: "fetch_mark_ohlcv"}
_UNTOLD_FUNDING_MS = INTERVALS_MS["8h"]
_ONE_SETTLEMENT_MS = 60_000
"""A settlement is told with a few milliseconds of its own: nearer times are one."""


async def first_day_ms(wire: Wire, symbol: str, from_ms: int, to_ms: int, kind: str = CANDLES) -> int | None:
    """When the first day of the period opened of which the exchange has a candle; None where there is no such. Raises
    UnavailableError, VenueRejectedError."""
    unified, since_ms = wire.unified(symbol), from_ms // DAY_MS * DAY_MS
    while since_ms < to_ms:
        rows = await _candle_rows(wire, kind, unified, "1d", since_ms, LEAST_PAGE_BARS)
        days = [bar.open_time_ms for row in rows if (bar := bar_of(symbol, row, DAY_MS)) is not None]
        if later := [open_ms for open_ms in days if open_ms >= since_ms]:
            return min(later)
        since_ms += LEAST_PAGE_BARS * DAY_MS
    return None


async def candle_pages(wire: Wire, wanted: Candles, missing: Times, exchange_ms: int) -> AsyncIterator[list[Bar]]:
    """The closed bars among those that open at the times `missing`, oldest first; a page without any is empty.

    `exchange_ms` is the exchange's time, told before. Where a page holds nothing the exchange has nothing there: it is
    asked again behind. Raises UnavailableError, VenueRejectedError.
    """
    interval_ms, unified = wanted.interval_ms, wire.unified(wanted.symbol)
    place = 0
    while place < len(missing):
        since_ms = int(missing[place])
        limit = min(PAGE_BARS, (int(missing[-1]) - since_ms) // interval_ms + 2)
        rows = await _candle_rows(wire, wanted.kind, unified, interval_text(interval_ms), since_ms, limit)
        closed, _ = bars_of(wanted.symbol, rows, exchange_ms, interval_ms)
        yield [bar for bar in closed if _is_among(bar.open_time_ms, missing)]
        reached = closed and closed[-1].open_time_ms >= since_ms
        passed = min(limit, LEAST_PAGE_BARS) * interval_ms
        end_ms = closed[-1].open_time_ms + interval_ms if reached else since_ms + passed
        place = int(np.searchsorted(missing, end_ms))


async def _candle_rows(
    wire: Wire, kind: str, unified: str, interval: str, since_ms: int, limit: int
) -> list[Sequence[Any]]:
    """ccxt rows. Those of the mark price are of no trades: whatever stands there as their volume is none."""
    rows: list[Sequence[Any]] = await wire.read(_METHODS[kind], unified, interval, since_ms, limit)
    return rows if kind == CANDLES else [[*row[:5], 0.0] for row in rows]


def candle_file(bars: Sequence[Bar], source: str, kind: str = CANDLES) -> CandleFile:
    """Bars of one symbol and interval, at least one, as a file of them would be read."""
    rows = [(bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in bars]
    times = np.array([bar.open_time_ms for bar in bars], dtype=np.int64)
    columns = np.array(rows, dtype=np.float64).T.copy()
    told = BarColumns(bars[0].symbol, bars[0].interval_ms, times, *columns)
    return CandleFile(_origin(source, times, columns), told, kind)


async def funding_rates(wire: Wire, symbol: str, from_ms: int, to_ms: int) -> list[SettledFunding]:
    """Settled in [from_ms, to_ms), oldest first. Raises UnavailableError, VenueRejectedError."""
    found: list[SettledFunding] = []
    async for rates in funding_pages(wire, symbol, from_ms):
        found += [rate for rate in rates if rate.time_ms < to_ms]
        if any(rate.time_ms >= to_ms for rate in rates):
            break
    return sorted(found, key=lambda rate: rate.time_ms)


def new_rates(stored: Iterable[tuple[int, str]], told: Sequence[SettledFunding], source: str) -> list[SettledFunding]:
    """Those of the settlements `told` that are not `stored` (time and rate). One that is stays, with its mark price.

    Raises DataError where it is stored with another rate.
    """
    known = {round(time_ms / _ONE_SETTLEMENT_MS): Decimal(rate) for time_ms, rate in stored}
    news = []
    for rate in told:
        before = known.setdefault(round(rate.time_ms / _ONE_SETTLEMENT_MS), rate.rate)
        if before is rate.rate:
            news.append(rate)
        elif before != rate.rate:
            raise DataError(
                f"{rate.symbol}: the funding of {iso(rate.time_ms)} is stored as {before}, and {source} tells "
                f"{rate.rate}; find out which is right; nothing of it was stored"
            )
    return news


def funding_rows(file: FundingFile) -> list[SettledFunding]:
    """What a file tells, rate by rate; a figure is the shortest decimal that is its float: as it was published."""
    marks = [None] * len(file.rates) if file.marks_usdt is None else [_decimal(mark) for mark in file.marks_usdt]
    rows = zip(file.time_ms.tolist(), file.rates, marks, strict=True)
    return [SettledFunding(file.symbol, time_ms, _decimal(rate), mark) for time_ms, rate, mark in rows]


def with_marks(rates: Iterable[SettledFunding], hours: BarColumns) -> list[SettledFunding]:
    """The rates with the mark prices at which hours of mark price candles opened, where there are such."""
    opened = dict(zip(hours.open_time_ms.tolist(), hours.open, strict=True))
    marks = [(rate, opened.get(round(rate.time_ms / _ONE_SETTLEMENT_MS) * _ONE_SETTLEMENT_MS)) for rate in rates]
    return [rate if mark is None else replace(rate, mark_price=_decimal(mark)) for rate, mark in marks]


def funding_parts(rates: Sequence[SettledFunding], source: str) -> list[FundingFile]:
    """Rates of one symbol, oldest first, as files of them would be read: those with a mark price and those without.

    Raises DataError for one that cannot be.
    """
    priced = [rate for rate in rates if rate.mark_price]
    bare = [replace(rate, mark_price=None) for rate in rates if not rate.mark_price]
    interval_ms = _interval_ms([rate.time_ms for rate in rates])
    return [_funding_file(part, source, interval_ms) for part in (priced, bare) if part]


def _funding_file(rates: Sequence[SettledFunding], source: str, interval_ms: int) -> FundingFile:
    times = np.array([rate.time_ms for rate in rates], dtype=np.int64)
    values = np.array([float(rate.rate) for rate in rates])
    told = [float(rate.mark_price) for rate in rates if rate.mark_price]
    marks = np.array(told) if told else None
    if bad := first_bad_rate(times, values, marks):
        index, reason = bad
        raise DataError(f"{rates[index].symbol}: {source} tells what cannot be: {reason}; nothing of it was stored")
    return FundingFile(_origin(source, times, values, marks), rates[0].symbol, interval_ms, times, values, marks)


def _origin(source: str, *columns: NDArray[Any] | None) -> Origin:
    """Rows that came in no file are known by their own bytes."""
    digest = hashlib.sha256()
    for column in columns:
        digest.update(b"" if column is None else column.tobytes())
    return Origin(source, digest.hexdigest(), "row", 1)


def _decimal(value: float) -> Decimal:
    return Decimal(repr(float(value)))


def _interval_ms(times_ms: Sequence[int]) -> int:
    """What most settlements are apart, on whole hours; that of most contracts where one alone tells nothing."""
    steps = np.diff(np.array(times_ms, dtype=np.int64))
    step_ms = round(float(np.median(steps)) / HOUR_MS) * HOUR_MS if len(steps) else 0
    return step_ms if step_ms in INTERVALS_MS.values() else _UNTOLD_FUNDING_MS


def _is_among(time_ms: int, times: Times) -> bool:
    place = int(np.searchsorted(times, time_ms))
    return place < len(times) and int(times[place]) == time_ms
