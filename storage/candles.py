"""Candles and funding rates in SQLite, read as columns."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import chain
from typing import TypeVar

import numpy as np

from core.domain.errors import DataError
from core.domain.market import MINUTE_MS, Bar, FundingRate
from core.market.higher_bars import completed
from core.market.settlements import Times
from core.ports import BarColumns, SettledFunding
from core.trader.account import iso
from storage.connection import Connection
from storage.database import Database, storage_errors, transaction

log = logging.getLogger("quarterdeck.market")

T = TypeVar("T")

FUNDING_INTERVAL_MS = 8 * 60 * MINUTE_MS
"""Under which interval the funding that arrives live is listed: no exchange settles more seldom."""

CHUNK_ROWS = 16_384
"""So many rows at a time are Python objects where many are read or written."""

UNFINISHED = "import not finished: import the file again"
"""The note of a source until its last row is stored."""

SELECT_CANDLES = """SELECT open_time_ms, open, high, low, close, volume FROM candles
WHERE symbol = ? AND interval_ms = ? AND open_time_ms >= ? AND open_time_ms < ? ORDER BY open_time_ms"""
INSERT_CANDLE = "INSERT INTO candles VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
STREAM = """INSERT INTO sources
(name, sha256, kind, is_synthetic, symbol, interval_ms, first_ms, last_ms, rows, imported_ms, note)
VALUES (?, '', ?, 0, ?, ?, ?, ?, ?, ?, 'arrived live')
ON CONFLICT DO UPDATE SET first_ms = min(first_ms, excluded.first_ms), last_ms = max(last_ms, excluded.last_ms),
    rows = rows + excluded.rows
RETURNING source_id"""
"""The source of rows that arrive live: its name, kind, symbol, interval, first and last time, rows, when."""
LIVE_NAME = "stream"

_FUNDING = """SELECT time_ms, rate, coalesce(
    mark_price,
    (SELECT open FROM price_candles WHERE kind = 'mark' AND symbol = :symbol
        AND open_time_ms = time_ms - time_ms % 60000 ORDER BY interval_ms LIMIT 1))
