"""`quarterdeck data import` of a year of minutes, in the forms in which people have them."""

from __future__ import annotations

import gzip
import io
import json
import sqlite3
import time
import zipfile
from collections.abc import Callable, Mapping
from contextlib import closing

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.feather as feather

from benchmarks.market import temporary_home
from benchmarks.processes import Measured
from benchmarks.report import Figure, Section
from benchmarks.workload import MINUTE_MS, ONE_SEED, START_MS, YEAR_BARS, synthetic_bars
from benchmarks.year import quarterdeck

TARGET_S = 20.0
TARGET_MIB = 400.0
NAMES = ("open", "high", "low", "close", "volume")


def year(bars: int) -> pa.Table:
    columns = dict(zip(NAMES, (column[:bars] for column in synthetic_bars(YEAR_BARS, ONE_SEED, 42_000.0)), strict=True))
    return pa.table({"open_time": START_MS + np.arange(bars, dtype=np.int64) * MINUTE_MS, **columns})


def text(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    arrow_csv.write_csv(table, buffer)
    return buffer.getvalue()


def zipped(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("year.csv", text(table))
    return buffer.getvalue()


def arrow(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    feather.write_feather(table, buffer, compression="lz4")
    return buffer.getvalue()


FORMS: Mapping[str, Callable[[pa.Table], bytes]] = {
    "csv": text,
    "csv.gz": lambda table: gzip.compress(text(table), 6),
    "zip": zipped,
    "json": lambda table: json.dumps(
        list(zip(*(column.to_pylist() for column in table.columns), strict=True))
    ).encode(),
    "objects.json": lambda table: json.dumps(table.to_pylist()).encode(),
    "feather": arrow,
}
"""By what a file's name ends in."""


def taken(form: str, content: bytes, bars: int) -> Measured:
    """Into a home of its own. Raises RuntimeError where not all of it comes in."""
    with temporary_home() as home:
        path = home.root.parent / f"BTCUSDT-1m.{form}"
        path.write_bytes(content)
        took = quarterdeck(home, "data", "import", "--json", "--progress", "off", str(path))
        with closing(sqlite3.connect(home.database)) as connection:
            (rows,) = connection.execute("SELECT count(*) FROM candles").fetchone()
    if rows != bars:
        raise RuntimeError(f"{rows:,} of {bars:,} candles came in from {form}")
    return took


def written_alone(table: pa.Table) -> float:
    """Seconds in which SQLite alone writes the same rows in one transaction."""
    rows = list(zip(*(column.to_pylist() for column in table.columns), strict=True))
    with temporary_home() as home, closing(sqlite3.connect(home.database)) as connection:
        connection.execute("CREATE TABLE c (t INTEGER PRIMARY KEY, o REAL, h REAL, l REAL, c REAL, v REAL)")
        began = time.perf_counter()
        with connection:
            connection.executemany("INSERT INTO c VALUES (?, ?, ?, ?, ?, ?)", rows)
        return time.perf_counter() - began


def run(bars: int = YEAR_BARS) -> Section:
    table = year(bars)
    figures: list[Figure] = []
    for form, make in FORMS.items():
        took = taken(form, make(table), bars)
        figures += [
            Figure(f"{form}: wall time", took.wall_s, "s", TARGET_S),
            Figure(f"{form}: processor time", took.cpu_s, "s"),
            Figure(f"{form}: greatest resident memory", took.peak_mib, "MiB", TARGET_MIB),
        ]
    figures.append(Figure("reference: SQLite alone writes the rows", written_alone(table), "s"))
    notes = (f"{bars:,} bars, a fresh process and a fresh home for each form",)
    return Section("bring", "quarterdeck data import of a year of minutes", tuple(figures), notes)
