"""Figures with their target and reference, printed as a table or written as JSON.

Machines differ and neighbours interfere, so a figure is read against the reference measured beside it and the load that
stands above. A target allows for neither: it is met where the figure is at or beyond it, and missed anywhere else.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number. `at_most` or `at_least` is its target; neither where it is told for information."""

    what: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def missed(self) -> bool:
        if self.at_most is not None and self.value > self.at_most:
            return True
        return self.at_least is not None and self.value < self.at_least

    @property
    def verdict(self) -> str:
        if self.at_most is None and self.at_least is None:
            return ""
        return "MISSED" if self.missed else "met"

    @property
    def target(self) -> str:
        if self.at_most is not None:
            return f"<= {_number(self.at_most)}"
        return "" if self.at_least is None else f">= {_number(self.at_least)}"


@dataclass(frozen=True, slots=True)
class Section:
    """What one benchmark found. `load` are the load averages over 1 minute before and after it."""

    name: str
    title: str
    figures: tuple[Figure, ...]
    notes: tuple[str, ...] = ()
    load: tuple[float, float] = (0.0, 0.0)

    @property
    def missed(self) -> bool:
        return any(figure.missed for figure in self.figures)


def percentile(values: Sequence[float], pct: float) -> float:
    """The nearest-rank percentile; raises ValueError when there is nothing to rank."""
    if not values:
        raise ValueError("no measurements")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * pct / 100.0) - 1)]


def percentiles(
    what: str, values: Sequence[float], unit: str, wanted: Sequence[float], targets: dict[float, float] | None = None
) -> list[Figure]:
    """One figure for each wanted percentile, 100 being the maximum; `targets` by percentile."""
    aims = targets or {}
    return [
        Figure(f"{what} {'max' if pct == 100 else f'p{pct:g}'}", percentile(values, pct), unit, aims.get(pct))
        for pct in wanted
    ]


def load_average() -> float:
    return os.getloadavg()[0]


def table(section: Section) -> str:
    rows = [(f.what, _number(f.value), f.unit, f.target, f.verdict) for f in section.figures]
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    lines = [f"{section.name}: {section.title}  (load {section.load[0]:.2f} before, {section.load[1]:.2f} after)"]
    for what, value, unit, target, verdict in rows:
        line = f"  {what:<{widths[0]}}  {value:>{widths[1]}} {unit:<{widths[2]}}  {target:<{widths[3]}}  {verdict}"
        lines.append(line.rstrip())
    lines += [f"  note: {note}" for note in section.notes]
    return "\n".join(lines)


def as_json(section: Section) -> dict[str, Any]:
    found = asdict(section)
    for row, figure in zip(found["figures"], section.figures, strict=True):
        row["verdict"] = figure.verdict
    return found


def _number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 100 else f"{value:.2f}"
