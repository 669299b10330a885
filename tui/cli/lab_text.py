"""What the lab's verbs print for people."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from core.arithmetic.days import LEAST_DAYS
from core.domain.errors import BadInputError
from core.domain.rows import Row
from core.lab.run.presets import DAY_MS
from core.lab.search.trials import pool_text
from core.lab.statistics.basis import BASIS, RANKS, holed_text, lacking_days
from core.lab.statistics.figures import cell_text, column_title, in_order, row_title
from core.market.intervals import interval_text
from tui.cli.echo import echo
from tui.cli.output import Column, moment, money, number, pairs, percent, show, table
from tui.text.format import plain_text

if TYPE_CHECKING:
    from core.lab.requests import Lab

RUN_COLUMNS = [
    Column("run_id", "run", right=False),
    Column("created_ms", "made UTC", lambda value: moment(value)[:16]),
    Column("kind", "kind", right=False),
    Column("strategy", "strategy", right=False),
    Column("symbols", "symbols", lambda value: _few(value), right=False),
    Column("from_ms", "from UTC", lambda value: moment(value)[:16]),
    Column("to_ms", "to UTC", lambda value: moment(value)[:16]),
    Column("trades", "trades", lambda value: f"{value:,}"),
    Column("total_return_pct", "return", percent),
    Column("sharpe", "Sharpe", money),
    Column("max_drawdown_pct", "drawdown", percent),
    Column("final_usdt", "final USDT", money),
    Column("labels", "labels", lambda value: ", ".join(label.split(":")[0] for label in value) or "-", right=False),
    Column("note", "note", plain_text, right=False),
]
CHECK_COLUMNS = [
    Column("check", "check", right=False),
    Column("status", "verdict", str.upper, right=False),
    Column("detail", "what was found", plain_text, right=False),
]


NARROW_FIRST = ("final_usdt", "created_ms", "to_ms", "kind", "max_drawdown_pct", "from_ms", "note")
"""The columns of the list that go first where a terminal is too narrow for all."""


LESS_IS_BETTER = frozenset(
    {
        *("max_drawdown_pct", "max_drawdown_ms", "drawdown_high_pct", "volatility_pct", "mae_pct", "losses", "pbo"),
        *("fees_usdt", "slippage_usdt", "cost_share_pct", "min_track_record_days", "luck_free_days", "trials"),
    }
)
"""Figures of which the least comes first."""


def sorted_by(rows: Sequence[Row], figures: Mapping[str, Row], metric: str) -> tuple[list[Row], list[Column]]:
    """The runs by a figure, the best first and those that lack it last, and the columns that show it. `figures` are all
    figures of each run by its id.

    A ratio of a year goes by that of a day, which short records have too. Raises BadInputError where no run knows it.
    """
    known = dict.fromkeys(name for found in figures.values() for name in found)
    if metric not in known or metric in RANKS.values():
        names = ", ".join(in_order(known)) or "none"
        raise BadInputError(f"--by {metric}: no kept result has that figure; known are {names}")
    rank, sign = RANKS.get(metric, metric), 1 if metric in LESS_IS_BETTER else -1

    def place(row: Row) -> tuple[bool, float]:
        value = figures[row["run_id"]].get(rank)
        return (value is None, 0.0 if value is None else sign * float(value))

    shown = [row | {metric: figures[row["run_id"]].get(metric)} for row in sorted(rows, key=place)]
    if any(column.key == metric for column in RUN_COLUMNS):
        return shown, RUN_COLUMNS
    column = Column(metric, plain_text(column_title(metric)), lambda value: cell_text(metric, value))
    return shown, [RUN_COLUMNS[0], column, *RUN_COLUMNS[1:]]


def terminal_width() -> int | None:
    """Characters of a line of the terminal that is written to; None where it is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def fitting(rows: Sequence[Row], columns: Sequence[Column], width: int | None) -> list[Column]:
    """The columns that there is room for; `runs list --json` and a pipe have them all."""
    kept = list(columns)
    for name in NARROW_FIRST:
        if width is None or not rows or max(map(len, table(rows, kept).splitlines())) <= width:
            break
        kept = [column for column in kept if column.key != name]
    return kept


def show_result(lab: Lab, row: Row) -> None:
    """The summary of a run, or the best trials of a sweep."""
    if row["kind"] == "sweep":
        echo(sweep_text(row))
        return
    from tui.cli.lab_report import summary

    width = terminal_width() or 80
    unicode = (sys.stdout.encoding or "ascii").lower().startswith("utf")
    echo(summary(lab.report(row["run_id"]), width, unicode, row["run_id"]))


