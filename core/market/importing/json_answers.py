"""What JSON is that holds no rows: an answer of an exchange with the rows within it, or with an error; columns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_REASONS = ("msg", "retmsg", "message", "errmsg", "errormessage", "errormsg", "error", "description", "detail")
_FIRST_ROWS = re.compile(r'"([^"\\]{1,60})"\s*:\s*\[\s*[\[{]')
_DEPTH = 4
_SHOWN = 160


def told_instead(row: Mapping[str, Any], *, has_columns: bool) -> str:
    """Why an object is no row, and the mend; empty where it may be one. `has_columns`: numbers are known by its names.

    It is shown in a line, so that of a long reason the beginning is there.
    """
    if has_columns:
        is_columns = all(isinstance(value, list | dict) for value in row.values())
        return "holds a column a name and no rows; write an array of rows" if is_columns else ""
    if places := list(_places(row)):
        return _within(" or ".join(places))
    if reason := _reason(row):
        return f"is the answer of an exchange that tells an error: {reason}; ask it for the candles again"
    return ""


def told_of_head(text: str) -> str:
    """Likewise of an object that is too long to be read whole, by how it begins."""
    found = _FIRST_ROWS.search(text)
    return _within(found[1]) if found and text.startswith("{") else ""


def _within(places: str) -> str:
    return f"its rows stand within an object, under {places}; write that array alone"


def _places(value: Mapping[str, Any], above: str = "", depth: int = 0) -> Iterator[str]:
    """Names, joined by points, under which there is an array of arrays or of objects."""
    for name, inner in value.items():
        if isinstance(inner, list) and inner and isinstance(inner[0], list | dict):
            yield f"{above}{name}"
        elif isinstance(inner, dict) and depth < _DEPTH:
            yield from _places(inner, f"{above}{name}.", depth + 1)


def _reason(value: Mapping[str, Any]) -> str:
    plain = {re.sub(r"[\W_]", "", name).lower(): inner for name, inner in value.items()}
    for name in _REASONS:
        inner = plain.get(name)
        if isinstance(inner, dict) and (reason := _reason(inner)):
            return reason
        if isinstance(inner, str) and inner.strip():
            return " ".join(inner.split())[:_SHOWN].rstrip(".")
    return ""
