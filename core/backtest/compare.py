"""Two or more runs side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.runtime import Row

_DETAIL_ONLY = {"settings", "figures", "breakdowns", "vetoes", "limits"}


def side_by_side(details: Sequence[Row]) -> Row:
    """Detail rows of core.lab.Lab as: runs (summaries), figures (name and a value of each run) and settings (likewise,
    by dotted key, only those that differ)."""
    figures = dict.fromkeys(name for detail in details for name in detail["figures"])
    settings = [_dotted(detail["settings"]) for detail in details]
    keys = dict.fromkeys(key for one in settings for key in one)
    differing = [key for key in keys if any(one.get(key) != settings[0].get(key) for one in settings)]
    return {
        "runs": [{key: value for key, value in detail.items() if key not in _DETAIL_ONLY} for detail in details],
        "figures": [{"name": name, "values": [detail["figures"].get(name) for detail in details]} for name in figures],
        "settings": [{"name": key, "values": [one.get(key) for one in settings]} for key in differing],
    }


def _dotted(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            found |= _dotted(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found
