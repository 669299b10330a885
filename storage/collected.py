"""Streams of an exchange as they are gathered: rows by their source, when events were listened to, retention."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

import numpy as np

from core.domain.stream import Observation
from core.market.collecting.holes import Ints, MissedNumbers, Span
from core.market.collecting.holes import missed_numbers as of_numbers
from core.market.collecting.store import Listened
from core.market.streams import kind_of
from core.ports import SettledFunding
from storage.candles import CHUNK_ROWS, put_rates
from storage.connection import Connection
from storage.database import Database, storage_errors, transaction
from storage.import_rows import count_off, mark_changed
from storage.observations import checked_series, put_series

T = TypeVar("T")

FORGET_ROWS = 5_000
"""So many rows at a time are taken out, in one transaction, where no other number is asked for."""

LIVE_ROWS = "source_id IN (SELECT source_id FROM sources WHERE sha256 = '' AND kind = ? AND symbol = ?)"
"""Which rows of a kind and symbol came live."""

_LISTENED = """INSERT INTO listened VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET to_ms = max(to_ms, excluded.to_ms)"""
_LAST = f"""SELECT time_ms, number FROM observations WHERE stream = ? AND symbol = ? AND {LIVE_ROWS}
ORDER BY time_ms DESC, number DESC LIMIT 1"""  # noqa: S608 - of constants
_NUMBERS = f"""SELECT number, time_ms FROM observations
WHERE stream = ? AND symbol = ? AND time_ms >= ? AND {LIVE_ROWS}"""  # noqa: S608 - of constants
_BEFORE = "SELECT max(time_ms) FROM observations WHERE stream = ? AND symbol = ? AND time_ms < ?"


class SqliteCollected:
    """Implements core.market.collecting.store.CollectStore."""

    def __init__(self, database: Database, connection: Connection, exchange: str) -> None:
        self._path = database.path
        self._connection = connection
        self._name = f"{exchange} live"

    @classmethod
    async def open(cls, database: Database, exchange: str) -> SqliteCollected:
        """Raises StorageError. The caller closes."""
        return cls(database, await database.connect(durable=False), exchange)

    async def close(self) -> None:
        await self._connection.close()

    async def append(
        self, observations: Sequence[Observation], listened: Sequence[Listened] = ()
    ) -> Mapping[tuple[str, str], int]:
        series = checked_series(observations)
        spans = [(one.stream, one.symbol, one.from_ms, one.to_ms) for one in listened]

        def put(connection: sqlite3.Connection) -> Mapping[tuple[str, str], int]:
            with transaction(connection):
                connection.executemany(_LISTENED, spans)
                return put_series(connection, self._name, series)

        return await self._call(put) if series or spans else {}

    async def append_funding(self, rates: Sequence[SettledFunding]) -> int:
        def put(connection: sqlite3.Connection) -> int:
            with transaction(connection):
                by_symbol: dict[str, list[SettledFunding]] = {}
                for rate in rates:
                    by_symbol.setdefault(rate.symbol, []).append(rate)
                return sum(put_rates(connection, self._name, symbol, its) for symbol, its in by_symbol.items())

        return await self._call(put)

    async def funding_until(self, symbol: str) -> int | None:
        return await self._one("SELECT max(time_ms) FROM funding_rates WHERE symbol = ?", symbol)

    async def missed_numbers(self, symbol: str, stream: str, from_ms: int) -> list[MissedNumbers]:
        return await self._call(lambda connection: missed_numbers(connection, symbol, stream, from_ms))

    async def last(self, symbol: str, stream: str) -> tuple[int, int] | None:
        told = (stream, symbol, kind_of(stream)[0], symbol)
        found: tuple[int, int] | None = await self._call(lambda c: c.execute(_LAST, told).fetchone())
        return found

    async def times(self, symbol: str, stream: str, from_ms: int) -> Ints:
        sql = "SELECT time_ms FROM observations WHERE stream = ? AND symbol = ? AND time_ms >= ? ORDER BY time_ms"
        return np.array(
            await self._call(lambda c: [row[0] for row in c.execute(sql, (stream, symbol, from_ms))]), np.int64
        )

    async def listened(self, symbol: str, stream: str, from_ms: int) -> list[Span]:
        return await self._call(lambda connection: listened_spans(connection, symbol, stream, from_ms))

    async def forget(self, symbol: str, stream: str, before_ms: int, at_most: int = FORGET_ROWS) -> int:
        return await self._call(lambda connection: _forget(connection, symbol, stream, before_ms, at_most))

    async def rows(self, symbol: str, stream: str) -> int:
        kind, period_ms = kind_of(stream)
        sql = "SELECT sum(rows) FROM sources WHERE sha256 = '' AND symbol = ? AND kind = ? AND (interval_ms = ? OR ?)"
        return await self._one(sql, symbol, kind, period_ms, kind == "funding") or 0

    async def sources(self, symbol: str) -> Collection[str]:
        sql = "SELECT name FROM sources WHERE symbol = ? AND rows > 0"
        return await self._call(lambda c: frozenset(name for (name,) in c.execute(sql, (symbol,))))

    async def _one(self, sql: str, *told: object) -> int | None:
        found: int | None = await self._call(lambda connection: connection.execute(sql, told).fetchone()[0])
        return found

    async def _call(self, function: Callable[[sqlite3.Connection], T]) -> T:
        with storage_errors(self._path):
            return await self._connection.call(function)


def missed_numbers(connection: sqlite3.Connection, symbol: str, stream: str, from_ms: int) -> list[MissedNumbers]:
    """Between the live rows of an exchange that numbers them without holes, since then and from the last one before."""
    (before_ms,) = connection.execute(_BEFORE, (stream, symbol, from_ms)).fetchone()
    since_ms = from_ms if before_ms is None else before_ms
    cursor = connection.execute(_NUMBERS, (stream, symbol, since_ms, kind_of(stream)[0], symbol))
    chunks = [np.zeros((0, 2), np.int64)]
    while rows := cursor.fetchmany(CHUNK_ROWS):
        chunks.append(np.array(rows, np.int64))
    return of_numbers(*np.concatenate(chunks).T)


def listened_spans(connection: sqlite3.Connection, symbol: str, stream: str, from_ms: int) -> list[Span]:
    """When a stream of events was heard without a break, as far as it reaches beyond that time."""
    sql = "SELECT from_ms, to_ms FROM listened WHERE stream = ? AND symbol = ? AND to_ms > ? ORDER BY from_ms"
    return connection.execute(sql, (stream, symbol, from_ms)).fetchall()


def unlisten(connection: sqlite3.Connection, symbol: str, stream: str, from_ms: int, to_ms: int) -> None:
    """Count the span as one in which nobody listened. Within a transaction."""
    touched = "stream = ? AND symbol = ? AND from_ms < ? AND to_ms > ?"
    told = (stream, symbol, to_ms, from_ms)
    spans = connection.execute(f"SELECT from_ms, to_ms FROM listened WHERE {touched}", told).fetchall()  # noqa: S608
    connection.execute(f"DELETE FROM listened WHERE {touched}", told)  # noqa: S608
    left = [(start, min(end, from_ms)) for start, end in spans] + [(max(start, to_ms), end) for start, end in spans]
    connection.executemany(_LISTENED, [(stream, symbol, start, end) for start, end in left if start < end])


def _forget(connection: sqlite3.Connection, symbol: str, stream: str, before_ms: int, at_most: int) -> int:
    """Files that hold such rows can be imported again, and those that did are left alone."""
    kind, period_ms = kind_of(stream)
    told = (stream, symbol, before_ms, kind, symbol)
    where = f"stream = ? AND symbol = ? AND time_ms < ? AND {LIVE_ROWS}"
    find = f"SELECT time_ms, number, source_id FROM observations WHERE {where} ORDER BY time_ms, number LIMIT ?"  # noqa: S608
    with transaction(connection):
        rows = connection.execute(find, (*told, at_most)).fetchall()
        unlisten(connection, symbol, stream, 0, before_ms)
        if rows:
            drop = "DELETE FROM observations WHERE stream = ? AND symbol = ? AND time_ms = ? AND number = ?"
            connection.executemany(drop, ((stream, symbol, time_ms, number) for time_ms, number, _ in rows))
            count_off(connection, (source_id for _, _, source_id in rows))
            mark_changed(connection, kind, symbol, period_ms, (rows[0][0], rows[-1][0]), rows[0][2])
    return len(rows)
