"""`data fetch`: candles, funding, mark prices and contract rules over the network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.control.requests import FetchRequest
from core.domain.errors import BadInputError, UnavailableError
from core.domain.rows import Row
from core.home.folder import Home
from core.market.intervals import INTERVALS_MS
from tui.cli.echo import echo
from tui.cli.options import Duration, Moment, home_option, json_option, progress_option, settings_option
from tui.cli.output import Column, any_value, emit_json, table
from tui.cli.progress import watched

if TYPE_CHECKING:
    from tui.cli.runtime import Runtime

LAST_MS = 30 * 86_400_000
EXCHANGES = ("binanceusdm", "mexc", "apex")


@click.command()
@click.argument("symbols", nargs=-1, required=True, metavar="SYMBOL...")
@click.option("--interval", type=click.Choice(tuple(INTERVALS_MS)), default="1m", help="Of the candles.  [1m]")
@click.option("--last", "last_ms", type=Duration(), help="The period up to now.  [30d]")
@click.option("--from", "from_ms", type=Moment(), help="First candle's open (UTC).")
@click.option("--to", "to_ms", type=Moment(), help="End of the period (UTC, exclusive).  [now]")
@click.option("--exchange", type=click.Choice(EXCHANGES), help="Whose market.  [settings]")
@click.option("--mark/--no-mark", default=True, help="Candles of the mark price, too, or not.  [--mark]")
@settings_option
@home_option
@json_option
@progress_option
@click.pass_obj
def fetch(
    runtime: Runtime,
    symbols: tuple[str, ...],
    interval: str,
    last_ms: int | None,
    from_ms: int | None,
    to_ms: int | None,
    exchange: str | None,
    mark: bool,
    settings_path: Path | None,
    home: Home,
    as_json: bool,
    progress: str,
) -> None:
    """Fetch candles, funding, candles of the mark price, and contract rules; exit code 3 where the exchange was out of
    reach and something is missing.

    Whole past months and days come from the exchange's published archive, each file checked by its checksum; the rest
    from the exchange. Only what is missing is asked for: what was interrupted goes on where the same is asked again.
    """
    begin_ms = _begin(last_ms, from_ms, to_ms)
    request = FetchRequest(symbols, interval, begin_ms, to_ms, exchange, settings_path, mark)
    with watched(progress) as watch:
        found = runtime.fetch_data(home.root, request, watch.say, watch.progress, watch.should_stop)
    if as_json:
        emit_json(found)
    else:
        _tell(found)
    click.get_current_context().exit(UnavailableError.exit_code if found["left_out"] else 0)


def _tell(found: Row) -> None:
    echo(_table(found["fetched"]) if found["fetched"] else "nothing was missing, and nothing was fetched")
    for contract in found["contracts"]:
        echo(_rules(contract), err=True)
    if found["problems"]:
        echo(f"data check finds {len(found['problems'])}:\n{_table(found['problems'])}", err=True)
    else:
        echo("data check finds no problem", err=True)


def _begin(last_ms: int | None, from_ms: int | None, to_ms: int | None) -> int:
    from core.clock import SystemClock

    if last_ms is not None and (from_ms is not None or to_ms is not None):
        raise BadInputError("--last is a period up to now; give it, or --from and --to, not both")
    if from_ms is None and to_ms is not None:
        raise BadInputError("--to needs --from")
    now_ms = SystemClock().now_ms()
    begin_ms = now_ms - (LAST_MS if last_ms is None else last_ms) if from_ms is None else from_ms
    if begin_ms >= min(now_ms, now_ms if to_ms is None else to_ms):
        raise BadInputError("the period holds no time that has passed; correct --from, --to or --last")
    return begin_ms


def _rules(contract: Row) -> str:
    assumed = f"; not told without an account: {', '.join(contract['assumed'])}" if contract["assumed"] else ""
    return (
        f"{contract['symbol']}: rules of {contract['source']}: tick {contract['tick_size']}, lot "
        f"{contract['lot_size']}, at least {contract['min_notional_usdt']} USDT{assumed}"
    )


def _table(rows: list[Row]) -> str:
    return table(
        rows,
        [
            Column(key, key.replace("_", " "), any_value(key), not isinstance(value, str))
            for key, value in rows[0].items()
        ],
    )
