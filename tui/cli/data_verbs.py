"""`data`: the candles a replay and a training live on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.home import Home
from core.runtime import Row
from tui.cli.options import home_option, json_option, progress_option
from tui.cli.output import Column, any_value, emit_rows
from tui.cli.progress import watched

if TYPE_CHECKING:
    from core.runtime import Runtime

NO_DATA = "no candles are stored in {home}; `quarterdeck run` brings the recorded market, `data import` your own"


@click.group()
def data() -> None:
    """Import, list and check candles and funding."""


@data.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--symbol", help="Such as BTCUSDT, where the file does not say it.")
@click.option("--interval", help="Such as 1m, where the file does not say it.")
@click.option("--synthetic", is_flag=True, help="Made-up data: marked so for good.")
@home_option
@json_option
@progress_option
@click.pass_obj
def import_(
    runtime: Runtime,
    files: tuple[Path, ...],
    symbol: str | None,
    interval: str | None,
    synthetic: bool,
    home: Home,
    as_json: bool,
    progress: str,
) -> None:
    """Take candle or funding files in, beside a running engine too.

    A bad file is refused whole. What was interrupted goes on where the same import is asked for again.
    """
    with watched(progress) as watch:
        rows = runtime.import_files(home.root, files, symbol, interval, synthetic, watch.progress, watch.should_stop)
    emit_rows(rows, _columns(rows), as_json, "nothing was imported")


@data.command("list")
@home_option
@json_option
@click.pass_obj
def list_(runtime: Runtime, home: Home, as_json: bool) -> None:
    """Show what is stored, with its source."""
    rows = runtime.list_data(home.root) if home.database.exists() else []
    emit_rows(rows, _columns(rows), as_json, NO_DATA.format(home=home.root))


@data.command("check")
@home_option
@json_option
@click.pass_obj
def check(runtime: Runtime, home: Home, as_json: bool) -> None:
    """Look for gaps, jumps and impossible candles; exit code 1 when there are any."""
    exists = home.database.exists()
    rows = runtime.check_data(home.root) if exists else []
    emit_rows(rows, _columns(rows), as_json, "no problem found" if exists else NO_DATA.format(home=home.root))
    click.get_current_context().exit(1 if rows else 0)


def _columns(rows: list[Row]) -> list[Column]:
    first = rows[0] if rows else {}
    return [
        Column(key, key.replace("_", " "), _short if key == "sha256" else any_value(key), not isinstance(value, str))
        for key, value in first.items()
    ]


def _short(value: object) -> str:
    return str(value)[:12]
