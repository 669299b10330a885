"""HOME/lab.db: the runs of the lab and every parameter set ever tried.

It is a database of its own, so that a long write of a run never delays the commit of an order.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from core.domain.errors import BadInputError
from core.domain.rows import Row
from core.lab.requests import Status
from core.lab.service.records import RunRecord, SweepRecord
from core.lab.statistics.basis import MEANING
from storage import trials
from storage.database import Database, connect_read_only, open_database, storage_errors, transaction
from storage.lab_records import (
    DETAIL_COLUMNS,
    SUMMARY_COLUMNS,
    breakdowns_of,
    detail_row,
    figures_of,
    provenance_columns,
    provenance_of,
    run_labels,
    summary_row,
    sweep_labels,
)

if TYPE_CHECKING:
    from core.lab.run.result import Provenance
    from core.lab.search.trials import Trial, TrialCount

SCHEMA = "lab_migrations"
BEST_TRIALS = 50
"""So many of a sweep's trials stand in its detail row."""

_NEXT = """INSERT INTO counters VALUES (?, 1) ON CONFLICT DO UPDATE SET last = last + 1 RETURNING last"""


class SqliteLab:
    """Implements core.lab.service.stores.LabStore. Every method opens a connection of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_run(self, record: RunRecord, tried: Sequence[tuple[Provenance, Sequence[Trial]]] = ()) -> str:
        from storage.lab_columns import put_result

        result = record.result
        with self._writing() as connection:
            run_id = _next_id(connection, "r")
            row = provenance_columns(record.provenance) | {
                "run_id": run_id,
                "kind": record.kind,
                "created_ms": record.created_ms,
                "status": record.status,
                "overrides_json": json.dumps(record.overrides),
                "note": record.note,
                "trades": len(result.trades),
                "initial_usdt": result.initial_usdt,
                "final_usdt": result.final_usdt,
                "open_positions": result.open_positions,
                "assumed_settlements": result.assumed_settlements,
                "assumed_usdt": result.assumed_usdt,
                "figures_json": json.dumps(record.figures),
                "breakdowns_json": json.dumps(record.breakdowns),
                "vetoes_json": json.dumps(result.vetoes),
                "limits_json": json.dumps(result.limits),
                "trainings_json": json.dumps(result.trainings),
                "labels_json": json.dumps(run_labels(record)),
                "search_json": "{}",
                "meaning": MEANING,
            }
            _insert(connection, row)
            put_result(connection, run_id, record)
            for provenance, its_trials in tried or [(record.provenance, [trials.own_trial(record)])]:
                trials.put(connection, run_id, provenance, its_trials)
        return run_id

    def begin_sweep(self, record: SweepRecord) -> str:
        search = {"objective": record.objective, "grid": record.grid, "wanted": record.wanted}
        with self._writing() as connection:
            run_id = _next_id(connection, "s")
            row = provenance_columns(record.provenance) | {
                "run_id": run_id,
                "kind": "sweep",
                "created_ms": record.created_ms,
                "status": "partial",
                "overrides_json": json.dumps(record.overrides),
                "note": record.note,
                "figures_json": "{}",
                "breakdowns_json": "{}",
                "vetoes_json": "{}",
                "limits_json": "{}",
                "trainings_json": "{}",
                "labels_json": json.dumps(sweep_labels(record.provenance, "partial")),
                "search_json": json.dumps(search),
                "meaning": MEANING,
            }
            _insert(connection, row)
        return run_id

    def add_trials(self, run_id: str, provenance: Provenance, tried: Sequence[Trial]) -> None:
        with self._writing() as connection:
            trials.put(connection, _resolve(connection, run_id), provenance, tried)

    def end_sweep(self, run_id: str, status: Status, best: Mapping[str, Any]) -> None:
        with self._writing() as connection:
            run_id = _resolve(connection, run_id)
            provenance = provenance_of(_row(connection, run_id, "*"))
            connection.execute(
                "UPDATE runs SET status = ?, trials = (SELECT count(*) FROM trials WHERE run_id = ?2), "
                "trades = ?, initial_usdt = ?, final_usdt = ?, figures_json = ?, labels_json = ? WHERE run_id = ?2",
                (
                    status,
                    run_id,
                    best.get("trades"),
                    best.get("initial_usdt"),
                    best.get("final_usdt"),
                    json.dumps(dict(best)),
                    json.dumps(sweep_labels(provenance, status, best)),
                ),
            )

    def mark_fault(self, strategy: str, code_version: str, fault: str) -> int:
        with self._writing() as connection:
            found = connection.execute(
                "SELECT run_id, labels_json FROM runs WHERE strategy = ? AND code_version = ? AND fault = ''",
                (strategy, code_version),
            ).fetchall()
            for row in found:
                labels = json.dumps([fault, *json.loads(row["labels_json"])])
                connection.execute(
                    "UPDATE runs SET fault = ?, labels_json = ? WHERE run_id = ?", (fault, labels, row["run_id"])
                )
            return len(found)

    def runs(self) -> list[Row]:
        with self._reading() as connection:
            rows = connection.execute(f"SELECT {SUMMARY_COLUMNS} FROM runs ORDER BY created_ms, run_id")  # noqa: S608
            return [summary_row(row) for row in rows]

    def figures(self) -> dict[str, Row]:
        with self._reading() as connection:
            rows = connection.execute("SELECT run_id, figures_json, meaning FROM runs")
            return {row["run_id"]: figures_of(row) for row in rows}

    def run(self, run_id: str) -> Row:
        with self._reading() as connection:
            run_id = _resolve(connection, run_id)
            row = detail_row(_row(connection, run_id, DETAIL_COLUMNS))
            if row["kind"] == "sweep":
                row["best"] = trials.best_rows(connection, run_id, row["objective"], BEST_TRIALS)
            return row

    def load(self, run_id: str) -> RunRecord:
        from storage.lab_columns import get_references, get_result

        with self._reading() as connection:
            run_id = _resolve(connection, run_id)
            row = _row(connection, run_id, "*")
            if row["kind"] == "sweep":
                raise BadInputError(f"{run_id}: is a sweep and has no trades of its own; name a run")
            where = f"{self._database.path}: {run_id}"
            return RunRecord(
                kind=row["kind"],
                created_ms=row["created_ms"],
                status=row["status"],
                provenance=provenance_of(row),
                result=get_result(connection, row, where),
                figures=figures_of(row),
                breakdowns=breakdowns_of(row),
                overrides=tuple((key, value) for key, value in json.loads(row["overrides_json"])),
                note=row["note"],
                references=get_references(connection, run_id, where),
            )

    def sweep(self, run_id: str) -> SweepRecord:
        with self._reading() as connection:
            run_id = _resolve(connection, run_id)
            row = _row(connection, run_id, "*")
            if row["kind"] != "sweep":
                raise BadInputError(f"{run_id}: is no sweep; name one like s0001")
            search = json.loads(row["search_json"])
            if row["meaning"] != MEANING:
                raise BadInputError(
                    f"{run_id}: was begun by another version, whose ratios mean something else; begin a new sweep"
                )
            return SweepRecord(
                created_ms=row["created_ms"],
                provenance=provenance_of(row),
                objective=search["objective"],
                grid=tuple((key, tuple(values)) for key, values in search["grid"]),
                wanted=search["wanted"],
                overrides=tuple((key, value) for key, value in json.loads(row["overrides_json"])),
                note=row["note"],
            )

    def trials(self, run_id: str) -> list[Trial]:
        with self._reading() as connection:
            return trials.of_run(connection, _resolve(connection, run_id), str(self._database.path))

    def count_trials(
        self,
        strategy: str,
        symbols: Sequence[str],
        from_ms: int,
        to_ms: int,
        interval_ms: int,
        return_days: int,
        own: Mapping[str, float | None] = MappingProxyType({}),
        also: Collection[str] = (),
    ) -> TrialCount:
        with self._reading() as connection:
            return trials.count(connection, strategy, symbols, from_ms, to_ms, interval_ms, return_days, own, also)

    def was_searched(
        self, strategy: str, symbols: Sequence[str], from_ms: int, to_ms: int, parameter_hash: str
    ) -> bool:
        with self._reading() as connection:
            return trials.was_searched(connection, strategy, symbols, from_ms, to_ms, parameter_hash)

    def delete(self, run_ids: Sequence[str]) -> list[Row]:
        with self._writing() as connection:
            found = list(dict.fromkeys(_resolve(connection, run_id) for run_id in run_ids))
            rows = [summary_row(_row(connection, run_id, SUMMARY_COLUMNS)) for run_id in found]
            for run_id in found:
                trials.drop_returns(connection, run_id)
                connection.execute("DELETE FROM runs WHERE run_id = ?", (run_id,))
            return rows

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with storage_errors(self._database.path), closing(self._database.connect_sync(durable=False)) as connection:
            connection.row_factory = _as_dict
            with transaction(connection):
                yield connection

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """All that is read is of one moment."""
        with storage_errors(self._database.path), closing(connect_read_only(self._database.path)) as connection:
            connection.row_factory = _as_dict
            connection.execute("BEGIN")
            yield connection


def open_lab(path: Path) -> SqliteLab:
    """The lab's database at `path`, made where there is none. Raises StorageError."""
    # Not read whole for damage: sweeps make it large, and the arrays have checksums of their own.
    return SqliteLab(open_database(path, SCHEMA, thorough=False))


