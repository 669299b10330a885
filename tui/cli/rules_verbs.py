"""`data rules`: what an exchange asks of orders in a contract, with the day that it is of and where it comes from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.domain.rows import Row
from core.home.folder import Home
from tui.cli.options import Moment, home_option, json_option
from tui.cli.output import Column, any_value, emit_rows

if TYPE_CHECKING:
    from tui.cli.runtime import Runtime


@click.group()
def rules() -> None:
    """Import, list, infer and delete contract rules."""


@rules.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--as-of", "as_of_ms", type=Moment(), help="The day of rules that do not say it (UTC).")
@click.option("--source", help="Where rules that do not say it come from.  [the file's name]")
@home_option
@json_option
@click.pass_obj
def import_(
    runtime: Runtime, files: tuple[Path, ...], as_of_ms: int | None, source: str | None, home: Home, as_json: bool
) -> None:
    """Take the rules of TOML files in, all of them or none; a table a contract."""
    _emit(runtime.import_rules(home.root, files, as_of_ms, source), as_json)


@rules.command("list")
@home_option
@json_option
@click.pass_obj
def list_(runtime: Runtime, home: Home, as_json: bool) -> None:
    """Show the rules that are known, those that come with the program among them."""
    _emit(runtime.rules(home.root), as_json)


@rules.command("infer")
@click.argument("symbols", nargs=-1, required=True, metavar="SYMBOL...")
@home_option
@json_option
@click.pass_obj
def infer(runtime: Runtime, symbols: tuple[str, ...], home: Home, as_json: bool) -> None:
    """Read rules off the imported candles: the tick and lot that they all fit, and cautious terms."""
    _emit(runtime.infer_rules(home.root, symbols), as_json)


@rules.command("delete")
@click.argument("symbol")
@click.option("--as-of", "as_of_ms", type=Moment(), help="Of this day alone (UTC).  [all]")
@home_option
@json_option
@click.pass_obj
def delete(runtime: Runtime, symbol: str, as_of_ms: int | None, home: Home, as_json: bool) -> None:
    """Forget the rules of a contract that this home holds."""
    _emit([runtime.delete_rules(home.root, symbol, as_of_ms)], as_json)


def _emit(rows: list[Row], as_json: bool) -> None:
    first = rows[0] if rows else {}
    columns = [
        Column(key, key.replace("_", " "), any_value(key), not isinstance(value, str)) for key, value in first.items()
    ]
    emit_rows(rows, columns, as_json, "no contract rules are known")
