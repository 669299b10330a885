"""Verbs that steer the running engine of a home, so that they work where no console does."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from core.control.client import no_engine, request
from core.domain.errors import RefusedError, UnavailableError
from core.home.folder import Home, engine_pid
from tui.cli.echo import echo
from tui.cli.options import confirm, home_option, json_option, yes_option
from tui.cli.output import emit_json

if TYPE_CHECKING:
    from core.control.protocol import CommandResult

TIMEOUT_S = 35.0


@click.command()
@home_option
@json_option
def pause(home: Home, as_json: bool) -> None:
    """Stop opening positions; stops, targets and exits go on. `resume` ends it."""
    _steer(home, "pause", as_json)


@click.command()
@yes_option
@home_option
@json_option
def resume(home: Home, yes: bool, as_json: bool) -> None:
    """Open positions again after a pause or halt. Asks first."""
    _need_engine(home)
    confirm("Let the engine open positions again?", yes)
    _steer(home, "resume", as_json)


@click.command()
@home_option
@json_option
def halt(home: Home, as_json: bool) -> None:
    """Stop opening positions and cancel pending entries; stops and targets stay. `resume` ends it."""
    _steer(home, "halt", as_json)


@click.command()
@click.argument("symbol", default="")
@click.option("--include-external", is_flag=True, help="Also what others placed in the account; else it is left alone.")
@yes_option
@home_option
@json_option
def flatten(home: Home, symbol: str, include_external: bool, yes: bool, as_json: bool) -> None:
    """Close all positions at market and pause, or only that of SYMBOL. Asks first."""
    symbol = symbol.upper()
    what = f"Close the position in {symbol} at market" if symbol else "Close ALL positions at market and pause"
    if include_external:
        what += ", with orders and positions that OTHERS placed in this account"
    _need_engine(home, "; where none can start, `quarterdeck panic` closes a live account at the exchange")
    confirm(f"{what}?", yes)
    _steer(home, "flatten", as_json, symbol, include_external)


def _need_engine(home: Home, without: str = "") -> None:
    """Raises UnavailableError, before anything is asked, where there is nobody to carry the answer out; `without` says
    what can be done then."""
    if engine_pid(home) is None:
        raise UnavailableError(f"{no_engine(home)}{without}")


def _steer(home: Home, verb: str, as_json: bool, symbol: str = "", include_external: bool = False) -> None:
    """Raises RefusedError with the engine's own words when it refuses."""
    params = {"verb": verb, "symbol": symbol, "operator": _operator(), "include_external": include_external}
    result = _as_result(request(home, "command", params, TIMEOUT_S))
    if as_json:
        emit_json(asdict(result))
    if not result.accepted:
        raise RefusedError(result.message)
    if not as_json:
        echo(result.message)


def _as_result(row: object) -> CommandResult:
    from core.control.codec import decode
    from core.control.protocol import CommandResult

    return decode(CommandResult, row)


def _operator() -> str:
    """Who asks, for the journal."""
    import pwd

    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = str(os.getuid())
    return f"cli:{name}"[:64]
