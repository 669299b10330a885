"""What a report tells of one run: the one input of the terminal summary, the page and every export."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.arithmetic.days import DAY_MS, LEAST_DAYS
from core.domain.market import MINUTE_MS
from core.lab.report.verdict import bottom_line
from core.lab.run.result import EquityCurve, Provenance, RunResult
from core.lab.search.trials import pool_text
from core.lab.statistics.basis import BASIS
from core.lab.statistics.figures import utc_minute
from core.lab.statistics.series import drawdown_pct
from core.lab.statistics.statistics import DailyReturns, daily_returns, measured
from core.market.intervals import interval_text
from core.settings.schema import LabSettings

SHORT_DAYS = 90
"""Of fewer days figures of a year are not to be taken at their word."""

Rows = Sequence[Mapping[str, object]]

_OF_THE_DATA = ("holes", "price_jumps")
"""Breakdowns that tell of the data and not of trades."""


@dataclass(frozen=True, slots=True)
class Report:
    """A run with what was computed of it.

    `statistics` maps a name with its unit (`cagr_pct`, `max_drawdown_ms`, `fees_usdt`) to a figure, None where it is
    undefined. `breakdowns` maps a subject ("symbol", "hour", "side", "exit_reason") to rows, `references` a name ("buy
    and hold") to the curve of an account that opened with the run's `initial_usdt`. `made_ms` is when the run was made.
    """

    provenance: Provenance
    result: RunResult
    statistics: Mapping[str, float | None]
    breakdowns: Mapping[str, Rows]
    references: Mapping[str, EquityCurve]
    made_ms: int
    kind: str = "backtest"

    def verdict(self) -> str:
        """What it comes to, in one sentence."""
        return bottom_line(self.kind, self.provenance.strategy, all_figures(self), self.labels())

    def labels(self) -> tuple[str, ...]:
        """Warnings that stand beside every figure, in the terminal, on the page and in every file."""
        found = (*self.provenance.labels(), *_assumed_label(self.result))
        if not self.result.complete:
            found += (f"PARTIAL: stopped at {utc_minute(self.reached_ms())}",)
        return found + limit_labels(self.statistics)

    def short_labels(self) -> tuple[str, ...]:
        """The labels without what explains them, for names and column heads."""
        return tuple(label.split(":")[0] for label in self.labels())

    def reached_ms(self) -> int:
        """The close of the last traded slot; the start of the period where there is none."""
        times = self.result.curve.time_ms
        return int(times[-1]) if len(times) else self.provenance.from_ms

    def title(self) -> str:
        """The strategy and the period, in one line."""
        run = self.provenance
        return f"{run.strategy}, {utc_minute(run.from_ms)} to {utc_minute(run.to_ms)}"


def limit_labels(figures: Mapping[str, float | None]) -> tuple[str, ...]:
    """The warning of a run that a limit ended."""
    ended_ms = figures.get("limit_ended_at_ms")
    if ended_ms is None:
        return ()
    return (f"ENDED BY A LIMIT: drawdown at {utc_minute(ended_ms)}; measured to the end of that day",)


def whole_day_returns(report: Report) -> DailyReturns:
    """The returns that the ratios of the run stand on, told again from what was kept of it: its curve and holes."""
    from core.lab.data.holes import Kind, days_touched

    run, curve = report.provenance, measured(report.result)
    spans = [
        (int(str(row["from_ms"])), int(str(row["to_ms"])))
        for row in report.breakdowns.get("holes", ())
        if row["what"] == Kind.HOLE
    ]
    # Bars that every symbol lacks: one may end where another begins later, so that neither has a hole.
    lab = json.loads(run.settings_json).get("lab", {})
    max_hole_ms = lab.get("max_hole_minutes", LabSettings().max_hole_minutes) * MINUTE_MS
    longer = np.flatnonzero(np.diff(curve.time_ms) > max_hole_ms + run.interval_ms)
    spans += zip(curve.time_ms[longer].tolist(), (curve.time_ms[longer + 1] - run.interval_ms).tolist(), strict=True)
    return daily_returns(curve, report.result.initial_usdt, run.interval_ms, days_touched(spans))


def provenance_pairs(report: Report) -> tuple[tuple[str, str], ...]:
    """Where the run comes from, as names and texts: everything but the settings, which are too long for a line."""
    run, trades = report.provenance, report.result.trades
    return (
        ("strategy", run.strategy),
        ("engine", run.engine),
        ("symbols", ", ".join(run.symbols)),
        ("period", f"{utc_minute(run.from_ms)} to {utc_minute(run.to_ms)}, {interval_text(run.interval_ms)} bars"),
        ("source", run.source),
        ("rules", rules_text(run)),
        (
            "costs",
            f"on: fees {trades.fees_usdt.sum():,.2f} USDT, funding {trades.funding_usdt.sum():+,.2f} USDT"
            f"{_missing_text(report.result)}, slippage and impact in the prices",
        ),
        ("data hash", run.data_hash),
        ("code version", run.code_version),
        ("seed", str(run.seed)),
        ("trials", _trials_text(report)),
        ("made", utc_minute(report.made_ms)),
    )


def rules_text(run: Provenance) -> str:
    """Where the contract rules come from and of which day they are, those that are alike together."""
    alike: dict[str, list[str]] = {}
    for rules in run.rules():
        alike.setdefault(f"{rules['kind']}, of {rules['as_of']}, {rules['source']}", []).append(rules["symbol"])
    return "; ".join(f"{', '.join(symbols)}: {about}" for about, symbols in alike.items()) or "not kept"


def all_figures(report: Report) -> dict[str, float | None]:
    """The statistics, with the account's first and last equity where they do not name them themselves."""
    result = report.result
    own: dict[str, float | None] = {
        "initial_usdt": result.initial_usdt,
        "final_usdt": result.final_usdt,
        "open_positions": result.open_positions,
    }
    return own | dict(report.statistics)


def notes(report: Report) -> tuple[str, ...]:
    """What to keep in mind of the figures, a sentence or two each: what they stand on, and where they are stretched."""
    days = report.statistics.get("return_days")
    if days is None:
        return (
            "An earlier version kept this result. Its ratios and probabilities meant something else and are not shown; "
            "run it again for those.",
        )
    found = [BASIS]
    left_open = report.statistics.get("open_positions") or 0
    if left_open:
        found.append(f"Figures and tables of trades are of closed ones; {left_open:.0f} positions were left open.")
    if not LEAST_DAYS <= days < SHORT_DAYS:
        return tuple(found)
    stretched = (
        f"Figures of a year (CAGR, volatility, Sharpe, Sortino, Calmar) are stretched from {days:,.0f} days: of so "
        "few, read the interval and not the ratio."
    )
    return (*found, stretched)


def _trials_text(report: Report) -> str:
    """How many sets were tried, and over which of them the ratio is deflated."""
    run, alike = report.provenance, report.statistics.get("alike_trials")
    if alike is None:
        return f"{run.trials:,}"
    days = (run.to_ms - run.from_ms) / DAY_MS
    pool = pool_text(run.strategy, run.symbols, interval_text(run.interval_ms), days, int(alike))
    return f"{run.trials:,}; the deflated ratio is over {pool}"


def all_tables(report: Report) -> dict[str, Rows]:
    """The breakdowns, the references beside the run, and what was refused or limited, as rows; empty ones left out."""
    result = report.result
    found: dict[str, Rows] = {_table_title(name): rows for name, rows in report.breakdowns.items()}
    if report.references:
        found["against"] = reference_rows(report)
    found["refused signals"] = [{"reason": name, "count": count} for name, count in result.vetoes.items()]
    found["limits fired"] = [{"limit": name, "count": count} for name, count in result.limits.items()]
    found["trainings"] = [{"what came of it": name, "count": count} for name, count in result.trainings.items()]
    return {name: rows for name, rows in found.items() if rows}


def _assumed_label(result: RunResult) -> tuple[str, ...]:
    if not result.assumed_usdt:
        return ()
    return (
        f"FUNDING ASSUMED: {_settlements(result)} on positions missing in the data; {-result.assumed_usdt:,.2f} USDT "
        "were charged for it",
    )


def _missing_text(result: RunResult) -> str:
    """What the line of the costs says of settlements that fell on a position and are missing."""
    if not result.assumed_settlements:
        return ""
    charged = (
        f"{result.assumed_usdt:+,.2f} USDT assumed for them" if result.assumed_usdt else "nothing assumed for them"
    )
    return f" ({_settlements(result)} on positions missing, {charged})"


def _settlements(result: RunResult) -> str:
    count = result.assumed_settlements
    return "1 settlement" if count == 1 else f"{count:,} settlements"


def _table_title(name: str) -> str:
    words = name.replace("_", " ")
    return words if name in _OF_THE_DATA else f"by {words}"


def reference_rows(report: Report) -> Rows:
    """The run and its references, each with its last equity, return and deepest drawdown on the run's own slots."""
    initial = report.result.initial_usdt
    curves = {"this run": report.result.curve, **report.references}
    rows: list[dict[str, object]] = []
    for name, curve in curves.items():
        final = float(curve.equity_usdt[-1]) if len(curve) else None
        rows.append(
            {
                "account": name,
                "final_usdt": final,
                "total_return_pct": None if final is None else (final / initial - 1) * 100,
                "max_drawdown_pct": -float(drawdown_pct(curve.equity_usdt, initial).min()) if len(curve) else None,
            }
        )
    return rows
