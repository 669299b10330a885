"""What the lab's verbs print for people."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from core.runtime import Row
from tui.cli.echo import echo
from tui.cli.output import Column, moment, money, number, pairs, percent, show, table
from tui.format import plain_text

if TYPE_CHECKING:
    from core.lab import Lab

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
    echo(f"run           {row['run_id']}")
    echo(summary(lab.report(row["run_id"]), width, unicode))


def sweep_text(row: Row) -> str:
    about = [
        ("sweep", row["run_id"]),
        ("strategy", row["strategy"]),
        ("symbols", ", ".join(row["symbols"])),
        ("period", _period(row)),
        ("source", plain_text(row["source"])),
        ("tried", f"{row['trials']:,}"),
        ("raised", row["objective"]),
        *_luck_lines(row["figures"]),
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
    parts = [*label_lines(row), pairs(about)]
    if best:
        parts += ["", table(best, columns)]
    if failed := sum(trial["state"] == "failed" for trial in best):
        parts.append(f"{failed} of these sets could not be run: their values do not go together")
    return "\n".join(parts)


def _period(row: Row) -> str:
    return f"{moment(row['from_ms'])[:16]} to {moment(row['to_ms'])[:16]} UTC"


def _luck_lines(figures: Row) -> list[tuple[str, str]]:
    """How good the best had to look by luck alone."""
    from core.backtest.figures import cell_text

    names = {
        "expected_max_sharpe": "best Sharpe that luck alone would show",
        "dsr": "deflated Sharpe of the best (0.95 is wanted)",
        "pbo": "probability that the choice is overfit",
    }
    return [(label, cell_text(name, figures.get(name))) for name, label in names.items()]


def validation_text(row: Row) -> str:
    """One row a path and symbol; what a model that knows nothing would show is a mean net of minus the costs."""
    about = [
        ("strategy", row["strategy"]),
        ("period", _period(row)),
        ("source", plain_text(row["source"])),
        ("cut into", f"{row['folds']} folds, {row['test_folds']} left out at a time, purged by label ends"),
    ]
    for found in row["validations"]:
        ratios = [path["sharpe"] for path in found["paths"] if path["sharpe"] is not None]
        told = "no path has a Sharpe ratio"
        if ratios:
            above = sum(ratio > 0 for ratio in ratios)
            told = f"the Sharpe is above 0 on {above} of {len(ratios)} paths that have one, of {len(found['paths'])}"
        about.append((found["symbol"], f"{found['trainings']} trainings on {found['rows']:,} rows; {told}"))
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
        Column("sharpe", "Sharpe", money),
    ]
    stopped = ["PARTIAL: stopped early"] if row["status"] == "partial" else []
    return "\n".join([*stopped, *label_lines(row), pairs(about), *(["", table(rows, columns)] if rows else [])])


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


def compare_text(row: Row) -> str:
    from core.backtest.figures import cell_text, in_order, row_title

    runs = row["runs"]
    labelled = [f"!!! {run['run_id']}: {plain_text(label)}" for run in runs for label in run["labels"]]
    about = [
        {"name": title, "values": [_about_text(name, run.get(name)) for run in runs]}
        for name, title in (("strategy", "strategy"), ("symbols", "symbols"), ("from_ms", "from"), ("to_ms", "to"))
    ]
    found = {item["name"]: item["values"] for item in row["figures"]}
    figures = [
        {"name": row_title(name), "values": [cell_text(name, value) for value in found[name]]}
        for name in in_order(found)
    ]
    settings = [
        {"name": item["name"], "values": [show(value, _value) for value in item["values"]]} for item in row["settings"]
    ]
    parts = [*labelled, _side_by_side(runs, [*about, *figures])]
    return "\n".join([*parts, "", "settings that differ", _side_by_side(runs, settings)] if settings else parts)


def _about_text(name: str, value: Any) -> str:
    from core.backtest.figures import cell_text

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
