"""What goes to stdout: JSON for programs, aligned plain text for people. Narration goes to stderr."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from core.domain.plain import plain, plain_json
from core.domain.rows import Row
from tui.cli.echo import echo

Format = Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table. Text stands left, everything else right."""

    key: str
    title: str
    format: Format = str
    right: bool = True


def emit_json(value: object) -> None:
    """Strict JSON: a number that is not finite becomes null."""
    echo(plain_json(json.dumps(_finite(value), ensure_ascii=False, indent=2, allow_nan=False)))


def emit_rows(rows: Sequence[Row], columns: Sequence[Column], as_json: bool, empty: str) -> None:
    """A table; where there is nothing to show, `empty` says why and what comes next."""
    if as_json:
        emit_json(rows)
    elif rows:
        echo(table(rows, columns))
    if not rows:
        echo(empty, err=True)


def table(rows: Sequence[Row], columns: Sequence[Column]) -> str:
    cells = [[column.title for column in columns]]
    cells += [[show(row.get(column.key), column.format) for column in columns] for row in rows]
    widths = [max(_width(line[index]) for line in cells) for index in range(len(columns))]
    return "\n".join(_line(line, widths, columns) for line in cells)


def pairs(rows: Sequence[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{plain(name):<{width}}  {plain(text)}" for name, text in rows)


def show(value: object, form: Format) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "-"
    return plain(form(value))


def money(value: Any) -> str:
    return f"{float(value):,.2f}"


def signed_money(value: Any) -> str:
    return f"{float(value):+,.2f}"


def percent(value: Any) -> str:
    return f"{float(value):.2f} %"


def number(value: Any) -> str:
    """As short as it is exact enough: 8 significant digits, no exponent."""
    text = f"{float(value):,.8f}".rstrip("0").rstrip(".")
    return text if len(text) <= 16 else f"{float(value):,.2f}"


def milliseconds(value: Any) -> str:
    return f"{float(value):,.0f} ms"


def moment(value: Any) -> str:
    """2025-06-04 00:00:00, in UTC."""
    from core.home.logbook import iso_utc

    return iso_utc(int(value))[:19].replace("T", " ")


def any_value(key: str) -> Format:
    """How a value of a row is shown when only its name is known; the unit is in the name."""
    if key.endswith("_ms") and not key.endswith(("_age_ms", "_lag_ms", "horizon_ms", "held_ms", "interval_ms")):
        return moment
    return _plain


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value) if isinstance(value, int | float) else str(value)


def _line(cells: Sequence[str], widths: Sequence[int], columns: Sequence[Column]) -> str:
    pads = (" " * (width - _width(cell)) for cell, width in zip(cells, widths, strict=True))
    parts = (pad + cell if column.right else cell + pad for cell, pad, column in zip(cells, pads, columns, strict=True))
    return "  ".join(parts).rstrip()


def _width(text: str) -> int:
    """In cells of a terminal: a symbol may be of letters that take two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
