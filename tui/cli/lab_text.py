"""What the lab's verbs print for people."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from core.runtime import Row
from tui.cli.output import Column, any_value, moment, money, number, pairs, percent, show, table
from tui.format import plain_text

if TYPE_CHECKING:
    from core.lab import Lab

RUN_COLUMNS = [
    Column("run_id", "run", right=False),
    Column("created_ms", "made UTC", moment),
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


def show_result(lab: Lab, row: Row) -> None:
    """The summary of a run, or the best trials of a sweep."""
    if row["kind"] == "sweep":
        click.echo(sweep_text(row))
        return
    from tui.cli.lab_report import summary

    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 80
    unicode = (sys.stdout.encoding or "ascii").lower().startswith("utf")
    click.echo(f"run           {row['run_id']}")
    click.echo(summary(lab.report(row["run_id"]), width, unicode))


def sweep_text(row: Row) -> str:
    about = [
        ("sweep", row["run_id"]),
        ("strategy", row["strategy"]),
        ("symbols", ", ".join(row["symbols"])),
        ("period", f"{moment(row['from_ms'])[:16]} to {moment(row['to_ms'])[:16]} UTC"),
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
    return "\n".join([*parts, table(best, columns)] if best else parts)


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
        ("period", f"{moment(row['from_ms'])[:16]} to {moment(row['to_ms'])[:16]} UTC"),
        ("source", plain_text(row["source"])),
        ("cut into", f"{row['folds']} folds, {row['test_folds']} left out at a time, purged by label ends"),
    ]
    for found in row["validations"]:
        share = found["positive_share_pct"]
        told = "no path has a Sharpe ratio" if share is None else f"{share:.0f} % of the paths have a Sharpe above 0"
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
    return "\n".join([*stopped, *label_lines(row), pairs(about), *([table(rows, columns)] if rows else [])])


def check_text(row: Row) -> str:
    checks = row["checks"]
    mends = [f"  {item['check']}: {plain_text(item['mend'])}" for item in checks if item["mend"]]
    parts = [*label_lines(row), table(checks, CHECK_COLUMNS)]
    return "\n".join([*parts, *(["to do", *mends] if mends else []), row["verdict"]])


def compare_text(row: Row) -> str:
    runs = row["runs"]
    labelled = [f"!!! {run['run_id']}: {plain_text(label)}" for run in runs for label in run["labels"]]
    about = [
        {"name": name, "values": [run.get(name) for run in runs]}
        for name in ("strategy", "symbols", "from_ms", "to_ms")
    ]
    parts = [*labelled, _side_by_side(runs, [*about, *row["figures"]])]
    return "\n".join(
        [*parts, "settings that differ", _side_by_side(runs, row["settings"])] if row["settings"] else parts
    )


def label_lines(row: Row) -> list[str]:
    return [f"!!! {plain_text(label)}" for label in row["labels"]]


def _side_by_side(runs: Sequence[Row], rows: Sequence[Row]) -> str:
    columns = [Column("name", "", right=False), *(Column(str(n), run["run_id"]) for n, run in enumerate(runs))]
    return table(
        [
            {"name": row["name"]} | {str(n): show(value, _form(row["name"])) for n, value in enumerate(row["values"])}
            for row in rows
        ],
        columns,
    )


def _form(name: str) -> Any:
    return lambda value: _few(value) if isinstance(value, list) else plain_text(any_value(name)(value))


def _value(value: Any) -> str:
    return number(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _few(symbols: Sequence[str]) -> str:
    more = f" +{len(symbols) - 2}" if len(symbols) > 2 else ""
    return ", ".join(map(str, symbols[:2])) + more
