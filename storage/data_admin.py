"""What the operator does with stored market data: import, list, check."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.domain.errors import DataError
from core.market.checking import DataProblem, bar_problems, gaps
from core.market.importing import CandleFile, FundingFile, Origin, file_sha256, read_market_file
from core.market.intervals import INTERVALS_MS, interval_text
from core.ports import BarColumns
from storage.candles import CHUNK_ROWS, INSERT_CANDLE, SELECT_CANDLES, bar_columns
from storage.database import Database, connect_read_only, storage_errors, transaction

_INSERT_SOURCE = """INSERT INTO sources
(name, sha256, kind, is_synthetic, symbol, interval_ms, first_ms, last_ms, rows, imported_ms, note)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """`rows` are the file's; `added` were new; the others were stored with the same values."""

    file: str
    kind: str
    symbol: str
    interval: str
    is_synthetic: bool
    first_ms: int
    last_ms: int
    rows: int
    added: int
    sha256: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class DataRow:
    """What is stored of one symbol and interval from one source. Times are of the first and last row."""

    symbol: str
    kind: str
    interval: str
    first_ms: int
    last_ms: int
    rows: int
    source: str
    is_synthetic: bool
    sha256: str
    imported_ms: int
    note: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def import_file(
    database: Database,
    path: Path,
    *,
    symbol: str | None = None,
    interval: str | None = None,
    synthetic: bool = False,
    now_ms: int,
) -> ImportReport:
    """Store a candle or funding file, all of it or nothing. A file that was imported already changes nothing.

    Raises DataError when the file is bad or contradicts what is stored, StorageError when the database fails.
    """
    with storage_errors(database.path), closing(database.connect_sync(durable=False)) as connection:
        known = _known(connection, file_sha256(path), symbol, interval)
        if known is not None:
            return known
        market_file = read_market_file(path, symbol=symbol, interval=interval)
        with transaction(connection):
            if isinstance(market_file, CandleFile):
                return _store_candles(connection, market_file, synthetic, now_ms)
            return _store_funding(connection, market_file, synthetic, now_ms)


def import_recorded_market(database: Database, data_dir: Path, now_ms: int) -> list[ImportReport]:
    """Store the recorded market that comes with the program (candles/ and funding/ under `data_dir`)."""
    files = [*sorted(data_dir.glob("candles/*.parquet")), *sorted(data_dir.glob("funding/*.parquet"))]
    if not files:
        raise DataError(f"{data_dir}: holds no candles/*.parquet; reinstall quarterdeck or name another folder")
    return [import_file(database, path, now_ms=now_ms) for path in files]


def list_data(database: Database) -> list[DataRow]:
    """By symbol, kind, interval and source. Raises StorageError."""
    sql = """SELECT symbol, kind, interval_ms, stored.first_ms, stored.last_ms, stored.rows, name, is_synthetic, sha256,
        imported_ms, note FROM sources JOIN (
            SELECT source_id, min(open_time_ms) AS first_ms, max(open_time_ms) AS last_ms, count(*) AS rows
            FROM candles GROUP BY source_id
            UNION ALL
            SELECT source_id, min(time_ms), max(time_ms), count(*) FROM funding_rates GROUP BY source_id
        ) AS stored USING (source_id) ORDER BY symbol, kind, interval_ms, stored.first_ms, source_id"""
    with storage_errors(database.path), closing(connect_read_only(database.path)) as connection:
        return [
            DataRow(name, kind, interval_text(interval), first, last, rows, source, bool(synthetic), *rest)
            for name, kind, interval, first, last, rows, source, synthetic, *rest in connection.execute(sql)
        ]


def check_data(database: Database) -> list[DataProblem]:
    """Every finding over all stored candles and funding, by symbol and time. Raises StorageError."""
    found: list[DataProblem] = []
    with storage_errors(database.path), closing(connect_read_only(database.path)) as connection:
        series = connection.execute("SELECT DISTINCT symbol, interval_ms FROM candles ORDER BY 1, 2").fetchall()
        for symbol, interval_ms in series:
            found += bar_problems(_stored(connection, symbol, interval_ms))
        funded = connection.execute(
            "SELECT symbol, max(interval_ms) FROM sources WHERE kind = 'funding' GROUP BY symbol ORDER BY symbol"
        ).fetchall()
        for symbol, interval_ms in funded:
            sql = "SELECT time_ms FROM funding_rates WHERE symbol = ? ORDER BY time_ms"
            times = np.array([row[0] for row in connection.execute(sql, (symbol,))], dtype=np.int64)
            found += gaps(symbol, times, interval_ms)
    return found


def _known(
    connection: sqlite3.Connection, sha256: str, symbol: str | None, interval: str | None
) -> ImportReport | None:
    """The report of an earlier import of the same bytes, unless symbol or interval are given and differ."""
    rows = connection.execute(
        "SELECT name, kind, symbol, interval_ms, is_synthetic, first_ms, last_ms, rows FROM sources WHERE sha256 = ?",
        (sha256,),
    )
    for name, kind, its_symbol, interval_ms, synthetic, first, last, count in rows:
        if symbol in (None, its_symbol) and (interval is None or INTERVALS_MS.get(interval) == interval_ms):
            text = interval_text(interval_ms)
            return ImportReport(name, kind, its_symbol, text, bool(synthetic), first, last, count, 0, sha256)
    return None


