"""`runs`: the results that are kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.domain.errors import BadInputError
from core.home.folder import Home
from core.lab.requests import EXPORT_FORMS
from tui.cli.echo import echo
from tui.cli.options import confirm, home_option, json_option, limit_option, yes_option
from tui.cli.output import emit_json, emit_rows

if TYPE_CHECKING:
    from core.lab.requests import Lab
    from tui.cli.runtime import Runtime

NONE_YET = "no run is kept in {home} yet; make one with: quarterdeck backtest STRATEGY"


class ListGroup(click.Group):
    """No verb, or options without one, means `list`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        bare = not args and not ctx.resilient_parsing
        if bare or (args and args[0].startswith("-") and args[0] not in ("-h", "--help")):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group(cls=ListGroup)
def runs() -> None:
    """List, show, compare, export and delete results.

    Without a verb, list. RUN is an id such as r0012 or s0003, r12 for short, or the beginning of one.
    """


@runs.command("list")
@click.option("--by", "metric", metavar="METRIC", help="The best first by a figure, as sharpe or max_drawdown_pct.")
@limit_option
@home_option
@json_option
@click.pass_obj
def list_(runtime: Runtime, metric: str | None, limit: int | None, home: Home, as_json: bool) -> None:
    """List the results, the newest last."""
    from tui.cli.lab_text import RUN_COLUMNS, fitting, sorted_by, terminal_width

    lab = runtime.lab(home.root) if home.lab.exists() else None
    rows, columns = lab.runs() if lab is not None else [], RUN_COLUMNS
    if metric is not None and lab is not None and rows:
        rows, columns = sorted_by(rows, lab.figures(), metric)
        shown = rows[:limit] if limit else rows
    else:
        shown = rows[-limit:] if limit else rows
    emit_rows(shown, fitting(shown, columns, terminal_width()), as_json, NONE_YET.format(home=home.root))


@runs.command("show")
@click.argument("run")
@home_option
@json_option
@click.pass_obj
def show_(runtime: Runtime, run: str, home: Home, as_json: bool) -> None:
    """Show one result with its figures."""
    from tui.cli.lab_text import show_result

    lab = _lab(runtime, home)
    row = lab.run(run)
    if as_json:
        emit_json(row)
    else:
        show_result(lab, row)


@runs.command("compare")
@click.argument("ids", nargs=-1, required=True, metavar="RUN RUN...")
@home_option
@json_option
@click.pass_obj
def compare(runtime: Runtime, ids: tuple[str, ...], home: Home, as_json: bool) -> None:
    """Show results side by side, with the settings that differ."""
    from tui.cli.lab_text import compare_text

    if len(ids) < 2:
        raise BadInputError("name two results or more to compare")
    row = _lab(runtime, home).compare(ids)
    if as_json:
        emit_json(row)
    else:
        echo(compare_text(row))


@runs.command("delete")
@click.argument("ids", nargs=-1, required=True, metavar="RUN...")
@yes_option
@home_option
@json_option
@click.pass_obj
def delete(runtime: Runtime, ids: tuple[str, ...], yes: bool, home: Home, as_json: bool) -> None:
    """Delete results. What they tried stays counted."""
    lab = _lab(runtime, home)
    found = [lab.run(run_id)["run_id"] for run_id in ids]
    confirm(f"delete {', '.join(found)} for good?", yes)
    rows = lab.delete(found)
    if as_json:
        emit_json(rows)
    else:
        echo(f"deleted {', '.join(row['run_id'] for row in rows)}")


@runs.command("export")
@click.argument("run")
@click.option("--form", type=click.Choice(EXPORT_FORMS), required=True, help="What the file is for.")
@click.option("--to", "path", type=click.Path(path_type=Path), required=True, help="A file, or a folder.")
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
@home_option
@json_option
@click.pass_obj
def export(runtime: Runtime, run: str, form: str, path: Path, overwrite: bool, home: Home, as_json: bool) -> None:
    """Write a result to a file."""
    row = _lab(runtime, home).export(run, form, path.absolute(), overwrite)
    if as_json:
        emit_json(row)
    else:
        for file in row["files"]:
            echo(f"wrote {file}")


def _lab(runtime: Runtime, home: Home) -> Lab:
    if not home.lab.exists():
        raise BadInputError(NONE_YET.format(home=home.root))
    return runtime.lab(home.root)
