"""Rows of the table `trials`: what was tried, kept for good."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Collection, Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

from core.domain.errors import StorageError
from core.domain.rows import Row
from core.lab.search.trials import Trial, TrialCount, comparable, counted, parameter_hash
from core.lab.statistics.basis import RANKS

if TYPE_CHECKING:
    from core.lab.run.result import Provenance
    from core.lab.service.records import RunRecord

_PUT = """INSERT INTO trials (run_id, number, strategy, symbols_json, from_ms, to_ms, data_hash, parameter_hash,
    parameters_json, state, note, interval_ms, return_days, sharpe_a_day, figures_json)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING RETURNING trial_id"""
_OF_RUN = """SELECT number, parameters_json, parameter_hash, state, note, figures_json, first_day_ms, crc32, data
FROM trials LEFT JOIN trial_returns USING (trial_id) WHERE run_id = ? ORDER BY number"""
_OVERLAPPING = """SELECT parameter_hash, symbols_json, interval_ms, from_ms, to_ms, return_days, sharpe_a_day
FROM trials WHERE strategy = ? AND from_ms < ? AND to_ms > ? AND state <> 'failed' ORDER BY trial_id"""
_SEARCHED = """SELECT DISTINCT symbols_json FROM trials WHERE strategy = ? AND from_ms < ? AND to_ms > ?
AND parameter_hash = ? AND run_id LIKE 's%'"""
_BEST = """SELECT number, parameters_json, state, figures_json FROM trials WHERE run_id = ?
ORDER BY coalesce(json_extract(figures_json, '$.' || ?), json_extract(figures_json, '$.' || ?)) DESC NULLS LAST, number
LIMIT ?"""
_SHOWN = ("trades", "return_days", "total_return_pct", "sharpe", "max_drawdown_pct", "final_usdt", "limit_ended_at_ms")
_DAY_MS = 86_400_000


def own_trial(record: RunRecord) -> Trial:
    """A run as the one parameter set that it is."""
    provenance, result = record.provenance, record.result
    shown = {name: record.figures.get(name) for name in (*_SHOWN, *RANKS.values())}
    figures = shown | {"trades": len(result.trades), "final_usdt": result.final_usdt}
    named = parameter_hash(json.loads(provenance.settings_json), provenance.strategy)
    return Trial(0, dict(record.overrides), named, record.status, figures)


def put(connection: sqlite3.Connection, run_id: str, provenance: Provenance, tried: Sequence[Trial]) -> None:
    where = (provenance.strategy, json.dumps(provenance.symbols), provenance.from_ms, provenance.to_ms)
    for trial in tried:
        what = (trial.parameter_hash, json.dumps(dict(trial.parameters)), trial.state, trial.note)
        # JSON has no such numbers, and SQLite could not look into what Python writes for them.
        figures = {
            key: value if value is not None and isfinite(value) else None for key, value in trial.figures.items()
        }
        alike = (provenance.interval_ms, figures.get("return_days"), figures.get(RANKS["sharpe"]))
        row = (run_id, trial.number, *where, provenance.data_hash, *what, *alike, json.dumps(figures))
        stored = connection.execute(_PUT, row).fetchone()
        if stored is not None and trial.daily is not None and trial.first_day_ms is not None:
            data = trial.daily.tobytes()
            returns = (stored["trial_id"], trial.first_day_ms, zlib.crc32(data), zlib.compress(data, 1))
            connection.execute("INSERT INTO trial_returns VALUES (?, ?, ?, ?)", returns)


def of_run(connection: sqlite3.Connection, run_id: str, where: str) -> list[Trial]:
    """By number. Raises StorageError when the daily returns of one are damaged."""
    return [
        Trial(
            number=row["number"],
            parameters=json.loads(row["parameters_json"]),
            parameter_hash=row["parameter_hash"],
            state=row["state"],
            note=row["note"],
            figures=json.loads(row["figures_json"]),
            first_day_ms=row["first_day_ms"],
            daily=_returns(row, f"{where}: {run_id}"),
        )
        for row in connection.execute(_OF_RUN, (run_id,))
    ]


def best_rows(connection: sqlite3.Connection, run_id: str, objective: str, limit: int) -> list[Row]:
    """Rows of core.lab.requests.Lab.run, those with the greatest `objective` first. A ratio of a trial of before, when
    parts of days were days, is None."""
    rows = []
    for row in connection.execute(_BEST, (run_id, RANKS.get(objective, objective), objective, limit)):
        figures = json.loads(row["figures_json"])
        told: Row = {"number": row["number"], "parameters": json.loads(row["parameters_json"]), "state": row["state"]}
        known = figures if "return_days" in figures else {key: figures[key] for key in figures if key not in RANKS}
        rows.append(told | {name: known.get(name) for name in dict.fromkeys((objective, *_SHOWN))})
    return rows


def count(
    connection: sqlite3.Connection,
    strategy: str,
    symbols: Sequence[str],
    from_ms: int,
    to_ms: int,
    interval_ms: int,
    return_days: int,
    own: Mapping[str, float | None],
    also: Collection[str],
) -> TrialCount:
    """See LabStore.count_trials. Of a set that was tried more than once, the newest Sharpe ratio stands."""
    wanted = set(symbols)
    tried = {*own, *also}
    alike: dict[str, float | None] = {}
    sets: dict[str, set[str]] = {}
    for row in connection.execute(_OVERLAPPING, (strategy, to_ms, from_ms)):
        text = row["symbols_json"]
        if text not in sets:
            sets[text] = set(json.loads(text))
        if wanted.isdisjoint(sets[text]):
            continue
        named = row["parameter_hash"]
        tried.add(named)
        if sets[text] != wanted or row["interval_ms"] != interval_ms:
            continue
        if comparable(_days(row["from_ms"], row["to_ms"]), _days(from_ms, to_ms)):
            alike.setdefault(named, None)
            if row["sharpe_a_day"] is not None and comparable(row["return_days"], return_days):
                alike[named] = row["sharpe_a_day"]
    alike |= own
    return counted(len(tried), len(alike), [ratio for ratio in alike.values() if ratio is not None])


def _days(from_ms: int, to_ms: int) -> float:
    return (to_ms - from_ms) / _DAY_MS


def was_searched(
    connection: sqlite3.Connection, strategy: str, symbols: Sequence[str], from_ms: int, to_ms: int, parameter_hash: str
) -> bool:
    """See LabStore.was_searched. The ids of sweeps begin with an s."""
    rows = connection.execute(_SEARCHED, (strategy, to_ms, from_ms, parameter_hash))
    return any(set(symbols).intersection(json.loads(row["symbols_json"])) for row in rows)


def drop_returns(connection: sqlite3.Connection, run_id: str) -> None:
    connection.execute(
        "DELETE FROM trial_returns WHERE trial_id IN (SELECT trial_id FROM trials WHERE run_id = ?)", (run_id,)
    )


def _returns(row: dict[str, Any], where: str) -> Any:
    """None where there are none: of a trial that failed, and where no day is whole."""
    import numpy as np

    if row["data"] is None:
        return None
    try:
        data = zlib.decompress(row["data"])
    except zlib.error:
        data = b""
    if zlib.crc32(data) != row["crc32"]:
        raise StorageError(f"{where}: the returns of trial {row['number']} are damaged; delete it and run it again")
    return np.frombuffer(bytearray(data), np.float64)
