"""`strategy`: the beginning of one of one's own."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from tui.cli.echo import echo
from tui.cli.options import json_option
from tui.cli.output import emit_json


@click.group()
def strategy() -> None:
    """Write a strategy of your own."""


@strategy.command("new")
@click.argument("name")
@click.option(
    "--into",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    metavar="DIR",
    help="Where its folder is made.  [here]",
)
@json_option
def new(name: str, into: Path, as_json: bool) -> None:
    """Make a folder with a strategy that trades, its settings and its tests, to be changed.

    NAME is that of the strategy and of its Python package: small letters, digits and _.
    """
    from core.strategy.skeleton import write_skeleton

    made = write_skeleton(name, into)
    if as_json:
        emit_json({"strategy": name, "folder": str(made)})
        return
    python = shlex.quote(sys.executable)
    folder = shlex.quote(str(made))
    echo(f"{made}: a strategy that trades, to be changed; its README.md goes on. Next:")
    echo(f"  {python} -m pip install --no-deps --editable {folder}")
    echo(f"  quarterdeck backtest {name} --market recorded --symbol BTCUSDT")
