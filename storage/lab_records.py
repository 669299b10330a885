"""What the lab keeps of a run as columns, and the rows that tell of it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from core.domain.rows import Row
from core.lab.report.verdict import bottom_line
from core.lab.requests import Status
from core.lab.statistics.basis import LASTING, MEANING, RANKS

if TYPE_CHECKING:
    from core.lab.run.result import Provenance
    from core.lab.service.records import RunRecord

_LISTS = ("symbols", "data_labels")
"""What of a provenance is a list, and JSON in its column."""

FAILED = "FAILED: ended by an error"

SUMMARY_COLUMNS = (
    "run_id, kind, strategy, engine, symbols_json, from_ms, to_ms, interval_ms, created_ms, status, source, "
    "is_synthetic, in_sample, data_hash, code_version, seed, trials, trades, initial_usdt, final_usdt, note, "
    "overrides_json, labels_json, figures_json, meaning"
)
DETAIL_COLUMNS = (
    f"{SUMMARY_COLUMNS}, settings_json, breakdowns_json, vetoes_json, limits_json, trainings_json, open_positions, "
    "assumed_settlements, assumed_usdt, search_json, rules_json"
)


def provenance_columns(provenance: Provenance) -> dict[str, Any]:
    """The columns of the table `runs` that a provenance fills."""
    told = dataclasses.asdict(provenance)
    lists = {f"{name}_json": json.dumps(told.pop(name)) for name in _LISTS}
    return told | lists


def provenance_of(row: Mapping[str, Any]) -> Provenance:
    """From a row of the table `runs`."""
    from core.lab.run.result import Provenance

    flags = {"is_synthetic", "in_sample"}
    plain: dict[str, Any] = {
        item.name: bool(row[item.name]) if item.name in flags else row[item.name]
        for item in dataclasses.fields(Provenance)
        if item.name not in _LISTS
    }
    lists: dict[str, Any] = {name: tuple(json.loads(row[f"{name}_json"])) for name in _LISTS}
    return Provenance(**lists, **plain)


def run_labels(record: RunRecord) -> list[str]:
    """Warnings that stand beside every figure of a run."""
    return [*record.report().labels(), *([FAILED] if record.status == "failed" else [])]


def sweep_labels(provenance: Provenance, status: Status, best: Mapping[str, Any] = MappingProxyType({})) -> list[str]:
    """Likewise of a sweep whose best trial has the figures `best`."""
    from core.lab.report.data import limit_labels

    note = {"complete": [], "partial": ["PARTIAL: not everything was tried"], "failed": [FAILED]}
    return [*provenance.labels(), *note[status], *limit_labels(best)]


def figures_of(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of a row of `runs`; of those that were kept when some names meant something else, the others."""
    figures: dict[str, Any] = json.loads(stored["figures_json"])
    return figures if stored["meaning"] == MEANING else {key: figures[key] for key in figures if key in LASTING}


def breakdowns_of(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Likewise its breakdowns, whose rows may have ratios."""
    found: dict[str, Any] = json.loads(stored["breakdowns_json"])
    if stored["meaning"] == MEANING:
        return found
    return {name: [{key: row[key] for key in row if key not in RANKS} for row in rows] for name, rows in found.items()}


def summary_row(stored: Mapping[str, Any]) -> Row:
    """A summary row of core.lab.requests.Lab from a row of SUMMARY_COLUMNS."""
    figures = figures_of(stored)
    row = {key: value for key, value in stored.items() if not key.endswith("_json") and key != "meaning"}
    row |= {
        "symbols": json.loads(stored["symbols_json"]),
        "is_synthetic": bool(stored["is_synthetic"]),
        "in_sample": bool(stored["in_sample"]),
        "overrides": json.loads(stored["overrides_json"]),
        "labels": json.loads(stored["labels_json"]),
    }
    return row | {name: figures.get(name) for name in ("total_return_pct", "sharpe", "max_drawdown_pct")}


def detail_row(stored: Mapping[str, Any]) -> Row:
    """A detail row of core.lab.requests.Lab from a row of DETAIL_COLUMNS; of a sweep without its best trials."""
    names = ("settings", "rules", "vetoes", "limits", "trainings")
    parsed = {name: json.loads(stored[f"{name}_json"]) for name in names}
    parsed |= {"figures": figures_of(stored), "breakdowns": breakdowns_of(stored)}
    search: Row = json.loads(stored["search_json"])
    row = summary_row(stored)
    verdict = bottom_line(row["kind"], row["strategy"], parsed["figures"], row["labels"])
    market = parsed["settings"].get("lab", {}).get("market")
    own = {name: stored[name] for name in ("open_positions", "assumed_settlements", "assumed_usdt")}
    return row | {"verdict": verdict, "market": market} | own | parsed | search