def sweep_text(row: Row) -> str:
    figures = row["figures"]
    about = [
        ("sweep", row["run_id"]),
        ("strategy", row["strategy"]),
        ("symbols", ", ".join(row["symbols"])),
        ("period", _period(row)),
        ("source", plain_text(row["source"])),
        *([("whole UTC days", f"{figures['return_days']:.0f}{holed_text(figures)}")] if holed_text(figures) else []),
        ("tried", _tried_text(row)),
        ("raised", row["objective"]),
        *_luck_lines(row),
    ]
    best = [trial | {f"set {key}": value for key, value in trial["parameters"].items()} for trial in row["best"]]
    keys = dict.fromkeys(key for trial in row["best"] for key in trial["parameters"])
    columns = [
        Column("number", "trial"),
        *(Column(f"set {key}", key, _value) for key in keys),
        Column("trades", "trades", lambda value: f"{value:,}"),
        Column("total_return_pct", "return", percent),
        *(
            []
            if row["objective"] in ("sharpe", "total_return_pct")
            else [Column(row["objective"], row["objective"], money)]
        ),
        Column("sharpe", "Sharpe", money),
        Column("max_drawdown_pct", "drawdown", percent),
        Column("final_usdt", "final USDT", money),
    ]
    if any(trial.get("limit_ended_at_ms") for trial in row["best"]):
        columns.append(Column("limit_ended_at_ms", "ended by a limit, UTC", lambda value: moment(value)[:16]))
    parts = [plain_text(row["verdict"]), *label_lines(row), pairs(about)]
    if "return_days" in figures:
        parts.append(BASIS)
    if lacking_days("sharpe", figures):
        parts.append("The order is that of the ratio a day: of so few days no ratio of a year is told.")
    return "\n".join([*parts, *(["", table(best, columns)] if best else [])])


def _tried_text(row: Row) -> str:
    """How many sets there were, and how many of them came to nothing."""
    failed = int(row["figures"].get("failed_sets") or 0)
    left = f"; {failed:,} more could not be run: their values do not go together" if failed else ""
    return f"{row['trials'] - failed:,} sets{left}"


def _period(row: Row) -> str:
    span = f"{moment(row['from_ms'])[:16]} to {moment(row['to_ms'])[:16]} UTC"
    return f"{span}, {interval_text(row['interval_ms'])} bars"


def _luck_lines(row: Row) -> list[tuple[str, str]]:
    """How good the best had to look by luck alone, and what that was taken over."""
    figures = row["figures"]

    def text(name: str) -> str:
        return lacking_days(name, figures) or cell_text(name, figures.get(name))

    lines = [
        ("best Sharpe that luck alone would show", text("expected_max_sharpe")),
        ("deflated Sharpe of the best (0.95 is wanted)", text("dsr")),
    ]
    if figures.get("alike_trials") is not None:
        days = (row["to_ms"] - row["from_ms"]) / DAY_MS
        where = (row["strategy"], row["symbols"], interval_text(row["interval_ms"]), days)
        lines.append(("taken over", pool_text(*where, int(figures["alike_trials"]))))
    return [*lines, ("probability that the choice is overfit", _overfit_text(text("pbo"), figures, row["seed"]))]


def _overfit_text(text: str, figures: Row, seed: int) -> str:
    sets, of_sets = (int(figures.get(name) or 0) for name in ("pbo_sets", "pbo_of_sets"))
    if not sets:
        return text
    return f"{text} of all {sets:,} sets" if sets == of_sets else f"{text} of {sets:,} of {of_sets:,} sets, seed {seed}"