FROM funding_rates WHERE symbol = :symbol AND time_ms >= :from AND time_ms < :to ORDER BY time_ms"""
_OPEN = "SELECT open FROM candles WHERE symbol = ? AND interval_ms = ? AND open_time_ms = ?"
_LAST_CLOSE = """SELECT open_time_ms, close FROM candles
WHERE symbol = ? AND interval_ms = ? AND open_time_ms <= ? ORDER BY open_time_ms DESC LIMIT 1"""
_ENDS = """SELECT
    (SELECT min(open_time_ms) FROM candles WHERE symbol = :symbol AND interval_ms = :interval),
    (SELECT max(open_time_ms) FROM candles WHERE symbol = :symbol AND interval_ms = :interval)"""
_SHORTER = """SELECT DISTINCT interval_ms FROM sources
WHERE kind = 'candles' AND symbol = ? AND rows > 0 AND interval_ms < ? AND ? % interval_ms = 0
ORDER BY interval_ms DESC"""

_SETTLEMENTS = """SELECT time_ms, interval_ms FROM funding_rates JOIN sources USING (source_id)
WHERE funding_rates.symbol = ? ORDER BY time_ms"""


def read_funding(
    connection: sqlite3.Connection, symbol: str, interval_ms: int, from_ms: int, to_ms: int
) -> list[FundingRate]:
    """Rates with from_ms <= time < to_ms, oldest first, priced by bars of `interval_ms` where they have no price.

    That is the open of the mark price's candle at that time, else of the bar at that time, else the close of the bar
    before; a rate older than every bar has no price and is left out (nobody can have held a position).
    """
    rows = connection.execute(_FUNDING, {"symbol": symbol, "from": from_ms, "to": to_ms}).fetchall()
    priced = (
        (time_ms, rate, _traded_price(connection, symbol, interval_ms, time_ms) if mark is None else mark)
        for time_ms, rate, mark in rows
    )
    return [
        FundingRate(symbol, time_ms, Decimal(rate), Decimal(str(mark)))
        for time_ms, rate, mark in priced
        if mark is not None
    ]


def shorter_intervals(connection: sqlite3.Connection, symbol: str, interval_ms: int) -> list[int]:
    """Those of which bars are stored that bars of `interval_ms` can be built of, the longest first."""
    return [one for (one,) in connection.execute(_SHORTER, (symbol, interval_ms, interval_ms))]


def bars_between(
    connection: sqlite3.Connection, symbol: str, interval_ms: int, from_ms: int, to_ms: int
) -> tuple[BarColumns, list[int]]:
    """As `core.market.higher_bars.completed` has them."""

    def read(one_ms: int, first_ms: int, end_ms: int) -> BarColumns:
        rows = connection.execute(SELECT_CANDLES, (symbol, one_ms, first_ms, end_ms)).fetchall()
        return bar_columns(symbol, one_ms, rows)

    return completed(read, interval_ms, shorter_intervals(connection, symbol, interval_ms), from_ms, to_ms)


def span_of(connection: sqlite3.Connection, symbol: str, interval_ms: int) -> tuple[int, int] | None:
    """First open time and last close time of the bars of an interval, those that shorter ones come to among them; None
    where there are none."""
    spans = []
    for one_ms in (interval_ms, *shorter_intervals(connection, symbol, interval_ms)):
        first, last = connection.execute(_ENDS, {"symbol": symbol, "interval": one_ms}).fetchone()
        if first is not None:
            first_ms, end_ms = -(-first // interval_ms) * interval_ms, (last + one_ms) // interval_ms * interval_ms
            spans += [(first_ms, end_ms)] if first_ms < end_ms else []
    return (min(first for first, _ in spans), max(end for _, end in spans)) if spans else None


def _traded_price(connection: sqlite3.Connection, symbol: str, interval_ms: int, time_ms: int) -> float | None:
    open_ms = time_ms - time_ms % interval_ms
    if row := connection.execute(_OPEN, (symbol, interval_ms, open_ms)).fetchone():
        return float(row[0])
    bars, _ = bars_between(connection, symbol, interval_ms, open_ms, open_ms + interval_ms)
    if len(bars.open):
        return float(bars.open[0])
    before = [
        (row[0] + one_ms, row[1])
        for one_ms in (interval_ms, *shorter_intervals(connection, symbol, interval_ms))
        if (row := connection.execute(_LAST_CLOSE, (symbol, one_ms, open_ms - one_ms)).fetchone())
    ]
    return float(max(before)[1]) if before else None


def settlements(connection: sqlite3.Connection, symbol: str) -> tuple[Times, Times]:
    """Times of all stored rates, rising, and the interval that the source of each is listed with, (n,) both, ms."""
    rows = np.array(connection.execute(_SETTLEMENTS, (symbol,)).fetchall(), np.int64).reshape(-1, 2)
    return rows[:, 0], rows[:, 1]


def bar_columns(symbol: str, interval_ms: int, rows: Sequence[tuple[float, ...]]) -> BarColumns:
    """Rows of SELECT_CANDLES as columns."""
    # Times in milliseconds are far below 2**53, so the detour over float64 is exact.
    columns = np.fromiter(chain.from_iterable(rows), dtype=np.float64).reshape(-1, 6).T.copy()
    return BarColumns(symbol, interval_ms, columns[0].astype(np.int64), *columns[1:])


class SqliteCandles:
    """Implements core.ports.CandleStore for bars of one interval."""

    def __init__(self, database: Database, connection: Connection, interval_ms: int) -> None:
        self._path = database.path
        self._connection = connection
        self._interval_ms = interval_ms

    @classmethod
    async def open(cls, database: Database, interval_ms: int = MINUTE_MS, *, read_only: bool = False) -> SqliteCandles:
        """Raises StorageError. The caller closes. With `read_only` nothing can be added, nor need the disk take it."""
        return cls(database, await database.connect(durable=False, read_only=read_only), interval_ms)

    async def close(self) -> None:
        await self._connection.close()

    async def bars(self, symbol: str, from_ms: int, to_ms: int) -> BarColumns:
        """Bars with from_ms <= open time < to_ms, oldest first (may be empty): those that are stored, and where one is
        not, what shorter ones come to."""
        return await self._call(lambda reading: bars_between(reading, symbol, self._interval_ms, from_ms, to_ms)[0])

    async def append(self, bars: Sequence[Bar]) -> Sequence[Bar]:
        """Store closed bars of this store's interval, and return them as they stand now: one that is there already
        stays, and that another one was told is logged."""
        return await self._call(lambda connection: self._append(connection, bars)) if bars else ()

    async def append_funding(self, rates: Sequence[SettledFunding]) -> None:
        """Store settled rates. One that is there already stays, and that another one was told is logged."""
        if rates:
            await self._call(lambda connection: self._append_funding(connection, rates))

    async def funding(self, symbol: str, from_ms: int, to_ms: int) -> list[FundingRate]:
        """Rates with from_ms <= time < to_ms, oldest first, as `read_funding` has them."""
        return await self._call(lambda connection: read_funding(connection, symbol, self._interval_ms, from_ms, to_ms))

    async def span(self, symbol: str) -> tuple[int, int] | None:
        """First open time and last close time stored, or None."""
        return await self._call(lambda reading: span_of(reading, symbol, self._interval_ms))

    async def _call(self, function: Callable[[sqlite3.Connection], T]) -> T:
        with storage_errors(self._path):
            return await self._connection.call(function)

    def _append(self, connection: sqlite3.Connection, bars: Sequence[Bar]) -> list[Bar]:
        by_symbol: dict[str, list[Bar]] = {}
        for bar in bars:
            if bar.interval_ms != self._interval_ms:
                raise DataError(f"{bar.symbol}: a bar of {bar.interval_ms} ms does not belong to this store")
            by_symbol.setdefault(bar.symbol, []).append(bar)
        stored: dict[tuple[str, int], Bar] = {}
        with transaction(connection):
            for symbol, its_bars in by_symbol.items():
                stored |= self._append_symbol(connection, symbol, its_bars)
        return [stored.get((bar.symbol, bar.open_time_ms), bar) for bar in bars]

    def _append_symbol(
        self, connection: sqlite3.Connection, symbol: str, bars: Sequence[Bar]
    ) -> dict[tuple[str, int], Bar]:
        """What was stored before."""
        found = [(bar, self._stored(connection, bar)) for bar in bars]
        before = {(symbol, bar.open_time_ms): known for bar, known in found if known is not None}
        news = list({bar.open_time_ms: bar for bar, known in reversed(found) if known is None}.values())[::-1]
        if not news:
            return before
        times = [bar.open_time_ms for bar in news]
        told = (LIVE_NAME, "candles", symbol, self._interval_ms, min(times), max(times), len(news), max(times))
        source_id = connection.execute(STREAM, told).fetchone()[0]
        rows = [
            (symbol, bar.interval_ms, bar.open_time_ms, bar.open, bar.high, bar.low, bar.close, bar.volume, source_id)
            for bar in news
        ]
        connection.executemany(INSERT_CANDLE, rows)
        return before

    def _stored(self, connection: sqlite3.Connection, bar: Bar) -> Bar | None:
        row = connection.execute(
            "SELECT open, high, low, close, volume FROM candles "
            "WHERE symbol = ? AND interval_ms = ? AND open_time_ms = ?",
            (bar.symbol, bar.interval_ms, bar.open_time_ms),
        ).fetchone()
        if row is None:
            return None
        stored = Bar(bar.symbol, bar.open_time_ms, bar.interval_ms, *row)
        if stored != bar:
            log.warning("%s: the bar of %s was told again with other values; the first is kept: %s, then %s",
                        bar.symbol, iso(bar.open_time_ms), stored, bar)  # fmt: skip
        return stored

    def _append_funding(self, connection: sqlite3.Connection, rates: Sequence[SettledFunding]) -> None:
        by_symbol: dict[str, list[SettledFunding]] = {}
        for rate in rates:
            by_symbol.setdefault(rate.symbol, []).append(rate)
        with transaction(connection):
            for symbol, its_rates in by_symbol.items():
                put_rates(connection, LIVE_NAME, symbol, its_rates)


def put_rates(connection: sqlite3.Connection, name: str, symbol: str, rates: Sequence[SettledFunding]) -> int:
    """Settled rates of a symbol that arrive live, from a source of this name; how many were new. Within a
    transaction."""
    news = [rate for rate in rates if not _is_rate_stored(connection, rate)]
    if news:
        times = [rate.time_ms for rate in news]
        told = (name, "funding", symbol, FUNDING_INTERVAL_MS, min(times), max(times), len(news), max(times))
        source_id = connection.execute(STREAM, told).fetchone()[0]
        rows = [(symbol, rate.time_ms, str(rate.rate), _text(rate.mark_price), source_id) for rate in news]
        connection.executemany("INSERT INTO funding_rates VALUES (?, ?, ?, ?, ?)", rows)
    return len(news)


def _is_rate_stored(connection: sqlite3.Connection, rate: SettledFunding) -> bool:
    row = connection.execute(
        "SELECT rate, mark_price FROM funding_rates WHERE symbol = ? AND time_ms = ?", (rate.symbol, rate.time_ms)
    ).fetchone()
    if row is None:
        return False
    stored = SettledFunding(rate.symbol, rate.time_ms, Decimal(row[0]), None if row[1] is None else Decimal(row[1]))
    if stored != rate:
        log.warning("%s: the funding of %s was told again with other values; the first is kept: %s, then %s",
                    rate.symbol, iso(rate.time_ms), stored, rate)  # fmt: skip
    return True


def _text(price: Decimal | None) -> str | None:
    return None if price is None else str(price)
