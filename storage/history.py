"""Stored candles and funding as the history that a backtest runs over."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from itertools import product
from pathlib import Path

from core.domain.errors import DataError
from core.lab.data.history import MAX_HOLE_MS, History, align
from core.market.higher_bars import completed
from core.market.intervals import interval_text
from core.market.settlements import Times, missing_in, pays_funding
from core.market.stored import Series, both, longer
from core.market.streams import stream
from core.ports import BarColumns
from storage.candles import UNFINISHED, read_funding, settlements, shorter_intervals, span_of
from storage.column_cache import StoredColumns, stored_columns
from storage.database import Database, connect_read_only, storage_errors
from storage.observations import read_observations

CACHE_FOLDER = "cache"
"""Beside the database."""

_NAMED_SOURCES = 3
_SERIES = """SELECT symbol, interval_ms, max(is_synthetic),
    (SELECT min(open_time_ms) FROM candles AS c WHERE c.symbol = s.symbol AND c.interval_ms = s.interval_ms),
    (SELECT max(open_time_ms) FROM candles AS c WHERE c.symbol = s.symbol AND c.interval_ms = s.interval_ms)
FROM sources AS s WHERE kind = 'candles' AND rows > 0 GROUP BY symbol, interval_ms ORDER BY symbol, interval_ms"""
_FUNDING_SOURCES = """SELECT source_id FROM funding_rates
WHERE symbol = :symbol AND time_ms >= :from AND time_ms < :to
UNION SELECT (SELECT source_id FROM price_candles WHERE kind = 'mark' AND symbol = :symbol
    AND open_time_ms = time_ms - time_ms % 60000 ORDER BY interval_ms LIMIT 1) AS source_id
