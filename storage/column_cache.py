"""Stored candles as a file of columns, because reading a year of minutes as SQL rows takes half a second.

The file is a stand-in for rows of the database and is made again whenever it does not match them: it can be
deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import tempfile
import zlib
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import StorageError
from storage.candles import CHUNK_ROWS

_LAYOUT = 1
_HEADER_LIMIT = 1 << 20
_ALIGNMENT = 64

_ROWS = """SELECT open_time_ms, open, high, low, close, volume, source_id FROM candles
WHERE symbol = ? AND interval_ms = ? ORDER BY open_time_ms"""
_COUNT = "SELECT count(*) FROM candles WHERE symbol = ? AND interval_ms = ?"
_EDGE = """SELECT open_time_ms, open, high, low, close, volume FROM candles
WHERE symbol = ? AND interval_ms = ? ORDER BY open_time_ms {order} LIMIT 1"""
_SOURCES = """SELECT source_id, sha256, rows, first_ms, last_ms, imported_ms FROM sources
WHERE kind = 'candles' AND symbol = ? AND interval_ms = ? ORDER BY source_id"""


@dataclass(frozen=True, slots=True)
class StoredColumns:
    """All candles of one symbol and interval: `open_time_ms` int64 (n,), open, high, low, close and volume as `values`
    float64 (5, n). Writable, and private to the process. `sources` has (source id, first and last open time) of the
    rows of each.
    """

    open_time_ms: NDArray[np.int64]
    values: NDArray[np.float64]
    sources: tuple[tuple[int, int, int], ...]


def stored_columns(connection: sqlite3.Connection, folder: Path, symbol: str, interval_ms: int) -> StoredColumns:
    """The candles as they are in the database now, from the file in `folder` where that still matches.

    `connection` is in a transaction. May raise sqlite3.Error, and StorageError where the file cannot be written.
    """
    path = _path(folder, symbol, interval_ms)
    fingerprint = _fingerprint(connection, symbol, interval_ms)
    found = _read(path, fingerprint)
    if found is None:
        found = _from_rows(connection, symbol, interval_ms)
        _write(path, fingerprint, found)
    return found


def forget_columns(folder: Path, symbol: str, interval_ms: int) -> None:
    """Raises StorageError where the file is there and cannot be deleted."""
    path = _path(folder, symbol, interval_ms)
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"{path}: cannot be deleted: {error.strerror}; free or mend that folder") from error


def _path(folder: Path, symbol: str, interval_ms: int) -> Path:
    return folder / f"{quote(symbol, safe='')}-{interval_ms}.columns"


def _fingerprint(connection: sqlite3.Connection, symbol: str, interval_ms: int) -> str:
    """Changes with every import and every bar that arrives: each is counted in its row of `sources`, in the same
    transaction."""
    key = (symbol, interval_ms)
    told = [connection.execute(_SOURCES, key).fetchall()]
    told += [connection.execute(_EDGE.format(order=order), key).fetchall() for order in ("ASC", "DESC")]
    return hashlib.blake2b(repr((_LAYOUT, symbol, interval_ms, told)).encode(), digest_size=16).hexdigest()


def _from_rows(connection: sqlite3.Connection, symbol: str, interval_ms: int) -> StoredColumns:
    count = int(connection.execute(_COUNT, (symbol, interval_ms)).fetchone()[0])
    times = np.empty(count, np.int64)
    values = np.empty((5, count), np.float64)
    spans: dict[int, tuple[int, int]] = {}
    cursor = connection.execute(_ROWS, (symbol, interval_ms))
    for start in range(0, count, CHUNK_ROWS):
        rows = cursor.fetchmany(CHUNK_ROWS)
        # Times in milliseconds are far below 2**53, so the detour over float64 is exact.
        chunk = np.fromiter(chain.from_iterable(rows), np.float64, 7 * len(rows)).reshape(-1, 7).T
        keep = slice(start, start + len(rows))
        times[keep] = chunk[0]
        values[:, keep] = chunk[1:6]
        for source in np.unique(chunk[6]):
            its = times[keep][chunk[6] == source]
            first, _ = spans.get(int(source), (int(its[0]), 0))
            spans[int(source)] = (first, int(its[-1]))
    return StoredColumns(times, values, tuple((source, *span) for source, span in sorted(spans.items())))


def _read(path: Path, fingerprint: str) -> StoredColumns | None:
    """None where there is no file, or not of these candles, or it is damaged."""
    try:
        with path.open("rb") as file:
            header = json.loads(file.readline(_HEADER_LIMIT))
            if header["fingerprint"] != fingerprint:
                return None
            # Copy on write: compiled code takes writable arrays only, and the file must stay as it is.
            data = np.asarray(np.memmap(file, np.int64, "c", file.tell(), (6, header["rows"])))
    except (OSError, ValueError, TypeError, KeyError):
        return None
    if zlib.crc32(data.data) != header["crc32"]:
        return None
    return StoredColumns(data[0], data[1:].view(np.float64), tuple(tuple(source) for source in header["sources"]))


def _write(path: Path, fingerprint: str, found: StoredColumns) -> None:
    """Atomically, readable by the owner only. Nothing is written where there is no candle."""
    if not len(found.open_time_ms):
        return
    crc = zlib.crc32(found.values.data, zlib.crc32(found.open_time_ms.data))
    told = {"fingerprint": fingerprint, "rows": len(found.open_time_ms), "crc32": crc, "sources": found.sources}
    text = json.dumps(told)
    header = text + " " * (-(len(text) + 1) % _ALIGNMENT) + "\n"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, part = tempfile.mkstemp(prefix=path.name, suffix=".part", dir=path.parent)
        try:
            with open(descriptor, "wb") as file:
                file.write(header.encode("ascii"))
                file.write(found.open_time_ms.data)
                file.write(found.values.data)
            os.replace(part, path)
        except BaseException:
            os.unlink(part)
            raise
    except OSError as error:
        raise StorageError(f"{path}: cannot be written: {error.strerror}; free or mend that folder") from error
