"""What the operator does with stored market data: import, list, check."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np

from core.arithmetic.days import DAY_MS
from core.domain.errors import DataError
from core.domain.market import MINUTE_MS
from core.domain.progress import AT_ONCE, Manner
from core.market.checking import (
    DataProblem,
    bar_problems,
    event_problems,
    funding_problems,
    stream_problems,
    trade_problems,
)
from core.market.importing import read_market_file
from core.market.importing.files import as_told, check_options
from core.market.importing.naming import named
from core.market.importing.table import file_sha256
from core.market.intervals import INTERVALS_MS, interval_text
from core.market.kinds import CANDLES, FUNDING
from core.market.stored import DataRow, ImportReport
from core.market.streams import INSTANTS, OBSERVED_KINDS, TRADES, kind_of, stream_name
from core.market.streams import stream as stream_of
from core.market.trade_bars import bars_of_trades
from core.ports import BarColumns
from core.settings.schema import JUMP_VOLATILITIES
from storage.candles import SELECT_CANDLES, UNFINISHED, bar_columns, settlements
from storage.collected import listened_spans, missed_numbers
from storage.database import Database, connect_read_only, storage_errors, transaction
from storage.file_rows import Rows, rows_of
from storage.import_rows import CHANGED, Stored, Wish, store
from storage.observations import read_observations

_STAYS_SYNTHETIC = "was imported as made-up data and stays marked so; to have it otherwise, `data delete` it first"

_TRADE_SPAN = "SELECT min(time_ms), max(time_ms) FROM observations WHERE stream = ? AND symbol = ?"
_CANDLE_SPAN = "SELECT min(open_time_ms), max(open_time_ms + interval_ms) FROM candles WHERE symbol = ?"


def import_file(
    database: Database,
    path: Path,
    *,
    symbol: str | None = None,
    interval: str | None = None,
    kind: str | None = None,
    stream: str | None = None,
    snapshot: Path | None = None,
    sort: bool = False,
    synthetic: bool = False,
    replace: bool = False,
    now_ms: int,
    manner: Manner = AT_ONCE,
) -> ImportReport:
    """Store a file of candles, funding or a stream. One that was imported already changes nothing but the mark
    `synthetic`; `replace` lets it stand in place of other values that are stored.

    Raises DataError when the file is bad or contradicts what is stored, and then nothing of it is kept. What ends it
    early otherwise (StorageError, RefusedError where it was asked to stop) is made good by importing it again.
    """
    check_options(path.name, symbol, interval, kind)
    with storage_errors(database.path), closing(database.connect_sync(durable=False)) as connection:
        told = named(path)
        its_kind = kind or told.kind
        if stream is not None:
            family, kept_as, interval = as_told(path.name, stream, kind, interval)
            its_kind = kept_as or kind_of(family)[0]
        known = _known(connection, file_sha256(path), symbol or told.symbol, interval, its_kind)
        if known is not None and not replace:
            return _marked(connection, known, synthetic)
        asked = {"symbol": symbol, "interval": interval, "kind": kind, "stream": stream}
        file = read_market_file(path, **asked, snapshot=snapshot, sort=sort)
        rows = rows_of(file)
        wish = Wish(synthetic=synthetic, replace=replace)
        done = store(connection, database.path, rows, wish, now_ms=now_ms, manner=manner)
        return ImportReport(
            file=rows.origin.name,
            kind=rows.kind,
            symbol=rows.symbol,
            interval=interval_text(rows.interval_ms),
            is_synthetic=done.is_synthetic,
            first_ms=int(rows.times[0]),
            last_ms=int(rows.times[-1]),
            rows=len(rows.times),
            added=done.added,
            corrected=done.corrected,
            replaced=done.replaced,
            sha256=rows.origin.sha256,
            notes=tuple(_notes(connection, rows, done, synthetic)),
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
            SELECT source_id, min(open_time_ms), max(open_time_ms), count(*) FROM price_candles GROUP BY source_id
            UNION ALL
            SELECT source_id, min(time_ms), max(time_ms), count(*) FROM funding_rates GROUP BY source_id
            UNION ALL
            SELECT source_id, min(time_ms), max(time_ms), count(*) FROM observations GROUP BY source_id
        ) AS stored USING (source_id) ORDER BY symbol, kind, interval_ms, stored.first_ms, source_id"""
    with storage_errors(database.path), closing(connect_read_only(database.path)) as connection:
        return [
            DataRow(name, kind, interval_text(interval), first, last, rows, source, bool(synthetic), *rest)
            for name, kind, interval, first, last, rows, source, synthetic, *rest in connection.execute(sql)
        ]


