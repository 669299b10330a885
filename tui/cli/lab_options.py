"""Options of the lab's verbs, how their text is read, and the request that they make."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import click

from core.domain.errors import BadInputError, RefusedError
from core.lab.requests import EXPORT_FORMS, OBJECTIVES, BacktestRequest, Engine
from core.lab.run.presets import PRESETS
from core.settings.values import MARKETS, Grid, Value
from tui.cli.options import Moment, home_option, json_option, progress_option, settings_option
from tui.lab.settings import NUMBER, read_value

F = TypeVar("F", bound=Callable[..., Any])

ENGINES: dict[str, Engine] = {"event": "event-driven", "sweep": "sweep"}
MAX_VALUES = 10_000

_RANGE = re.compile(rf"({NUMBER}):({NUMBER})(?::({NUMBER}))?")


class Setting(click.ParamType[tuple[str, Value]]):
    """key=value."""

    name = "KEY=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Value]:
        if isinstance(value, tuple):
            return value
        key, text = _split(self, value, param, ctx)
        return key, read_value(text)


class Axis(click.ParamType[tuple[str, tuple[Value, ...]]]):
    """key=a,b,c or key=low:high:step, both ends included."""

    name = "KEY=VALUES"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, tuple[Value, ...]]:
        if isinstance(value, tuple):
            return value
        key, text = _split(self, value, param, ctx)
        found = _RANGE.fullmatch(text)
        if found is None:
            values = tuple(read_value(part.strip()) for part in text.split(","))
        elif found[3] is None:
            self.fail(f"{value!r} has no step; write {key}={found[1]}:{found[2]}:STEP", param, ctx)
        else:
            values = _steps(*(Decimal(part) for part in found.groups()))
        wrong = ""
        if len(values) > MAX_VALUES:
            wrong = f"is more than {MAX_VALUES:,} values; take a larger step or fewer of them"
        elif not values:
            wrong = f"names no values; write {key}=5:20:5, the low end first and a step above zero"
        elif "" in values or len(set(values)) < len(values):
            wrong = f"names {'an empty value' if '' in values else 'a value twice'}; write {key}=5,10 or {key}=5:20:5"
        if wrong:
            self.fail(f"{value!r} {wrong}", param, ctx)
        return key, values


class ExportTo(click.ParamType[tuple[str, Path]]):
    """form=path."""

    name = "FORM=PATH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Path]:
        if isinstance(value, tuple):
            return value
        form, _, path = value.partition("=")
        if form not in EXPORT_FORMS or not path:
            self.fail(f"{value!r} is no FORM=PATH; forms are {', '.join(EXPORT_FORMS)}", param, ctx)
        return form, Path(path)


def run_options(function: F) -> F:
    """What every verb takes that runs a strategy; `request_of` reads them."""
    options = (
        click.argument("strategy"),
        click.option("--market", type=click.Choice(MARKETS), help="Your candles, or those of the program.  [settings]"),
        click.option("--symbol", "symbols", multiple=True, metavar="SYMBOL", help="Repeatable.  [settings]"),
        click.option("--from", "from_ms", type=Moment(), help="First bar's open (UTC).  [as early as it can]"),
        click.option("--to", "to_ms", type=Moment(), help="End of the period (UTC, exclusive).  [the data's last]"),
        click.option(
            "--set",
            "overrides",
            type=Setting(),
            multiple=True,
            help="A setting, of the strategy or SECTION.KEY; repeatable.",
        ),
        click.option(
            "--preset",
            type=click.Choice([preset.name for preset in PRESETS]),
            help="Training window, test period and retraining.",
        ),
        click.option("--seed", type=click.IntRange(min=0), help="For everything random.  [settings]"),
        click.option("--jobs", type=click.IntRange(1, 1024), help="Worker processes.  [settings: one a core]"),
        click.option("--note", default="", help="Kept with the result."),
        click.option("--predictions", metavar="RUN", help="Decide on what a stored run predicted; nothing is trained."),
        click.option("--allow-holes", is_flag=True, help="Run a period with holes; positions are closed before each."),
        home_option,
        settings_option,
        json_option,
        progress_option,
    )
    for option in reversed(options):
        function = option(function)
    return function


def search_options(function: F) -> F:
    """How parameters are looked for."""
    options = (
        click.option(
            "--grid", type=Axis(), multiple=True, help="Try KEY=5,10,20 or KEY=5:20:5 (low:high:step); repeatable."
        ),
        click.option(
            "--trials", type=click.IntRange(1, 1_000_000), help="Draw so many by Optuna, from the grid if any."
        ),
        click.option(
            "--objective", type=click.Choice(OBJECTIVES), default="sharpe", show_default=True, help="What to raise."
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def export_options(function: F) -> F:
    options = (
        click.option(
            "--export",
            "exports",
            type=ExportTo(),
            multiple=True,
            help=f"Write the result as {', '.join(EXPORT_FORMS)}; repeatable.",
        ),
        click.option("--overwrite", is_flag=True, help="Replace files that are there."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def request_of(options: dict[str, Any], engine: Engine) -> BacktestRequest:
    """The request of the options of `run_options`. Raises BadInputError where they contradict each other."""
    from_ms, to_ms = options["from_ms"], options["to_ms"]
    if from_ms is not None and to_ms is not None and from_ms >= to_ms:
        raise BadInputError("--from must lie before --to")
    symbols = options["symbols"]
    if len(set(symbols)) < len(symbols):
        raise BadInputError("--symbol names one symbol twice; name each once")
    return BacktestRequest(
        strategy=options["strategy"],
        settings_path=options["settings_path"],
        symbols=symbols,
        from_ms=from_ms,
        to_ms=to_ms,
        overrides=options["overrides"],
        preset=options["preset"],
        engine=engine,
        seed=options["seed"],
        jobs=options["jobs"],
        predictions=options["predictions"],
        note=options["note"],
        market=options["market"],
        allow_holes=options["allow_holes"],
    )


def checked_grid(grid: Grid) -> Grid:
    """Raises BadInputError where one key stands twice."""
    keys = [key for key, _ in grid]
    if len(set(keys)) < len(keys):
        raise BadInputError("--grid names one key twice; write all its values in one, as in KEY=5,10,20")
    return grid


def check_targets(exports: Sequence[tuple[str, Path]], overwrite: bool) -> None:
    """Refuse, before a long run and not after it, to write over a file. Raises RefusedError."""
    for _, path in exports:
        if path.is_file() and not overwrite:
            raise RefusedError(f"{path}: is there already; name another file or add --overwrite")


def _split(
    kind: click.ParamType[Any], value: str, param: click.Parameter | None, ctx: click.Context | None
) -> tuple[str, str]:
    key, equals, text = value.partition("=")
    if not equals or not re.fullmatch(r"[A-Za-z_]\w*(\.\w+)*", key.strip()):
        kind.fail(f"{value!r} is no {kind.name}", param, ctx)
    return key.strip(), text.strip()


def _steps(low: Decimal, high: Decimal, step: Decimal) -> tuple[Value, ...]:
    """Counted in decimals, so that 0.1:0.5:0.1 ends at 0.5; empty where they do not lead upwards, and of too many just
    one more than may be."""
    count = int((high - low) / step) + 1 if step > 0 and high >= low else 0
    values = (low + n * step for n in range(min(count, MAX_VALUES + 1)))
    whole = all(part == part.to_integral_value() for part in (low, step))
    return tuple(int(value) if whole else float(value) for value in values)
