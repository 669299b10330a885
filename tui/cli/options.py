"""Options that several verbs share, and how their text is read."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import click

from core.domain.errors import BadInputError, RefusedError
from core.home.folder import find_home
from tui.cli.progress import PROGRESS_FORMS
from tui.text.moments import MOMENT_FORMS, parse_moment

HOME_META = "quarterdeck.home"
MAX_SPEED = "max"
_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,15})?")
_UNITS_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000}

F = TypeVar("F", bound=Callable[..., Any])


def has_terminal() -> bool:
    """Whether a person can see a screen here and answer: the console draws on stderr and reads stdin."""
    return sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()


def check_terminal(way_out: str) -> None:
    """Raises BadInputError where it is none that a console can be drawn on; `way_out` is what can be done then."""
    from tui.console.terminal import unfit

    if why := unfit(os.environ):
        raise BadInputError(f"{why}; {way_out}, or set TERM to what the terminal is, as xterm-256color")


def _find_home(context: click.Context, _: click.Parameter, named: Path | None) -> object:
    home = find_home(named, os.environ)
    context.meta[HOME_META] = home
    return home


def home_option(function: F) -> F:
    return click.option(
        "--home",
        type=click.Path(file_okay=False, path_type=Path),
        callback=_find_home,
        metavar="DIR",
        help="The folder that holds the state.  [$QUARTERDECK_HOME, else your data folder]",
    )(function)


def settings_option(function: F) -> F:
    return click.option(
        "--settings",
        "settings_path",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="A settings.toml.  [HOME/settings.toml, else the defaults]",
    )(function)


def account_option(function: F) -> F:
    return click.option(
        "--account",
        type=click.Choice(["demo", "paper", "live", "testnet"]),
        help="Whose figures, where a home has traded in several modes.  [the running one, else the one written last]",
    )(function)


def json_option(function: F) -> F:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


def progress_option(function: F) -> F:
    return click.option(
        "--progress",
        type=click.Choice(PROGRESS_FORMS),
        default="auto",
        hidden=True,
        help="json: one object a line on stderr, for a program that starts this one.",
    )(function)


def limit_option(function: F) -> F:
    return click.option(
        "--limit",
        type=click.IntRange(1, 100_000),
        help="Only the newest so many.  [all]",
    )(function)


def yes_option(function: F) -> F:
    return click.option("--yes", is_flag=True, help="Do it without asking.")(function)


def confirm(question: str, yes: bool) -> None:
    """Go on only if the operator says so; the default is no. Raises RefusedError where nobody can be asked."""
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise RefusedError("not done: there is no terminal to ask on; add --yes")
    if not click.confirm(question, default=False, err=True):
        raise RefusedError("not done")


def confirm_typed(question: str, word: str) -> None:
    """Go on only if `word` is typed. Raises RefusedError otherwise, and where nobody can be asked."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise RefusedError("not done: there is no terminal to ask on; add --yes")
    if click.prompt(question, default="", show_default=False, err=True).strip() != word:
        raise RefusedError("not done: that was not it")


class Speed(click.ParamType[float | str]):
    """Market seconds per second, or "max"."""

    name = "X|max"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | str:
        if value == MAX_SPEED:
            return MAX_SPEED
        try:
            speed = float(value)
        except ValueError:
            speed = 0.0
        if not 0 < speed < float("inf"):
            self.fail(f"{value!r} is neither a number above 0 nor max", param, ctx)
        return speed


class Duration(click.ParamType[int]):
    """A number with m, h, d or w, as milliseconds."""

    name = "DURATION"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([mhdw])", value.strip())
        if found is None:
            self.fail(f"{value!r} is no duration; write 90m, 48h, 30d or 4w", param, ctx)
        return int(Decimal(found[1]) * _UNITS_MS[found[2]])


class Price(click.ParamType[str]):
    """A price in USDT above 0, its digits as they were written."""

    name = "PRICE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        written = str(value).strip()
        if not _NUMBER.fullmatch(written) or not Decimal(written):
            self.fail(f"{value!r} is no price; write a number above 0, as 61250.5", param, ctx)
        return written


class Percent(click.ParamType[str]):
    """A share in percent, above 0 and 100 at most, its digits as they were written."""

    name = "PERCENT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        written = str(value).strip()
        if not _NUMBER.fullmatch(written) or not 0 < Decimal(written) <= 100:
            self.fail(f"{value!r} is no share; write percent, above 0 and 100 at most, as 50", param, ctx)
        return written


class Moment(click.ParamType[int]):
    """An ISO date or time in UTC, or milliseconds since 1970."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        moment = parse_moment(str(value))
        if moment is None:
            self.fail(f"{value!r} is no time; write {MOMENT_FORMS}", param, ctx)
        return moment