def validation_text(row: Row) -> str:
    """One row a path and symbol; what a model that knows nothing would show is a mean net of minus the costs."""
    about = [
        ("strategy", row["strategy"]),
        ("period", _period(row)),
        ("source", plain_text(row["source"])),
        ("cut into", f"{row['folds']} folds, {row['test_folds']} left out at a time, purged by label ends"),
    ]
    for found in row["validations"]:
        known = [path["errors_above"] for path in found["paths"] if path["errors_above"] is not None]
        above = sum(errors > 0 for errors in known)
        told = f"{above} of {len(known)} paths with two trades or more earn something, of {len(found['paths'])} in all"
        about.append(
            (
                found["symbol"],
                f"{found['trainings']} trainings on {found['rows']:,} rows of {found['days']:,.0f} whole days; {told}",
            )
        )
    rows = [
        {"symbol": found["symbol"], "path": number + 1, **path}
        for found in row["validations"]
        for number, path in enumerate(found["paths"])
    ]
    columns = [
        Column("symbol", "symbol", right=False),
        Column("path", "path"),
        Column("trades", "trades", lambda value: f"{value:,}"),
        Column("mean_net_bps", "mean net bps", money),
        Column("net_bps", "net bps", money),
        Column("errors_above", "errors above 0", money),
        Column("sharpe", "Sharpe", money),
    ]
    stopped = ["PARTIAL: stopped early"] if row["status"] == "partial" else []
    head = [plain_text(row["verdict"]), *stopped, *label_lines(row)]
    short = any(found["days"] < LEAST_DAYS for found in row["validations"])
    note = [f"A Sharpe ratio needs {LEAST_DAYS} days."] if rows and short else []
    return "\n".join([*head, pairs(about), *note, *(["", table(rows, columns)] if rows else [])])


def check_text(row: Row, width: int) -> str:
    """The verdicts, what was found going on below itself where a line has no room for it."""
    checks = row["checks"]
    indent = table(checks, CHECK_COLUMNS[:2]).partition("\n")[0].index("verdict") + len("VERDICT") + 2
    lines = []
    for line in table(checks, CHECK_COLUMNS).splitlines():
        lines += textwrap.wrap(line, width, subsequent_indent=" " * indent, drop_whitespace=True) or [""]
    parts = [
        *label_lines(row),
        pairs([(name, _about_text(name, row[name])) for name in ("strategy", "symbols")]),
        f"period    {_period(row)}",
        "",
        *lines,
        "",
    ]
    mends = [f"to do, {item['check']}: {plain_text(item['mend'])}" for item in checks if item["mend"]]
    count = row.get("marked_runs", 0)
    marked = [f"marked: {count} stored run{'' if count == 1 else 's'} of this code with the fault"] if count else []
    for text in (*mends, *marked, row["verdict"]):
        parts += textwrap.wrap(text, width, subsequent_indent="  ")
    return "\n".join(parts)


def _figure_text(name: str, found: Mapping[str, Sequence[Any]], place: int) -> str:
    """The figure of the run at `place` of those side by side."""
    own = {key: values[place] for key, values in found.items()}
    return lacking_days(name, own) or cell_text(name, own[name])


def compare_text(row: Row) -> str:
    runs = row["runs"]
    labelled = [f"!!! {run['run_id']}: {plain_text(label)}" for run in runs for label in run["labels"]]
    about = [
        {"name": title, "values": [_about_text(name, run.get(name)) for run in runs]}
        for name, title in (("strategy", "strategy"), ("symbols", "symbols"), ("from_ms", "from"), ("to_ms", "to"))
    ]
    found = {item["name"]: item["values"] for item in row["figures"]}
    figures = [
        {"name": row_title(name), "values": [_figure_text(name, found, place) for place in range(len(runs))]}
        for name in in_order(found)
    ]
    settings = [
        {"name": item["name"], "values": [show(value, _value) for value in item["values"]]} for item in row["settings"]
    ]
    parts = [*labelled, _side_by_side(runs, [*about, *figures])]
    return "\n".join([*parts, "", "settings that differ", _side_by_side(runs, settings)] if settings else parts)


def _about_text(name: str, value: Any) -> str:
    return plain_text(_few(value) if isinstance(value, list) else cell_text(name, value))


def label_lines(row: Row) -> list[str]:
    return [f"!!! {plain_text(label)}" for label in row["labels"]]


def _side_by_side(runs: Sequence[Row], rows: Sequence[Row]) -> str:
    columns = [Column("name", "", right=False), *(Column(str(n), run["run_id"]) for n, run in enumerate(runs))]
    return table(
        [{"name": row["name"]} | {str(n): value for n, value in enumerate(row["values"])} for row in rows], columns
    )


def _value(value: Any) -> str:
    return number(value) if isinstance(value, int | float) and not isinstance(value, bool) else plain_text(str(value))


def _few(symbols: Sequence[str]) -> str:
    more = f" +{len(symbols) - 2}" if len(symbols) > 2 else ""
    return ", ".join(map(str, symbols[:2])) + more
