"""`collect`: an exchange's streams gathered for later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from core.control.requests import CollectRequest
from core.domain.errors import RefusedError
from core.domain.rows import Row
from core.home.folder import Home
from tui.cli.echo import echo
from tui.cli.fetch_verb import EXCHANGES
from tui.cli.options import Duration, home_option, json_option, progress_option, settings_option
from tui.cli.output import Column, any_value, emit_json, table
from tui.cli.progress import watched

if TYPE_CHECKING:
    from tui.cli.runtime import Runtime


class Names(click.ParamType[tuple[str, ...]]):
    """Names with commas between them."""

    name = "NAME,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        names = tuple(name.strip() for name in str(value).split(","))
        if not all(names):
            self.fail(f"{value!r} has an empty name; write trades,book10,open_interest", param, ctx)
        return names


@click.command()
@click.argument("symbols", nargs=-1, required=True, metavar="SYMBOL...")
@click.option("--streams", type=Names(), required=True, help="Such as trades,book10,liquidations,open_interest.")
@click.option("--exchange", type=click.Choice(EXCHANGES), help="Whose market.  [settings]")
@click.option("--for", "for_ms", type=Duration(), help="End after so long.  [until it is stopped]")
@click.option(
    "--min-free-disk", "min_free_disk_mb", type=click.IntRange(min=0), metavar="MB",
    help="End when less is free on the home's disk.  [settings: 2000]",
)  # fmt: skip
@settings_option
@home_option
@json_option
@progress_option
@click.pass_obj
def collect(
    runtime: Runtime,
    /,
    home: Home,
    as_json: bool,
    progress: str,
    **said: Any,
) -> None:
    """Store streams of an exchange's market as they come, until SIGINT or SIGTERM.

    trades, book10 (the ten best levels), mark, liquidations, open_interest, long_short, taker_flow and funding, as far
    as the exchange tells them; no key is needed. What was missed is asked for where the exchange still tells it: trades
    by their numbers, and all that has periods. At the end, what came, what it takes of the disk and which holes are
    left. An engine may run in the home beside it. How long a stream is kept is in the settings, [collect].
    """
    request = CollectRequest(**said)
    with watched(progress) as watch:
        found = runtime.collect(home.root, request, watch.say, watch.progress, watch.should_stop)
    if as_json:
        emit_json(found)
    else:
        _tell(found)
    if found["stopped"]:
        raise RefusedError(found["stopped"])


def _tell(found: Row) -> None:
    rows = found["collected"]
    echo(
        table(
            rows,
            [
                Column(key, key.replace("_", " "), any_value(key), not isinstance(value, str))
                for key, value in rows[0].items()
            ],
        )
    )
    a_day = [row["mb_a_day"] for row in rows if row["mb_a_day"] is not None]
    size = f"about {sum(a_day):,.1f} MB a day; " if a_day else ""
    echo(f"{size}{found['free_mb']:,} MB are free", err=True)