def check_data(database: Database, jump_volatilities: float = JUMP_VOLATILITIES) -> list[DataProblem]:
    """Every finding over all stored candles, funding and streams, by symbol and time, then every import that is not
    finished. A move of the price beyond so many times what it moved before is a finding, too, and so is funding that
    is not there or does not reach as far as the candles.

    Raises StorageError.
    """
    found: list[DataProblem] = []
    with storage_errors(database.path), closing(connect_read_only(database.path)) as connection:
        series = connection.execute("SELECT DISTINCT symbol, interval_ms FROM candles ORDER BY 1, 2").fetchall()
        for symbol, interval_ms in series:
            found += bar_problems(_stored(connection, symbol, interval_ms), jump_volatilities)
        found += _price_problems(connection)
        paid = connection.execute("SELECT DISTINCT symbol FROM funding_rates").fetchall()
        for symbol in sorted({name for name, *_ in [*series, *paid]}):
            (span,) = connection.execute(_CANDLE_SPAN, (symbol,)).fetchall()
            found += funding_problems(symbol, *settlements(connection, symbol), None if span[0] is None else span)
        found += _stream_problems(connection) + _event_problems(connection)
        half = connection.execute(
            "SELECT iif(kind IN (?, ?), symbol, symbol || ' ' || kind), interval_ms, first_ms, last_ms, rows, name "
            "FROM sources WHERE note = ? AND rows > 0",
            (CANDLES, FUNDING, UNFINISHED),
        )
        for symbol, interval_ms, first_ms, last_ms, count, name in half:
            text = f"{name}: {UNFINISHED}"
            found.append(DataProblem(symbol, interval_text(interval_ms), "unfinished", first_ms, last_ms, count, text))
    return found


def _known(
    connection: sqlite3.Connection, sha256: str, symbol: str, interval: str | None, kind: str
) -> ImportReport | None:
    """The report of an earlier, whole import of the same bytes, unless symbol, interval or kind are told and differ,
    or rows of it were taken away since."""
    rows = connection.execute(
        "SELECT name, kind, symbol, interval_ms, is_synthetic, first_ms, last_ms, rows FROM sources "
        "WHERE sha256 = ? AND note != ? AND instr(note, ?) = 0",
        (sha256, UNFINISHED, CHANGED),
    )
    for name, its_kind, its_symbol, interval_ms, synthetic, first, last, count in rows:
        is_asked = symbol in ("", its_symbol) and kind in ("", its_kind)
        if is_asked and (interval is None or INTERVALS_MS.get(interval) == interval_ms):
            text = interval_text(interval_ms)
            return ImportReport(name, its_kind, its_symbol, text, bool(synthetic), first, last, count, 0, 0, 0, sha256)
    return None


def _marked(connection: sqlite3.Connection, known: ImportReport, synthetic: bool) -> ImportReport:
    if synthetic == known.is_synthetic:
        return known
    if not synthetic:
        return dataclasses.replace(known, notes=(_STAYS_SYNTHETIC,))
    with transaction(connection):
        connection.execute(
            "UPDATE sources SET is_synthetic = 1 WHERE sha256 = ? AND kind = ? AND symbol = ? AND interval_ms = ?",
            (known.sha256, known.kind, known.symbol, INTERVALS_MS.get(known.interval, 0)),
        )
    return dataclasses.replace(known, is_synthetic=True, notes=("is marked as synthetic now",))


