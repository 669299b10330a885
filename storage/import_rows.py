"""Rows of a file into the store, in short transactions: an engine that runs on the same database commits its journal
between two of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import DataError, RefusedError
from core.lab import OnProgress, Progress, ShouldStop
from core.market.importing import CandleFile, FundingFile
from core.market.tables import Origin
from storage.candles import CHUNK_ROWS, INSERT_CANDLE, SELECT_CANDLES
from storage.database import storage_errors, transaction

UNFINISHED = "import not finished: import the file again"
"""The note of a source until its last row is stored."""

Row = tuple[Any, ...]
"""Open time or time of settlement in milliseconds, then the values as they are stored."""

_PUT_SOURCE = """INSERT INTO sources
(name, sha256, kind, is_synthetic, symbol, interval_ms, first_ms, last_ms, rows, imported_ms, note)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET rows = excluded.rows, last_ms = excluded.last_ms, imported_ms = excluded.imported_ms,
    is_synthetic = excluded.is_synthetic OR (is_synthetic AND rows > 0), note = excluded.note
RETURNING source_id, is_synthetic"""
_SELECT_FUNDING = """SELECT time_ms, rate, mark_price FROM funding_rates
WHERE symbol = ? AND time_ms >= ? AND time_ms < ?"""


@dataclass(frozen=True, slots=True)
class Manner:
    """How an import treats who else is there: `rest` is called before each transaction, which holds the database's
    lock, and lets others have it."""

    rest: Callable[[], None]
    progress: OnProgress
    should_stop: ShouldStop


AT_ONCE = Manner(lambda: None, lambda _: None, lambda: False)
"""Where nobody else writes."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What a file holds for one table: `cut(start, stop)` has its rows of these places, oldest first."""

    origin: Origin
    kind: str
    symbol: str
    interval_ms: int
    times: NDArray[np.int64]
    cut: Callable[[int, int], list[Row]]
    key: tuple[Any, ...]
    select: str
    insert: str
    where: str
    note: str


def candle_rows(file: CandleFile) -> Rows:
    bars = file.bars
    columns = (bars.open_time_ms, bars.open, bars.high, bars.low, bars.close, bars.volume)
    return Rows(
        origin=file.origin,
        kind="candles",
        symbol=bars.symbol,
        interval_ms=bars.interval_ms,
        times=bars.open_time_ms,
        cut=lambda start, stop: list(zip(*(column[start:stop].tolist() for column in columns), strict=True)),
        key=(bars.symbol, bars.interval_ms),
        select=SELECT_CANDLES,
        insert=INSERT_CANDLE,
        where="candles WHERE symbol = ? AND interval_ms = ? AND open_time_ms",
        note="",
    )


def funding_rows(file: FundingFile) -> Rows:
    # repr is the shortest decimal that is this float: the figure as it was published.
    rates = [repr(rate) for rate in file.rates.tolist()]
    marks = [None] * len(rates) if file.marks_usdt is None else [repr(mark) for mark in file.marks_usdt.tolist()]
    rows: list[Row] = list(zip(file.time_ms.tolist(), rates, marks, strict=True))
    return Rows(
        origin=file.origin,
        kind="funding",
        symbol=file.symbol,
        interval_ms=file.interval_ms,
        times=file.time_ms,
        cut=lambda start, stop: rows[start:stop],
        key=(file.symbol,),
        select=_SELECT_FUNDING,
        insert="INSERT INTO funding_rates VALUES (?, ?, ?, ?, ?)",
        where="funding_rates WHERE symbol = ? AND time_ms",
        note="no mark price in the file: the bar's own price is used" if file.marks_usdt is None else "",
    )


