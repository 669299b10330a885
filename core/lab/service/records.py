"""What the lab keeps of a run, and of a search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from core.lab.requests import Status
from core.settings.values import Grid, Overrides

if TYPE_CHECKING:
    from core.lab.report.data import Report
    from core.lab.run.result import EquityCurve, Provenance, RunResult


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A backtest or walk-forward with all that is known of it.

    `figures` are statistics by name with unit, None where one is undefined; `breakdowns` rows by subject; both must be
    such as JSON can hold. `references` are curves of other accounts over the same slots, by name.
    """

    kind: Literal["backtest", "walkforward"]
    created_ms: int
    status: Status
    provenance: Provenance
    result: RunResult
    figures: Mapping[str, Any]
    breakdowns: Mapping[str, Sequence[Mapping[str, Any]]]
    overrides: Overrides = ()
    note: str = ""
    references: Mapping[str, EquityCurve] = field(default_factory=dict)

    def report(self) -> Report:
        """What the summary, the page and the exports are made of."""
        from core.lab.report.data import Report

        parts = (self.figures, self.breakdowns, self.references)
        return Report(self.provenance, self.result, *parts, made_ms=self.created_ms, kind=self.kind)


@dataclass(frozen=True, slots=True)
class SweepRecord:
    """What a sweep is asked to do. `wanted` is the number of trials that the search draws, None for the whole grid."""

    created_ms: int
    provenance: Provenance
    objective: str
    grid: Grid
    wanted: int | None
    overrides: Overrides = ()
    note: str = ""
