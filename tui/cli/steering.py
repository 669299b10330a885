"""Verbs that steer the running engine of a home, so that they work where no console does."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import click

from core.control.client import no_engine, request
from core.control.operations import OPERATIONS, Argument, Kind, Operation
from core.control.request import Value, Values
from core.domain.errors import QuarterdeckError, RefusedError, StorageError, UnavailableError
from core.home.folder import Home, engine_pid
from tui.cli.echo import echo
from tui.cli.options import Duration, Percent, Price, confirm, home_option, json_option, yes_option
from tui.cli.output import emit_json

if TYPE_CHECKING:
    from core.control.protocol import CommandResult

TIMEOUT_S = 35.0

E = TypeVar("E", bound=QuarterdeckError)


def _verb(operation: Operation) -> click.Command:
    """The verb of an act, with its arguments as the registry has them."""

    def act(home: Home, as_json: bool, yes: bool = False, take_over: bool = False, **given: Value) -> None:
        values = {
            a.name: str(given[a.name]).upper() if a.kind is Kind.SYMBOL else given[a.name]
            for a in operation.arguments
            if given[a.name] is not None
        }
        if operation.question is not None:
            _need_engine(home, operation.words.without)
            confirm(f"{operation.question(values)}?", yes)
        _steer(home, operation, values | ({"lease": "over"} if take_over else {}), as_json)

    wanted = [_PARAMETERS[argument.kind](argument) for argument in operation.arguments]
    wanted += [] if operation.reduces else [_take_over_option]
    wanted += [*([yes_option] if operation.danger.asks else []), home_option, json_option]
    for option in reversed(wanted):
        act = option(act)
    return click.command(operation.id, help=_help(operation))(act)


def _symbol(argument: Argument) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.argument(argument.name, **({"required": True} if argument.needed else {"default": ""}))


def _trade(argument: Argument) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.argument(argument.name, required=argument.needed)


def _price(argument: Argument) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.argument(argument.name, type=Price(), required=argument.needed)


def _percent(argument: Argument) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option(f"--{argument.name.removesuffix('_pct')}", argument.name, type=Percent(), help=argument.words)


def _flag(argument: Argument) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option(f"--{argument.name.replace('_', '-')}", is_flag=True, help=argument.words)


def _text(argument: Argument) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option(f"--{argument.name}", metavar="TEXT", default="", help=argument.words)


def _duration(argument: Argument) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option(f"--{argument.name.removesuffix('_ms')}", argument.name, type=Duration(), help=argument.words)


def _take_over_option(function: Callable[..., None]) -> Callable[..., None]:
    return click.option("--take-over", is_flag=True, help="Although a console holds the write lease: it loses it.")(
        function
    )


_PARAMETERS = {
    Kind.SYMBOL: _symbol,
    Kind.FLAG: _flag,
    Kind.TEXT: _text,
    Kind.DURATION: _duration,
    Kind.TRADE: _trade,
    Kind.PERCENT: _percent,
    Kind.PRICE: _price,
}


def _help(operation: Operation) -> str:
    clauses = [operation.words.order, *(a.words for a in operation.arguments if a.kind.is_named)]
    return f"{', '.join(clauses)}.{' Asks first.' if operation.danger.asks else ''}"


def _need_engine(home: Home, without: str) -> None:
    """Raises UnavailableError, before anything is asked, where there is nobody to carry the answer out; `without` says
    what can be done then."""
    if engine_pid(home) is None:
        raise _with_way_out(no_engine(home), without)


def _with_way_out(error: E, without: str) -> E:
    told = str(error)
    return error if not without or without in told else type(error)(f"{told}; {without}")


def _steer(home: Home, operation: Operation, values: Values, as_json: bool) -> None:
    """Raises RefusedError with the engine's own words when it refuses, and with the way out UnavailableError where none
    answers and StorageError where it ended by that."""
    params = {"verb": operation.id, "operator": operator("cli"), **values}
    try:
        result = _as_result(request(home, "command", params, TIMEOUT_S, any_version=operation.reduces))
    except (UnavailableError, StorageError) as error:
        raise _with_way_out(error, operation.words.without) from error
    if as_json:
        from msgspec import structs

        emit_json(structs.asdict(result))
    if not result.accepted:
        raise RefusedError(result.message)
    if not as_json:
        echo(result.message)


def _as_result(row: object) -> CommandResult:
    from core.control.codec import decode
    from core.control.protocol import CommandResult

    return decode(CommandResult, row)


def operator(face: str) -> str:
    """Who asks, and by which face, for the journal."""
    import pwd

    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = str(os.getuid())
    return f"{face}:{name}"[:64]


VERBS = tuple(_verb(operation) for operation in OPERATIONS.values())
"""A verb for each act on a running engine."""