FROM funding_rates WHERE symbol = :symbol AND time_ms >= :from AND time_ms < :to AND mark_price IS NULL
ORDER BY source_id"""
"""Of the rates, and of the mark prices that they are taken at."""

_BESIDE = 4
"""So many settlements beside a period tell how far apart they are at its ends."""


def all_series(database: Database) -> list[Series]:
    """In order of symbols and intervals. Raises StorageError."""
    with storage_errors(database.path), closing(connect_read_only(database.path)) as connection:
        return [
            Series(symbol, interval_ms, first, last + interval_ms, bool(synthetic))
            for symbol, interval_ms, synthetic, first, last in connection.execute(_SERIES)
            if first is not None
        ]


def stored_series(database: Database, interval_ms: int) -> dict[str, Series]:
    """What a run on bars of `interval_ms` has, by symbol, in order of the symbols: those that are stored, and those
    that shorter ones come to. Raises StorageError."""
    found: dict[str, Series] = {}
    for series in all_series(database):
        its = longer(series, interval_ms)
        if its is not None:
            known = found.get(its.symbol)
            found[its.symbol] = its if known is None else both(known, its)
    return found


def prepare_history(database: Database, symbol: str, interval_ms: int) -> None:
    """Bring the cache of a symbol up to date, so that the next `load_history` is quick. Raises StorageError."""
    folder = database.path.parent / CACHE_FOLDER
    with storage_errors(database.path), closing(connect_read_only(database.path)) as connection:
        connection.execute("BEGIN")
        stored_columns(connection, folder, symbol, interval_ms)


def load_history(
    database: Database,
    symbols: Sequence[str],
    interval_ms: int,
    from_ms: int,
    to_ms: int,
    warm_up_bars: int,
    max_hole_ms: int = MAX_HOLE_MS,
    streams: Sequence[str] = (),
) -> History:
    """The bars that open in [from_ms, to_ms), with up to `warm_up_bars` slots before them, their funding, and of each
    symbol what was known of `streams` then.

    Its source names the files that the bars and rates came from; it is synthetic where any of them is. Raises
    DataError where a symbol has no bar in the period, StorageError where the database or the cache fails.
    """
    folder = database.path.parent / CACHE_FOLDER
    with storage_errors(database.path), closing(connect_read_only(database.path)) as connection:
        connection.execute("BEGIN")
        bars, funding, sources = [], [], list[int]()
        for symbol in symbols:
            its_bars, its_sources = _bars(connection, folder, symbol, interval_ms, from_ms, to_ms, warm_up_bars)
            bars.append(its_bars)
            sources += its_sources
        end_ms = max(int(item.open_time_ms[-1]) for item in bars) + interval_ms
        unsettled: list[tuple[str, int, int]] = []
        for symbol, its_bars in zip(symbols, bars, strict=True):
            funding += read_funding(connection, symbol, interval_ms, from_ms, end_ms)
            last_ms = int(its_bars.open_time_ms[-1]) + interval_ms
            missing = missing_in(*_settlements(connection, symbol, from_ms, end_ms), from_ms, last_ms)
            unsettled += [(symbol, time_ms, every_ms) for time_ms, every_ms in missing if pays_funding(symbol)]
            told = connection.execute(_FUNDING_SOURCES, {"symbol": symbol, "from": from_ms, "to": end_ms})
            sources += [row[0] for row in told if row[0] is not None]
        observations = []
        begin_ms = min(int(item.open_time_ms[0]) for item in bars)
        for symbol, its in product(symbols, map(stream, streams)):
            # The same rows count whatever is stored beside them, and no source of others is named.
            span = (begin_ms - its.max_age_ms + 1, end_ms - its.period_ms + 1)
            columns, its_sources = read_observations(connection, symbol, its.name, *span)
            observations.append(columns)
            sources += its_sources
        source, is_synthetic = _told(connection, sources)
    return align(bars, from_ms, funding, source, is_synthetic, max_hole_ms, unsettled, observations)


def _bars(
    connection: sqlite3.Connection,
    folder: Path,
    symbol: str,
    interval_ms: int,
    from_ms: int,
    to_ms: int,
    warm_up_bars: int,
) -> tuple[BarColumns, list[int]]:
    """The bars that open in [from_ms, to_ms) with up to so many slots before them, and the sources of all that took
    part in them. Raises DataError where the period has none."""
    stored: dict[int, StoredColumns] = {}

    def read(one_ms: int, begin_ms: int, end_ms: int) -> BarColumns:
        stored[one_ms] = its = stored_columns(connection, folder, symbol, one_ms)
        part = slice(*its.open_time_ms.searchsorted((begin_ms, end_ms)))
        return BarColumns(symbol, one_ms, its.open_time_ms[part], *its.values[:, part])

    shorter = shorter_intervals(connection, symbol, interval_ms)
    bars, used = completed(read, interval_ms, shorter, from_ms - warm_up_bars * interval_ms, to_ms)
    if not len(bars.open_time_ms) or bars.open_time_ms[-1] < from_ms:
        raise _nothing(connection, symbol, interval_ms)
    begin_ms, end_ms = int(bars.open_time_ms[0]), int(bars.open_time_ms[-1]) + interval_ms
    told = (source for one_ms in used for source in stored[one_ms].sources)
    return bars, [source for source, first, last in told if first < end_ms and last >= begin_ms]


def _nothing(connection: sqlite3.Connection, symbol: str, interval_ms: int) -> DataError:
    span = span_of(connection, symbol, interval_ms)
    if span is None:
        return DataError(
            f"no {interval_text(interval_ms)} candles of {symbol} are stored; "
            "import some with: quarterdeck data import FILE"
        )
    there = " to ".join(map(_moment, span))
    return DataError(f"{symbol}: no candle in the period; stored are {there} UTC; choose --from and --to within")


def _settlements(connection: sqlite3.Connection, symbol: str, from_ms: int, to_ms: int) -> tuple[Times, Times]:
    """Times of the stored rates in the period, with some before and after that tell the interval, and what interval the
    source of each has."""
    times, listed_ms = settlements(connection, symbol)
    first, stop = (int(i) for i in times.searchsorted((from_ms, to_ms)))
    near = slice(max(0, first - _BESIDE), stop + _BESIDE)
    return times[near], listed_ms[near]


def _moment(time_ms: int) -> str:
    from core.home.logbook import iso_utc

    return iso_utc(time_ms)[:16]


def _told(connection: sqlite3.Connection, sources: Sequence[int]) -> tuple[str, bool]:
    """The names of the sources in order, and whether any is synthetic."""
    known = {
        source_id: (f"{name} (not all of it)" if note == UNFINISHED else name, bool(synthetic))
        for source_id, name, synthetic, note in connection.execute(
            "SELECT source_id, name, is_synthetic, note FROM sources"
        )
    }
    used = [known[source_id] for source_id in dict.fromkeys(sources)]
    names = list(dict.fromkeys(name for name, _ in used))
    more = f" and {len(names) - _NAMED_SOURCES} more" if len(names) > _NAMED_SOURCES else ""
    return ", ".join(names[:_NAMED_SOURCES]) + more, any(synthetic for _, synthetic in used)