def store(
    connection: sqlite3.Connection, path: Path, rows: Rows, *, synthetic: bool, now_ms: int, manner: Manner
) -> tuple[int, bool]:
    """How many rows were new, and whether the source is marked as synthetic. `path` is the database's.

    What contradicts the store is found before anything is written; where it got there meanwhile, what was written is
    taken out again, and DataError tells it. An import that ended early left a source that is marked UNFINISHED and
    rows from the file's beginning: the next one goes through the file again and adds the others. Raises RefusedError
    where it was asked to stop, StorageError.
    """
    total = len(rows.times)
    chunks = [(start, min(start + CHUNK_ROWS, total)) for start in range(0, total, CHUNK_ROWS)]
    for start, stop in chunks:
        _new_rows(connection, rows, start, stop)
    added, marked = 0, synthetic
    for start, stop in chunks:
        left = f"{start:,} of {total:,} rows of {rows.origin.name} are stored; import it again to go on"
        if manner.should_stop():
            raise RefusedError(f"stopped: {left}")
        manner.progress(Progress(start, total, "rows", rows.origin.name))
        manner.rest()
        try:
            with storage_errors(path, left), transaction(connection):
                news = _new_rows(connection, rows, start, stop)
                note = rows.note if stop == total else UNFINISHED
                source_id, marked = _put_source(connection, rows, stop, synthetic, now_ms, note)
                connection.executemany(rows.insert, ((*rows.key, *row, source_id) for row in news))
        except DataError:
            _take_out(connection, path, rows, chunks, now_ms, manner)
            raise
        added += len(news)
    manner.progress(Progress(total, total, "rows", rows.origin.name))
    return added, marked


def _new_rows(connection: sqlite3.Connection, rows: Rows, start: int, stop: int) -> list[Row]:
    """Those of the places start to stop that are not stored. Raises DataError where one is, with other values."""
    span = (int(rows.times[start]), int(rows.times[stop - 1]) + 1)
    stored = {time_ms: values for time_ms, *values in connection.execute(rows.select, (*rows.key, *span))}
    told = rows.cut(start, stop)
    if not stored:
        return told
    for index, (time_ms, *values) in enumerate(told, start):
        if stored.get(time_ms, values) != values:
            raise _conflict(connection, rows, index)
    return [row for row in told if row[0] not in stored]


def _put_source(
    connection: sqlite3.Connection, rows: Rows, count: int, synthetic: bool, now_ms: int, note: str
) -> tuple[int, bool]:
    """Its id and whether it is synthetic, which it stays once it has rows. `count` of the file's rows are stored."""
    first_ms, last_ms = int(rows.times[0]), int(rows.times[max(count - 1, 0)])
    whose = (rows.origin.name, rows.origin.sha256, rows.kind, synthetic, rows.symbol, rows.interval_ms)
    put = (*whose, first_ms, last_ms, count, now_ms, note)
    source_id, marked = connection.execute(_PUT_SOURCE, put).fetchone()
    return source_id, bool(marked)


def _take_out(
    connection: sqlite3.Connection,
    path: Path,
    rows: Rows,
    chunks: list[tuple[int, int]],
    now_ms: int,
    manner: Manner,
) -> None:
    """The source stays without rows: to delete it, SQLite would look through all candles for one of it."""
    left = f"rows of {rows.origin.name} are stored, which another source contradicts"
    for start, stop in reversed(chunks):
        manner.rest()
        with storage_errors(path, left), transaction(connection):
            source_id, _ = _put_source(connection, rows, start, False, now_ms, UNFINISHED)
            connection.execute(
                f"DELETE FROM {rows.where} BETWEEN ? AND ? AND source_id = ?",  # noqa: S608
                (*rows.key, int(rows.times[start]), int(rows.times[stop - 1]), source_id),
            )


def _conflict(connection: sqlite3.Connection, rows: Rows, index: int) -> DataError:
    time_ms = int(rows.times[index])
    name = connection.execute(
        f"SELECT name FROM sources WHERE source_id = (SELECT source_id FROM {rows.where} = ?)",  # noqa: S608
        (*rows.key, time_ms),
    ).fetchone()[0]
    mend = "find out which source is right; nothing was imported"
    return rows.origin.error(index, f"the row of {time_ms} is stored with other values from {name}", mend)
