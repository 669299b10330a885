"""Stored market data that the operator wants to be rid of."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

from core.domain.errors import DataError, RefusedError
from core.domain.progress import AT_ONCE, Manner, Progress
from core.market.intervals import interval_text
from core.market.stored import Deleted
from core.market.streams import OBSERVED_KINDS, stream_name
from storage.candles import CHUNK_ROWS
from storage.collected import unlisten
from storage.column_cache import forget_columns
from storage.database import Database, storage_errors, transaction
from storage.file_rows import SERIES, key_of
from storage.history import CACHE_FOLDER
from storage.import_rows import count_off, mark_changed

_ALWAYS = (0, 1 << 62)


def delete_data(
    database: Database,
    symbol: str,
    *,
    from_ms: int | None = None,
    to_ms: int | None = None,
    interval_ms: int | None = None,
    kind: str | None = None,
    manner: Manner = AT_ONCE,
) -> list[Deleted]:
    """Take out what is stored of a symbol with from_ms <= time < to_ms, of one interval or kind where that is given, in
    short transactions; funding has no interval. Its files can be imported again.

    Raises DataError where there is nothing, RefusedError where it was asked to stop (what is left stays), StorageError.
    """
    span = (_ALWAYS[0] if from_ms is None else from_ms, _ALWAYS[1] if to_ms is None else to_ms)
    with storage_errors(database.path), closing(database.connect_sync(durable=False)) as connection:
        series = list(_series(connection, symbol, interval_ms, kind))
        is_known = bool(series) or any(_series(connection, symbol, None, None))
        found = [_delete(connection, symbol, *one, span, manner) for one in series]
    folder = database.path.parent / CACHE_FOLDER
    for its_kind, its_interval in series:
        if its_kind == "candles":
            forget_columns(folder, symbol, its_interval)
    if gone := [one for one in found if one is not None]:
        return gone
    what = " of that period, interval or kind" if is_known else ""
    raise DataError(f"{symbol}: nothing is stored of it{what}; quarterdeck data list shows what is")


def _series(
    connection: sqlite3.Connection, symbol: str, interval_ms: int | None, kind: str | None
) -> Iterator[tuple[str, int]]:
    """Kinds and intervals of which sources tell."""
    rows = connection.execute(
        "SELECT kind, interval_ms FROM sources WHERE symbol = ? GROUP BY kind, interval_ms ORDER BY 1, 2", (symbol,)
    ).fetchall()
    is_funding_seen = False
    for its_kind, its_interval in rows:
        has_interval = its_kind != "funding"
        if kind not in (None, its_kind) or (interval_ms is not None and has_interval and interval_ms != its_interval):
            continue
        if not has_interval and (is_funding_seen or (interval_ms is not None and kind is None)):
            continue
        is_funding_seen |= not has_interval
        yield its_kind, its_interval


def _delete(
    connection: sqlite3.Connection, symbol: str, kind: str, interval_ms: int, span: tuple[int, int], manner: Manner
) -> Deleted | None:
    series, key = SERIES[kind], key_of(kind, symbol, interval_ms)
    its_interval = None if kind == "funding" else interval_ms
    within = f"{series.where} >= ? AND {series.time} < ?"
    find = f"SELECT {series.time}, source_id FROM {within} ORDER BY {series.time} LIMIT ?"  # noqa: S608
    first_ms = last_ms = None
    count = 0
    while True:
        if manner.should_stop():
            raise RefusedError(f"stopped: {count:,} rows of {symbol} {kind} are deleted; ask again to delete the rest")
        manner.progress(Progress(count, 0, "rows", f"{symbol} {kind}"))
        manner.rest()
        with transaction(connection):
            rows = connection.execute(find, (*key, *span, CHUNK_ROWS)).fetchall()
            if not rows:
                break
            here = (rows[0][0], rows[-1][0])
            if series.also:
                # Others of the last millisecond go with it.
                again = f"SELECT {series.time}, source_id FROM {series.where} BETWEEN ? AND ?"  # noqa: S608
                rows = connection.execute(again, (*key, *here)).fetchall()
            connection.execute(f"DELETE FROM {series.where} BETWEEN ? AND ?", (*key, *here))  # noqa: S608
            count_off(connection, (source_id for _, source_id in rows))
            if kind in OBSERVED_KINDS:
                unlisten(connection, symbol, stream_name(kind, interval_ms), here[0], here[1] + 1)
            mark_changed(connection, kind, symbol, its_interval, here)
        first_ms, last_ms, count = first_ms or here[0], here[1], count + len(rows)
    with transaction(connection):
        # Nothing is left of these, also where another source had told the same rows first.
        connection.execute(
            "UPDATE sources SET rows = 0 WHERE kind = ? AND symbol = ? AND (? IS NULL OR interval_ms = ?) "
            "AND first_ms >= ? AND last_ms < ?",
            (kind, symbol, its_interval, its_interval, *span),
        )
    if first_ms is None or last_ms is None:
        return None
    return Deleted(symbol, kind, interval_text(interval_ms), first_ms, last_ms, count)