def _as_dict(cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> Row:
    return {column[0]: value for column, value in zip(cursor.description, row, strict=True)}


def _next_id(connection: sqlite3.Connection, letter: str) -> str:
    return f"{letter}{connection.execute(_NEXT, (letter,)).fetchone()['last']:04d}"


def _resolve(connection: sqlite3.Connection, text: str) -> str:
    """The id that `text` means: an id, one without its zeros, or the beginning of exactly one."""
    known = [row["run_id"] for row in connection.execute("SELECT run_id FROM runs ORDER BY created_ms, run_id")]
    match = re.fullmatch(r"([rs])0*([0-9]+)", text)
    exact = f"{match[1]}{int(match[2]):04d}" if match else text
    if exact in known:
        return exact
    found = [run_id for run_id in known if text and run_id.startswith(text)]
    if len(found) == 1:
        return str(found[0])
    if found:
        raise BadInputError(f"{text}: is the beginning of {', '.join(found[:3])}; write more of the one you mean")
    raise BadInputError(f"{text}: no such run; see quarterdeck runs")


def _row(connection: sqlite3.Connection, run_id: str, columns: str) -> Row:
    row: Row = connection.execute(f"SELECT {columns} FROM runs WHERE run_id = ?", (run_id,)).fetchone()  # noqa: S608
    return row


def _insert(connection: sqlite3.Connection, row: Mapping[str, Any]) -> None:
    names = ", ".join(row)
    connection.execute(
        f"INSERT INTO runs ({names}) VALUES ({', '.join('?' * len(row))})",  # noqa: S608
        tuple(row.values()),
    )