def _stored(
    connection: sqlite3.Connection, symbol: str, interval_ms: int, span: tuple[int, int] = (0, 2**62)
) -> BarColumns:
    rows = connection.execute(SELECT_CANDLES, (symbol, interval_ms, *span)).fetchall()
    return bar_columns(symbol, interval_ms, rows)


def _store_candles(connection: sqlite3.Connection, file: CandleFile, synthetic: bool, now_ms: int) -> ImportReport:
    bars = file.bars
    times = bars.open_time_ms
    stored = _stored(connection, bars.symbol, bars.interval_ms, (int(times[0]), int(times[-1]) + 1))
    _, ours, theirs = np.intersect1d(times, stored.open_time_ms, assume_unique=True, return_indices=True)
    differs = np.zeros(len(ours), dtype=np.bool_)
    for name in ("open", "high", "low", "close", "volume"):
        differs |= getattr(bars, name)[ours] != getattr(stored, name)[theirs]
    if differs.any():
        index = int(ours[np.argmax(differs)])
        sql = "SELECT source_id FROM candles WHERE symbol = ? AND interval_ms = ? AND open_time_ms = ?"
        raise _conflict(connection, file.origin, index, sql, (bars.symbol, bars.interval_ms, int(times[index])))
    new = np.ones(len(times), dtype=np.bool_)
    new[ours] = False
    report = _report(file.origin, "candles", bars.symbol, bars.interval_ms, synthetic, times, int(new.sum()))
    source_id = _add_source(connection, report, now_ms, note="")
    columns = (times, bars.open, bars.high, bars.low, bars.close, bars.volume)
    chosen = np.flatnonzero(new)
    # In chunks, because a year of minutes as Python numbers is a hundred megabytes.
    for start in range(0, len(chosen), CHUNK_ROWS):
        chunk = chosen[start : start + CHUNK_ROWS]
        rows = zip(*(column[chunk].tolist() for column in columns), strict=True)
        connection.executemany(INSERT_CANDLE, ((bars.symbol, bars.interval_ms, *row, source_id) for row in rows))
    return report


def _store_funding(connection: sqlite3.Connection, file: FundingFile, synthetic: bool, now_ms: int) -> ImportReport:
    # repr is the shortest decimal that is this float: the figure as it was published.
    rates = [repr(rate) for rate in file.rates.tolist()]
    marks = [None] * len(rates) if file.marks_usdt is None else [repr(mark) for mark in file.marks_usdt.tolist()]
    stored = {
        time_ms: values
        for time_ms, *values in connection.execute(
            "SELECT time_ms, rate, mark_price FROM funding_rates WHERE symbol = ?", (file.symbol,)
        )
    }
    news = []
    for index, (time_ms, rate, mark) in enumerate(zip(file.time_ms.tolist(), rates, marks, strict=True)):
        if time_ms not in stored:
            news.append((file.symbol, time_ms, rate, mark))
        elif stored[time_ms] != [rate, mark]:
            sql = "SELECT source_id FROM funding_rates WHERE symbol = ? AND time_ms = ?"
            raise _conflict(connection, file.origin, index, sql, (file.symbol, time_ms))
    report = _report(file.origin, "funding", file.symbol, file.interval_ms, synthetic, file.time_ms, len(news))
    note = "no mark price in the file: the bar's own price is used" if file.marks_usdt is None else ""
    source_id = _add_source(connection, report, now_ms, note)
    connection.executemany("INSERT INTO funding_rates VALUES (?, ?, ?, ?, ?)", ((*row, source_id) for row in news))
    return report


def _report(
    origin: Origin, kind: str, symbol: str, interval_ms: int, synthetic: bool, times: Any, added: int
) -> ImportReport:
    return ImportReport(
        file=origin.name,
        kind=kind,
        symbol=symbol,
        interval=interval_text(interval_ms),
        is_synthetic=synthetic,
        first_ms=int(times[0]),
        last_ms=int(times[-1]),
        rows=len(times),
        added=added,
        sha256=origin.sha256,
    )


def _add_source(connection: sqlite3.Connection, report: ImportReport, now_ms: int, note: str) -> int:
    cursor = connection.execute(
        _INSERT_SOURCE,
        (
            report.file,
            report.sha256,
            report.kind,
            report.is_synthetic,
            report.symbol,
            INTERVALS_MS[report.interval],
            report.first_ms,
            report.last_ms,
            report.rows,
            now_ms,
            note,
        ),
    )
    return int(cursor.lastrowid or 0)


def _conflict(
    connection: sqlite3.Connection, origin: Origin, index: int, source_of: str, key: tuple[Any, ...]
) -> DataError:
    name = connection.execute(f"SELECT name FROM sources WHERE source_id = ({source_of})", key).fetchone()[0]  # noqa: S608
    mend = "find out which source is right; nothing was imported"
    return origin.error(index, f"the row of {key[-1]} is stored with other values from {name}", mend)
