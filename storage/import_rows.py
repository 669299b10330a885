"""Rows of a file into the store, in short transactions: an engine that runs on the same database commits its journal
between two of them."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from core.domain.errors import DataError, RefusedError
from core.domain.progress import Manner, Progress
from storage.candles import CHUNK_ROWS, UNFINISHED
from storage.database import storage_errors, transaction
from storage.file_rows import Row, Rows

CHANGED = "not all of its rows are stored any more"
"""In the note of a source of which rows were deleted or replaced."""

_PUT_SOURCE = """INSERT INTO sources
(name, sha256, kind, is_synthetic, symbol, interval_ms, first_ms, last_ms, rows, imported_ms, note)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET rows = excluded.rows, last_ms = excluded.last_ms, imported_ms = excluded.imported_ms,
    is_synthetic = excluded.is_synthetic OR (is_synthetic AND rows > 0), note = excluded.note
RETURNING source_id, is_synthetic"""
_CHANGED = """UPDATE sources SET note = CASE note WHEN '' THEN :changed ELSE note || '; ' || :changed END
WHERE kind = :kind AND symbol = :symbol AND (:interval IS NULL OR interval_ms = :interval)
    AND first_ms <= :last AND last_ms >= :first AND source_id != :but
    AND note != :unfinished AND instr(note, :changed) = 0"""


@dataclass(frozen=True, slots=True)
class Wish:
    """`synthetic` marks rows as made up, `replace` lets the file's values stand in place of others that are stored."""

    synthetic: bool = False
    replace: bool = False


@dataclass(slots=True)
class Stored:
    """What became of a file's rows: `added` were new, `replaced` had other values, `corrected` was the last candle of
    another file and not finished there, `kept` is the file's own last one, which is finished in the store. `doubted`
    are sources that are marked as made up, too, because they have the same rows."""

    added: int = 0
    corrected: int = 0
    replaced: int = 0
    kept: int = 0
    is_synthetic: bool = False
    doubted: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Owner:
    name: str
    is_synthetic: bool
    may_end_unfinished: bool
    came_live: bool
    last_ms: int


@dataclass(slots=True)
class _Changes:
    """What a chunk would change: rows that are new, and rows in place of `before`, which end in their source."""

    news: list[Row] = field(default_factory=list)
    over: list[Row] = field(default_factory=list)
    before: list[Row] = field(default_factory=list)
    told: Stored = field(default_factory=Stored)


def store(connection: sqlite3.Connection, path: Path, rows: Rows, wish: Wish, *, now_ms: int, manner: Manner) -> Stored:
    """`path` is the database's.

    What contradicts the store is found before anything is written; where it got there meanwhile, what was written is
    taken out again, and DataError tells it. An import that ended early left a source that is marked UNFINISHED and
    rows from the file's beginning: the next one goes through the file again and adds the others. Raises RefusedError
    where it was asked to stop, StorageError.
    """
    total = len(rows.times)
    chunks = [(start, min(start + CHUNK_ROWS, total)) for start in range(0, total, CHUNK_ROWS)]
    for start, stop in chunks:
        _changes(connection, rows, start, stop, wish)
    done, before = Stored(is_synthetic=wish.synthetic), list[Row]()
    for start, stop in chunks:
        left = f"{start:,} of {total:,} rows of {rows.origin.name} are stored; import it again to go on"
        if manner.should_stop():
            raise RefusedError(f"stopped: {left}")
        manner.progress(Progress(start, total, "rows", rows.origin.name))
        manner.rest()
        try:
            with storage_errors(path, left), transaction(connection):
                changes = _changes(connection, rows, start, stop, wish)
                note = rows.note if stop == total else UNFINISHED
                source_id, done.is_synthetic = _put_source(connection, rows, stop, wish.synthetic, now_ms, note)
                connection.executemany(rows.insert, ((*rows.key, *row, source_id) for row in changes.news))
                connection.executemany(rows.put, ((*rows.key, *row, source_id) for row in changes.over))
                if changes.told.replaced:
                    _mark_replaced(connection, rows, changes.before, source_id)
                if stop == total:
                    _mark_synthetic(connection, done.doubted | changes.told.doubted)
        except DataError:
            _take_out(connection, path, rows, chunks, before, now_ms, manner)
            raise
        before += changes.before
        _count(done, changes)
    manner.progress(Progress(total, total, "rows", rows.origin.name))
    return done


def mark_changed(
    connection: sqlite3.Connection,
    kind: str,
    symbol: str,
    interval_ms: int | None,
    span: tuple[int, int],
    but: int = 0,
) -> None:
    """Those whose files hold times of the span (both ends included), but the source `but`: the same file may be
    imported anew. Within a transaction."""
    told = {"kind": kind, "symbol": symbol, "interval": interval_ms, "first": span[0], "last": span[1]}
    connection.execute(_CHANGED, {**told, "but": but, "changed": CHANGED, "unfinished": UNFINISHED})


