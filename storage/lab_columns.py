"""A run's result as rows of `run_columns`: each array a blob of its own."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from numpy.typing import NDArray

from core.domain.errors import StorageError
from core.lab.run.result import EquityCurve, FillColumns, ForecastColumns, RunResult, TradeColumns, TradePlans
from core.lab.service.records import RunRecord
from storage.blobs import Blob, from_blob, to_blob

T = TypeVar("T")

TRADES = "trades"
PLANS = "plans"
CURVE = "curve"
FILLS = "fills"
PREDICTIONS = "predictions "
REFERENCE = "reference "

_THREADS = 2
"""What compresses runs without Python's lock."""


def put_result(connection: sqlite3.Connection, run_id: str, record: RunRecord) -> None:
    parts = list(_parts(record))
    with ThreadPoolExecutor(_THREADS) as threads:
        blobs = threads.map(to_blob, [array for _, _, array in parts])
        connection.executemany(
            "INSERT INTO run_columns VALUES (?, ?, ?, ?, ?, ?)",
            (
                (run_id, part, name, blob.dtype, blob.crc32, blob.data)
                for (part, name, _), blob in zip(parts, blobs, strict=True)
            ),
        )


def _parts(record: RunRecord) -> Iterator[tuple[str, str, NDArray[Any]]]:
    """Part, name and array of each blob, in the order in which they are stored."""
    result = record.result
    told: dict[str, Any] = {TRADES: result.trades, CURVE: result.curve, PLANS: result.plans, FILLS: result.fills}
    told |= {PREDICTIONS + symbol: predictions for symbol, predictions in result.predictions.items()}
    told |= {REFERENCE + name: curve for name, curve in record.references.items()}
    for part, columns in told.items():
        for item in dataclasses.fields(columns) if columns is not None else ():
            yield part, item.name, getattr(columns, item.name)


def get_result(connection: sqlite3.Connection, row: Mapping[str, Any], where: str) -> RunResult:
    """The result of the run in `row` of `runs`. Raises StorageError naming `where` when an array is damaged."""
    run_id = row["run_id"]
    ended_ms = json.loads(row["figures_json"]).get("limit_ended_at_ms")
    return RunResult(
        trades=_get(connection, run_id, TRADES, TradeColumns, where),
        curve=_get(connection, run_id, CURVE, EquityCurve, where),
        initial_usdt=row["initial_usdt"],
        final_usdt=row["final_usdt"],
        complete=row["status"] == "complete",
        open_positions=row["open_positions"],
        assumed_settlements=row["assumed_settlements"],
        assumed_usdt=row["assumed_usdt"],
        vetoes=json.loads(row["vetoes_json"]),
        limits=json.loads(row["limits_json"]),
        trainings=json.loads(row["trainings_json"]),
        predictions={
            symbol: _by_output(_get(connection, run_id, PREDICTIONS + symbol, ForecastColumns, where))
            for symbol in _names(connection, run_id, PREDICTIONS)
        },
        plans=_get(connection, run_id, PLANS, TradePlans, where) if _has(connection, run_id, PLANS) else None,
        fills=_get(connection, run_id, FILLS, FillColumns, where) if _has(connection, run_id, FILLS) else None,
        ended_ms=None if ended_ms is None else int(ended_ms),
    )


def get_references(connection: sqlite3.Connection, run_id: str, where: str) -> dict[str, EquityCurve]:
    """The curves beside that of the run. Raises as get_result."""
    return {
        name: _get(connection, run_id, REFERENCE + name, EquityCurve, where)
        for name in _names(connection, run_id, REFERENCE)
    }


def _get(connection: sqlite3.Connection, run_id: str, part: str, cls: type[T], where: str) -> T:
    sql = "SELECT name, dtype, crc32, data FROM run_columns WHERE run_id = ? AND part = ?"
    blobs = {
        row["name"]: Blob(row["dtype"], row["crc32"], row["data"]) for row in connection.execute(sql, (run_id, part))
    }
    arrays = {}
    for item in dataclasses.fields(cls):  # type: ignore[arg-type]
        array = from_blob(blobs[item.name]) if item.name in blobs else None
        if array is None:
            raise StorageError(f"{where}: {part} {item.name} is damaged; delete the run and run it again")
        arrays[item.name] = array
    return cls(**arrays)


def _by_output(flat: ForecastColumns) -> ForecastColumns:
    """Arrays are kept flat."""
    return dataclasses.replace(flat, values=flat.values.reshape(-1, len(flat.names)))


def _has(connection: sqlite3.Connection, run_id: str, part: str) -> bool:
    sql = "SELECT 1 FROM run_columns WHERE run_id = ? AND part = ?"
    return connection.execute(sql, (run_id, part)).fetchone() is not None


def _names(connection: sqlite3.Connection, run_id: str, prefix: str) -> list[str]:
    """What follows `prefix` in the parts of a run, in the order in which they were stored."""
    sql = "SELECT part FROM run_columns WHERE run_id = ? AND part LIKE ? GROUP BY part ORDER BY min(rowid)"
    return [row["part"].removeprefix(prefix) for row in connection.execute(sql, (run_id, f"{prefix}%"))]