def _notes(connection: sqlite3.Connection, rows: Rows, done: Stored, synthetic: bool) -> Iterator[str]:
    if rows.note:
        yield rows.note
    if done.corrected:
        yield "the last candle of the file before was not finished there; corrected from this one"
    if done.kept:
        yield "its last candle is not finished; the stored one, which is, stays"
    if done.is_synthetic and not synthetic:
        yield _STAYS_SYNTHETIC
    for source_id in sorted(done.doubted):
        name = connection.execute("SELECT name FROM sources WHERE source_id = ?", (source_id,)).fetchone()[0]
        yield f"{name} has the same rows, so it is marked as synthetic, too"


def _price_problems(connection: sqlite3.Connection) -> list[DataProblem]:
    series = connection.execute("SELECT DISTINCT kind, symbol, interval_ms FROM price_candles ORDER BY 1, 2, 3")
    found: list[DataProblem] = []
    for kind, symbol, interval_ms in series.fetchall():
        rows = connection.execute(
            "SELECT open_time_ms, open, high, low, close, coalesce(volume, 0) FROM price_candles "
            "WHERE kind = ? AND symbol = ? AND interval_ms = ? ORDER BY open_time_ms",
            (kind, symbol, interval_ms),
        ).fetchall()
        bars = bar_columns(f"{symbol} {kind}", interval_ms, rows)
        found += bar_problems(bars, None, may_be_negative=kind == "premium", has_volume=kind == "spot")
    return found


def _stream_problems(connection: sqlite3.Connection) -> list[DataProblem]:
    series = connection.execute(
        "SELECT DISTINCT symbol, kind, interval_ms FROM sources WHERE rows > 0 ORDER BY 1, 2, 3"
    )
    found: list[DataProblem] = []
    for symbol, kind, interval_ms in series.fetchall():
        if kind in OBSERVED_KINDS:
            name = stream_name(kind, interval_ms)
            times = connection.execute(
                "SELECT time_ms FROM observations WHERE stream = ? AND symbol = ? ORDER BY time_ms", (name, symbol)
            )
            found += stream_problems(symbol, stream_of(name), np.fromiter((row[0] for row in times), np.int64))
            found += _trade_problems(connection, symbol) if name == TRADES else []
    return found


def _trade_problems(connection: sqlite3.Connection, symbol: str) -> list[DataProblem]:
    """A day at a time, of whole minutes: in the first and the last some trades may be missing."""
    told = connection.execute(_TRADE_SPAN, (TRADES, symbol)).fetchone()
    first_ms, end_ms = -(-told[0] // MINUTE_MS) * MINUTE_MS, told[1] // MINUTE_MS * MINUTE_MS
    found: list[DataProblem] = []
    for day_ms in range(first_ms // DAY_MS * DAY_MS, end_ms, DAY_MS):
        span = max(first_ms, day_ms), min(end_ms, day_ms + DAY_MS)
        rows = connection.execute(SELECT_CANDLES, (symbol, MINUTE_MS, *span)).fetchall()
        if rows:
            trades, _ = read_observations(connection, symbol, TRADES, *span)
            found += trade_problems(bar_columns(symbol, MINUTE_MS, rows), bars_of_trades(trades, MINUTE_MS))
    return found


def _event_problems(connection: sqlite3.Connection) -> list[DataProblem]:
    """Of streams of events that were gathered live, of which there may be no row."""
    series = connection.execute(
        "SELECT symbol, stream FROM listened UNION SELECT symbol, kind FROM sources WHERE sha256 = '' AND rows > 0"
    )
    found: list[DataProblem] = []
    for symbol, name in series.fetchall():
        if name in INSTANTS and not INSTANTS[name].is_steady:
            missed = missed_numbers(connection, symbol, name, 0) if INSTANTS[name].is_numbered else []
            found += event_problems(symbol, stream_of(name), missed, listened_spans(connection, symbol, name, 0))
    return found


def _stored(connection: sqlite3.Connection, symbol: str, interval_ms: int) -> BarColumns:
    rows = connection.execute(SELECT_CANDLES, (symbol, interval_ms, 0, 2**62)).fetchall()
    return bar_columns(symbol, interval_ms, rows)
