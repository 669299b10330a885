"""`panic`: flat at the exchange on the day that the engine will not start."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.home.folder import Home
from tui.cli.echo import echo
from tui.cli.options import confirm_typed, home_option, json_option, settings_option, yes_option
from tui.cli.output import emit_json

if TYPE_CHECKING:
    from tui.cli.runtime import Runtime


@click.command()
@click.option("--everything", is_flag=True, help="All positions and orders of the account, whose ever they are.")
@yes_option
@home_option
@settings_option
@json_option
@click.pass_obj
def panic(runtime: Runtime, everything: bool, yes: bool, home: Home, settings_path: Path | None, as_json: bool) -> None:
    """Close at the exchange, without an engine, what this home's journal owns. Asks once.

    For the day the engine will not start; while one runs, flatten is the better way. Orders are withdrawn last, so that
    stops stay until all is flat. Exit code 0 only when nothing is left.
    """
    what = "EVERYTHING on the account" if everything else "what is ours"
    question = f"Close {what} at market? Type the account's tag, {{}}, to do it"
    # Steps go to stdout for a person, and out of the way of JSON.
    tell = partial(echo, err=as_json)
    row = runtime.panic(
        home.root,
        settings_path,
        everything,
        tell,
        None if yes else lambda tag: confirm_typed(question.format(tag), tag),
    )
    for left in row["left"]:
        tell(f"LEFT: {left}")
    if as_json:
        emit_json(row)
    elif row["flat"]:
        echo("flat: nothing is left" if everything else "flat: nothing of ours is left")
    else:
        echo("quarterdeck: not flat; run panic again, or close what is left on the exchange's own page", err=True)
    click.get_current_context().exit(row["exit_code"])