def count_off(connection: sqlite3.Connection, source_ids: Iterable[int]) -> None:
    """One row less for each time that a source is named. Within a transaction."""
    connection.executemany(
        "UPDATE sources SET rows = max(0, rows - ?) WHERE source_id = ?",
        ((number, source_id) for source_id, number in Counter(source_ids).items()),
    )


def _mark_replaced(connection: sqlite3.Connection, rows: Rows, before: list[Row], source_id: int) -> None:
    count_off(connection, (row[-1] for row in before if row[-1] != source_id))
    mark_changed(connection, rows.kind, rows.symbol, rows.interval_ms, (before[0][0], before[-1][0]), source_id)


def _count(done: Stored, changes: _Changes) -> None:
    done.added += len(changes.news)
    done.corrected += changes.told.corrected
    done.replaced += changes.told.replaced
    done.kept += changes.told.kept
    done.doubted |= changes.told.doubted


def _changes(connection: sqlite3.Connection, rows: Rows, start: int, stop: int, wish: Wish) -> _Changes:
    """By the rows of the places start to stop. Raises DataError where one is stored with other values that stay."""
    span = (int(rows.times[start]), int(rows.times[stop - 1]) + 1)
    stored = {rows.name_of(row): row for row in connection.execute(rows.select, (*rows.key, *span))}
    told = rows.cut(start, stop)
    if not stored:
        return _Changes(news=told)
    owners = {source_id: _owner(connection, source_id) for source_id in {row[-1] for row in stored.values()}}
    found = _Changes()
    for index, row in enumerate(told, start):
        known = stored.get(rows.name_of(row))
        if known is None:
            found.news.append(row)
        elif known[:-1] == row or (owners[known[-1]].came_live and rows.is_told(known[:-1], row)):
            if wish.synthetic and not owners[known[-1]].is_synthetic:
                found.told.doubted.add(known[-1])
        else:
            _differs(rows, index, known, row, owners[known[-1]], wish, found)
    return found


def _differs(rows: Rows, index: int, known: Row, row: Row, owner: _Owner, wish: Wish, found: _Changes) -> None:
    if wish.replace:
        found.told.replaced += 1
    elif owner.may_end_unfinished and owner.last_ms == row[0] and rows.goes_on(known[1:-1], row[1:]):
        found.told.corrected += 1
    elif index == len(rows.times) - 1 and rows.goes_on(row[1:], known[1:-1]):
        found.told.kept += 1
        return
    else:
        mend = "find out which source is right, --replace puts these values in place; nothing was imported"
        raise rows.origin.error(index, f"the row of {row[0]} is stored with other values from {owner.name}", mend)
    found.over.append(row)
    found.before.append(known)


def _owner(connection: sqlite3.Connection, source_id: int) -> _Owner:
    """What arrived live is finished, and so is the last row that an import came to."""
    name, sha256, synthetic, last_ms, note = connection.execute(
        "SELECT name, sha256, is_synthetic, last_ms, note FROM sources WHERE source_id = ?", (source_id,)
    ).fetchone()
    return _Owner(name, bool(synthetic), bool(sha256) and note != UNFINISHED, not sha256, last_ms)


def _put_source(
    connection: sqlite3.Connection, rows: Rows, count: int, synthetic: bool, now_ms: int, note: str
) -> tuple[int, bool]:
    """Its id and whether it is synthetic, which it stays once it has rows. `count` of the file's rows are stored."""
    first_ms, last_ms = int(rows.times[0]), int(rows.times[max(count - 1, 0)])
    whose = (rows.origin.name, rows.origin.sha256, rows.kind, synthetic, rows.symbol, rows.interval_ms)
    put = (*whose, first_ms, last_ms, count, now_ms, note)
    source_id, marked = connection.execute(_PUT_SOURCE, put).fetchone()
    return source_id, bool(marked)


def _mark_synthetic(connection: sqlite3.Connection, source_ids: set[int]) -> None:
    connection.executemany("UPDATE sources SET is_synthetic = 1 WHERE source_id = ?", ((one,) for one in source_ids))


def _take_out(
    connection: sqlite3.Connection,
    path: Path,
    rows: Rows,
    chunks: list[tuple[int, int]],
    before: list[Row],
    now_ms: int,
    manner: Manner,
) -> None:
    """The source stays without rows: to delete it, SQLite would look through all candles for one of it. What stood
    in the place of a row is put back."""
    left = f"rows of {rows.origin.name} are stored, which another source contradicts"
    for start, stop in reversed(chunks):
        manner.rest()
        span = (int(rows.times[start]), int(rows.times[stop - 1]))
        with storage_errors(path, left), transaction(connection):
            source_id, _ = _put_source(connection, rows, start, False, now_ms, UNFINISHED)
            connection.execute(
                f"DELETE FROM {rows.where} BETWEEN ? AND ? AND source_id = ?",  # noqa: S608
                (*rows.key, *span, source_id),
            )
            back = ((*rows.key, *row) for row in before if span[0] <= row[0] <= span[1])
            connection.executemany(rows.put, back)
