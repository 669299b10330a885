"""What the operator does with stored market data: import, list, check."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.domain.errors import DataError
from core.market.checking import DataProblem, bar_problems, funding_problems
from core.market.importing import CandleFile, read_market_file
from core.market.intervals import INTERVALS_MS, interval_text
from core.market.tables import file_sha256
from core.ports import BarColumns
from core.settings import JUMP_VOLATILITIES
from storage.candles import SELECT_CANDLES, bar_columns, settlements
from storage.database import Database, connect_read_only, storage_errors
from storage.import_rows import AT_ONCE, UNFINISHED, Manner, candle_rows, funding_rows, store


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
    manner: Manner = AT_ONCE,
) -> ImportReport:
    """Store a candle or funding file. A file that was imported already changes nothing.

    Raises DataError when the file is bad or contradicts what is stored, and then nothing of it is kept. What ends it
    early otherwise (StorageError, RefusedError where it was asked to stop) is made good by importing it again.
    """
    with storage_errors(database.path), closing(database.connect_sync(durable=False)) as connection:
        known = _known(connection, file_sha256(path), symbol, interval)
        if known is not None:
            return known
        market_file = read_market_file(path, symbol=symbol, interval=interval)
        rows = candle_rows(market_file) if isinstance(market_file, CandleFile) else funding_rows(market_file)
        added, marked = store(connection, database.path, rows, synthetic=synthetic, now_ms=now_ms, manner=manner)
        return ImportReport(
            file=rows.origin.name,
            kind=rows.kind,
            symbol=rows.symbol,
            interval=interval_text(rows.interval_ms),
            is_synthetic=marked,
            first_ms=int(rows.times[0]),
            last_ms=int(rows.times[-1]),
            rows=len(rows.times),
            added=added,
            sha256=rows.origin.sha256,
        )


def import_recorded_market(
    database: Database, data_dir: Path, now_ms: int, manner: Manner = AT_ONCE
) -> list[ImportReport]:
    """Store the recorded market that comes with the program (candles/ and funding/ under `data_dir`)."""
    files = [*sorted(data_dir.glob("candles/*.parquet")), *sorted(data_dir.glob("funding/*.parquet"))]
    if not files:
        raise DataError(f"{data_dir}: holds no candles/*.parquet; reinstall quarterdeck or name another folder")
    return [import_file(database, path, now_ms=now_ms, manner=manner) for path in files]


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


def check_data(database: Database, jump_volatilities: float = JUMP_VOLATILITIES) -> list[DataProblem]:
    """Every finding over all stored candles and funding, by symbol and time, then every import that is not finished.
    A move of the price beyond so many times what it moved before is a finding, too.

    Raises StorageError.
    """
    found: list[DataProblem] = []
    with storage_errors(database.path), closing(connect_read_only(database.path)) as connection:
        series = connection.execute("SELECT DISTINCT symbol, interval_ms FROM candles ORDER BY 1, 2").fetchall()
        for symbol, interval_ms in series:
            found += bar_problems(_stored(connection, symbol, interval_ms), jump_volatilities)
        for (symbol,) in connection.execute("SELECT DISTINCT symbol FROM funding_rates ORDER BY symbol").fetchall():
            found += funding_problems(symbol, *settlements(connection, symbol))
        half = connection.execute(
            "SELECT symbol, interval_ms, first_ms, last_ms, rows, name FROM sources WHERE note = ? AND rows > 0",
            (UNFINISHED,),
        )
        for symbol, interval_ms, first_ms, last_ms, count, name in half:
            text = f"{name}: {UNFINISHED}"
            found.append(DataProblem(symbol, interval_text(interval_ms), "unfinished", first_ms, last_ms, count, text))
    return found


def _known(
    connection: sqlite3.Connection, sha256: str, symbol: str | None, interval: str | None
) -> ImportReport | None:
    """The report of an earlier, whole import of the same bytes, unless symbol or interval are given and differ."""
    rows = connection.execute(
        "SELECT name, kind, symbol, interval_ms, is_synthetic, first_ms, last_ms, rows FROM sources "
        "WHERE sha256 = ? AND note != ?",
        (sha256, UNFINISHED),
    )
    for name, kind, its_symbol, interval_ms, synthetic, first, last, count in rows:
        if symbol in (None, its_symbol) and (interval is None or INTERVALS_MS.get(interval) == interval_ms):
            text = interval_text(interval_ms)
            return ImportReport(name, kind, its_symbol, text, bool(synthetic), first, last, count, 0, sha256)
    return None


def _stored(connection: sqlite3.Connection, symbol: str, interval_ms: int) -> BarColumns:
    rows = connection.execute(SELECT_CANDLES, (symbol, interval_ms, 0, 2**62)).fetchall()
    return bar_columns(symbol, interval_ms, rows)
