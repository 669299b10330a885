"""Observations in SQLite: kept in one table, and read as columns of any stream, whatever table that is told from."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import DataError
from core.domain.stream import Observation, Stream
from core.market.kinds import CANDLES, FUNDING
from core.market.streams import OBSERVED_KINDS, funding_known_ms, kind_of
from core.market.streams import stream as stream_of
from core.ports import BarColumns, ObservationColumns
from core.trader.account import iso
from storage.candles import LIVE_NAME, STREAM, bar_columns, bars_between
from storage.connection import Connection
from storage.database import Database, storage_errors, transaction

log = logging.getLogger("quarterdeck.market")

T = TypeVar("T")

PACKED = np.dtype("<f8")
"""Of the values of a row, one after the other."""

_READ = """SELECT time_ms, number, known_ms, packed FROM observations
WHERE stream = ? AND symbol = ? AND time_ms >= ? AND time_ms < ? ORDER BY time_ms, number"""
_ONE = """SELECT known_ms, packed FROM observations
WHERE stream = ? AND symbol = ? AND time_ms = ? AND number = ?"""
_INSERT = "INSERT INTO observations VALUES (?, ?, ?, ?, ?, ?, ?)"
_FUNDING = "SELECT time_ms, rate FROM funding_rates WHERE symbol = ? AND time_ms >= ? AND time_ms < ? ORDER BY time_ms"
_PRICES = """SELECT open_time_ms, open, high, low, close, 0 FROM price_candles
WHERE kind = ? AND symbol = ? AND interval_ms = ? AND open_time_ms >= ? AND open_time_ms < ? ORDER BY open_time_ms"""


def read_observations(
    connection: sqlite3.Connection, symbol: str, name: str, from_ms: int, to_ms: int
) -> tuple[ObservationColumns, list[int]]:
    """Those with from_ms <= time < to_ms (may be empty), and the ids of the sources that they came from. A bar that is
    not stored is told from shorter ones, where all of them are. Raises BadInputError for a stream that is none."""
    its = stream_of(name)
    kind, period_ms = kind_of(name)
    span = (symbol, from_ms, to_ms)
    if kind in OBSERVED_KINDS:
        found = _unpacked(symbol, its, connection.execute(_READ, (name, *span)).fetchall())
        return found, _sources(connection, "observations", "time_ms", "stream = ?", name, *span)
    if kind == FUNDING:
        rates = connection.execute(_FUNDING, span).fetchall()
        times = np.array([time_ms for time_ms, _ in rates], np.int64)
        known = np.array([funding_known_ms(time_ms) for time_ms, _ in rates], np.int64)
        values = np.array([float(rate) for _, rate in rates]).reshape(-1, 1)
        found = ObservationColumns(symbol, its.name, times, known, np.zeros(len(times), np.int64), values)
        return found, _sources(connection, "funding_rates", "time_ms", "1", *span)
    if kind == CANDLES:
        bars, intervals = bars_between(connection, symbol, period_ms, from_ms, to_ms)
        used = (_sources(connection, "candles", "open_time_ms", "interval_ms = ?", one, *span) for one in intervals)
        return _columns(symbol, its, bars.open_time_ms, _stacked(bars)), list(chain.from_iterable(used))
    bars = bar_columns(symbol, period_ms, connection.execute(_PRICES, (kind, symbol, period_ms, *span[1:])).fetchall())
    where = "kind = ? AND interval_ms = ?"
    sources = _sources(connection, "price_candles", "open_time_ms", where, kind, period_ms, *span)
    return _columns(symbol, its, bars.open_time_ms, _stacked(bars)[:, :4]), sources


def _sources(connection: sqlite3.Connection, table: str, time: str, where: str, *told: object) -> list[int]:
    sql = f"SELECT DISTINCT source_id FROM {table} WHERE {where} AND symbol = ? AND {time} >= ? AND {time} < ?"  # noqa: S608
    return sorted(source_id for (source_id,) in connection.execute(sql, told))


def _unpacked(symbol: str, its: Stream, rows: Sequence[tuple[int, int, int, bytes]]) -> ObservationColumns:
    told = np.array([row[:3] for row in rows], np.int64).reshape(-1, 3)
    width = len(its.fields)
    if any(len(row[3]) != width * PACKED.itemsize for row in rows):
        raise DataError(f"{symbol}: rows of {its.name} have other fields than {width}; delete and import them anew")
    values = np.frombuffer(b"".join(row[3] for row in rows), PACKED).astype(np.float64).reshape(-1, width)
    return ObservationColumns(symbol, its.name, told[:, 0].copy(), told[:, 2].copy(), told[:, 1].copy(), values)


def _columns(symbol: str, its: Stream, times: NDArray[np.int64], values: NDArray[np.float64]) -> ObservationColumns:
    return ObservationColumns(symbol, its.name, times, times + its.period_ms, np.zeros(len(times), np.int64), values)


def _stacked(bars: BarColumns) -> NDArray[np.float64]:
    return np.column_stack([bars.open, bars.high, bars.low, bars.close, bars.volume])


class SqliteObservations:
    """Implements core.ports.ObservationStore."""

    def __init__(self, database: Database, connection: Connection) -> None:
        self._path = database.path
        self._connection = connection

    @classmethod
    async def open(cls, database: Database, *, read_only: bool = False) -> SqliteObservations:
        """Raises StorageError. The caller closes."""
        return cls(database, await database.connect(durable=False, read_only=read_only))

    async def close(self) -> None:
        await self._connection.close()

    async def observations(self, symbol: str, stream: str, from_ms: int, to_ms: int) -> ObservationColumns:
        """As `read_observations` has them."""
        return await self._call(lambda connection: read_observations(connection, symbol, stream, from_ms, to_ms)[0])

    async def append(self, observations: Sequence[Observation]) -> None:
        """Store what came, all of it or nothing. One that is there already stays, and that another one was told is
        logged. Raises DataError for one that cannot be, or is of a stream that is kept elsewhere."""
        if observations:
            await self._call(lambda connection: _append(connection, observations))

    async def _call(self, function: Callable[[sqlite3.Connection], T]) -> T:
        with storage_errors(self._path):
            return await self._connection.call(function)


def _check(one: Observation) -> None:
    its = stream_of(one.stream)
    if kind_of(one.stream)[0] not in OBSERVED_KINDS:
        raise DataError(f"{one.symbol}: {one.stream} is stored as candles or funding, not as observations")
    if len(one.values) != len(its.fields) or not np.isfinite(one.values).all():
        raise DataError(f"{one.symbol}: {one.stream} of {iso(one.time_ms)} has not {len(its.fields)} numbers")
    if one.known_ms < one.time_ms + its.period_ms:
        raise DataError(f"{one.symbol}: {one.stream} of {iso(one.time_ms)} is known before it was over")


def _append(connection: sqlite3.Connection, observations: Sequence[Observation]) -> None:
    series = checked_series(observations)
    with transaction(connection):
        put_series(connection, LIVE_NAME, series)


Series = dict[tuple[str, str], list[Observation]]


def checked_series(observations: Sequence[Observation]) -> Series:
    """By symbol and stream. Raises DataError for one that cannot be, or is of a stream that is kept elsewhere."""
    series: Series = {}
    for one in observations:
        _check(one)
        series.setdefault((one.symbol, one.stream), []).append(one)
    return series


def put_series(connection: sqlite3.Connection, source: str, series: Series) -> dict[tuple[str, str], int]:
    """Those that are not stored yet, from a source of this name; how many of each were. Within a transaction."""
    added = {}
    for (symbol, name), its in series.items():
        news = list(
            {(one.time_ms, one.number): one for one in reversed(its) if not _is_stored(connection, one)}.values()
        )
        added[symbol, name] = len(news)
        if not news:
            continue
        times = [one.time_ms for one in news]
        told = (source, *_kind(name, symbol), min(times), max(times), len(news), max(times))
        source_id = connection.execute(STREAM, told).fetchone()[0]
        rows = [(name, symbol, one.time_ms, one.number, one.known_ms, packed(one.values), source_id) for one in news]
        connection.executemany(_INSERT, rows)
    return added


def _kind(name: str, symbol: str) -> tuple[str, str, int]:
    kind, period_ms = kind_of(name)
    return kind, symbol, period_ms


def packed(values: Sequence[float]) -> bytes:
    return np.array(values, PACKED).tobytes()


def _is_stored(connection: sqlite3.Connection, one: Observation) -> bool:
    key = (one.stream, one.symbol, one.time_ms, one.number)
    row = connection.execute(_ONE, key).fetchone()
    if row is None:
        return False
    stored = replace(one, known_ms=row[0], values=tuple(np.frombuffer(row[1], PACKED).tolist()))
    # What is asked for again is known anew, and was known before.
    if stored.values != one.values:
        log.warning("%s: the %s of %s was told again with other values; the first is kept: %s, then %s",
                    one.symbol, one.stream, iso(one.time_ms), stored.values, one.values)  # fmt: skip
    return True
