"""`data`: the candles a replay and a training live on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from core.control.requests import DeleteWish, ImportWish
from core.domain.errors import BadInputError
from core.domain.plain import plain
from core.domain.rows import Row
from core.home.folder import Home
from core.market.intervals import INTERVALS_MS
from core.market.kinds import KINDS
from core.market.streams import OBSERVED_KINDS
from tui.cli.echo import echo
from tui.cli.fetch_verb import fetch
from tui.cli.options import Moment, home_option, json_option, progress_option
from tui.cli.output import Column, any_value, emit_rows
from tui.cli.progress import watched
from tui.cli.rules_verbs import rules

if TYPE_CHECKING:
    from tui.cli.runtime import Runtime

NO_DATA = "no candles are stored in {home}; `data fetch` an exchange's, or `data import` your own"


@click.group()
def data() -> None:
    """Import, fetch, list, check and delete candles, funding and streams; contract rules."""


data.add_command(rules)
data.add_command(fetch)


@data.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--symbol", help="Such as BTCUSDT, where the file does not say it.")
@click.option("--interval", help="Such as 1m, where the file does not say it.")
@click.option("--kind", type=click.Choice(KINDS), help="Of which prices, where the file does not say it.")
@click.option("--stream", help="Such as vendor_funding, where columns and name do not tell which it is.")
@click.option(
    "--snapshot",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The order book that changes of one begin with, as the exchange told it.",
)
@click.option("--sort", is_flag=True, help="Put rows in order, and take equal ones once.")
@click.option("--replace", is_flag=True, help="Put the file's values in place of others that are stored.")
@click.option("--synthetic", is_flag=True, help="Made-up data: marked so for good.")
@home_option
@json_option
@progress_option
@click.pass_obj
def import_(
    runtime: Runtime,
    /,
    files: tuple[Path, ...],
    home: Home,
    as_json: bool,
    progress: str,
    **said: Any,
) -> None:
    """Take files of candles, funding and streams in, beside a running engine too.

    CSV, JSON (ccxt, freqtrade), Parquet and Feather; text also packed as .gz or .zip. Candles of mark, index and
    premium prices, and of spot, are kept apart from the contract's own. Streams are open interest, long against short,
    taker flow, liquidations, trades, quotes, order books and more; most are told by their columns. A bad file is
    refused whole. What was interrupted goes on where the same import is asked for again.
    """
    with watched(progress) as watch:
        rows = runtime.import_files(home.root, files, ImportWish(**said), watch.progress, watch.should_stop)
    emit_rows(rows, _columns(rows), as_json, "nothing was imported")
    for row in rows:
        for note in row.get("notes", ()):
            echo(plain(f"{row['file']}: {note}"), err=True)


@data.command("delete")
@click.argument("symbol")
@click.option("--from", "from_ms", type=Moment(), help="First time that goes (UTC).  [the first stored]")
@click.option("--to", "to_ms", type=Moment(), help="End of what goes (UTC, exclusive).  [behind the last stored]")
@click.option("--interval", type=click.Choice(tuple(INTERVALS_MS)), help="Only candles of this one.  [all]")
@click.option("--kind", type=click.Choice((*KINDS, *OBSERVED_KINDS)), help="Only this one.  [all]")
@home_option
@json_option
@progress_option
@click.pass_obj
def delete(
    runtime: Runtime,
    /,
    symbol: str,
    home: Home,
    as_json: bool,
    progress: str,
    **said: Any,
) -> None:
    """Take stored candles, funding and streams of a symbol out.

    Files can be imported again, and bars that came from an exchange stand elsewhere. Not beside a running engine.
    """
    wish = DeleteWish(symbol, **said)
    if wish.from_ms is not None and wish.to_ms is not None and wish.from_ms >= wish.to_ms:
        raise BadInputError("--from must lie before --to")
    with watched(progress) as watch:
        rows = runtime.delete_data(home.root, wish, watch.progress, watch.should_stop)
    emit_rows(rows, _columns(rows), as_json, "nothing was deleted")


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
        if key != "notes"
    ]


def _short(value: object) -> str:
    return str(value)[:12]
