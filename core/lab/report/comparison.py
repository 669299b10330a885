"""Runs side by side: their figures, and the settings in which they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.domain.rows import Row

SUMMARY_FIGURES = ("trades", "total_return_pct", "sharpe", "max_drawdown_pct", "initial_usdt", "final_usdt")


def compare(details: Sequence[Row]) -> Row:
    """The row of `core.lab.requests.Lab.compare` from detail rows, in their order.

    Figures come in the order in which the runs name them first; what a run does not have is None.
    """
    figures = [_figures(detail) for detail in details]
    settings = [dict(_flat(detail["settings"], "")) for detail in details]
    about = ("settings", "figures", "breakdowns", "vetoes", "limits", "best", "grid")
    return {
        "runs": [{key: value for key, value in detail.items() if key not in about} for detail in details],
        "figures": _side_by_side(figures),
        "settings": [row for row in _side_by_side(settings) if any(v != row["values"][0] for v in row["values"])],
    }


def _figures(detail: Row) -> Row:
    own = {key: detail.get(key) for key in SUMMARY_FIGURES}
    return own | {key: value for key, value in detail["figures"].items() if not isinstance(value, dict | list)}


def _side_by_side(columns: Sequence[Mapping[str, Any]]) -> list[Row]:
    names = dict.fromkeys(name for column in columns for name in column)
    return [{"name": name, "values": [column.get(name) for column in columns]} for name in names]


def _flat(value: Mapping[str, Any], prefix: str) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, item in value.items():
        found += _flat(item, f"{prefix}{key}.") if isinstance(item, Mapping) else [(prefix + key, item)]
    return found
