"""Stored candles and funding as the history that a backtest runs over."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from itertools import product

from core.domain.errors import DataError
from core.lab.data.history import MAX_HOLE_MS, History, align
from core.market.intervals import interval_text
from core.market.settlements import Times, missing_in, pays_funding
from core.market.stored import Series
from core.market.streams import stream
from core.ports import BarColumns
from storage.candles import UNFINISHED, read_funding, settlements
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
    """By symbol, in order of the symbols. Raises StorageError."""
    return {series.symbol: series for series in all_series(database) if series.interval_ms == interval_ms}


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
            stored = stored_columns(connection, folder, symbol, interval_ms)
            bars.append(_cut(stored, symbol, interval_ms, from_ms, to_ms, from_ms - warm_up_bars * interval_ms))
            begin_ms, end_ms = (int(bars[-1].open_time_ms[i]) for i in (0, -1))
            sources += [source for source, first, last in stored.sources if first <= end_ms and last >= begin_ms]
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


def _cut(stored: StoredColumns, symbol: str, interval_ms: int, from_ms: int, to_ms: int, warm_up_ms: int) -> BarColumns:
    """The bars that open in [warm_up_ms, to_ms)."""
    times = stored.open_time_ms
    if not len(times):
        raise DataError(
            f"no {interval_text(interval_ms)} candles of {symbol} are stored; "
            "import some with: quarterdeck data import FILE"
        )
    begin, first, stop = (int(i) for i in times.searchsorted((warm_up_ms, from_ms, to_ms)))
    if first >= stop:
        span = f"{_moment(int(times[0]))} to {_moment(int(times[-1]) + interval_ms)}"
        raise DataError(f"{symbol}: no candle in the period; stored are {span} UTC; choose --from and --to within")
    return BarColumns(symbol, interval_ms, times[begin:stop], *stored.values[:, begin:stop])


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
