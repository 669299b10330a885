"""`backtest`, `sweep`, `walkforward` and `check`: judge a strategy over stored candles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from core.domain.errors import BadInputError
from core.domain.rows import Row
from core.home.folder import Home
from core.lab.requests import CheckRequest, Lab, SweepRequest, ValidateRequest, WalkForwardRequest
from core.settings.values import Grid
from tui.cli.echo import echo
from tui.cli.lab_options import (
    ENGINES,
    check_targets,
    checked_grid,
    export_options,
    request_of,
    run_options,
    search_options,
)
from tui.cli.options import Duration
from tui.cli.output import emit_json
from tui.cli.progress import Watch, watched

if TYPE_CHECKING:
    from tui.cli.runtime import Runtime

Work = Callable[[Lab, Watch], Row]

engine_option = click.option(
    "--engine",
    type=click.Choice(list(ENGINES)),
    default="event",
    show_default=True,
    help="The live code on a virtual clock, or the fast sweep.",
)


@click.command()
@run_options
@engine_option
@export_options
@click.pass_obj
def backtest(
    runtime: Runtime, /, engine: str, exports: tuple[tuple[str, Path], ...], overwrite: bool, **options: Any
) -> None:
    """Run STRATEGY over stored candles, with all costs.

    The result is kept; see `quarterdeck runs`. Ctrl-C ends it early and keeps what was run so far,
    marked PARTIAL; twice keeps nothing.
    """
    request = request_of(options, ENGINES[engine])
    check_targets(exports, overwrite)
    _run(
        runtime,
        options,
        exports,
        overwrite,
        lambda lab, watch: lab.backtest(request, watch.progress, watch.should_stop),
    )


@click.command()
@run_options
@search_options
@click.option("--resume", metavar="SWEEP", help="Go on with a sweep; its own grid and period stand.")
@click.pass_obj
def sweep(
    runtime: Runtime, /, grid: Grid, trials: int | None, objective: str, resume: str | None, **options: Any
) -> None:
    """Try STRATEGY with many settings, the best first.

    Ctrl-C ends it early; --resume goes on. Every set that is tried is counted: the more there are, the less the best
    one proves.
    """
    run = request_of(options, "sweep")
    if resume is None and not grid and trials is None:
        raise BadInputError("say what to try: --grid KEY=5,10,20, or --trials N")
    if resume is not None:
        _refuse_beside_resume()
    request = SweepRequest(run, checked_grid(grid), trials, objective, resume)
    _run(runtime, options, (), False, lambda lab, watch: lab.sweep(request, watch.progress, watch.should_stop))


@click.command()
@run_options
@click.option("--train", "train_ms", type=Duration(), help="What parameters are chosen on, as 30d.")
@click.option("--test", "test_ms", type=Duration(), help="What they then trade, as 7d.")
@click.option("--anchored", is_flag=True, help="Let every training begin where the first does.")
@click.option("--embargo", "embargo_ms", type=Duration(), default=0, help="Left out between training and test, as 1h.")
@search_options
@export_options
@click.pass_obj
def walkforward(
    runtime: Runtime,
    /,
    train_ms: int | None,
    test_ms: int | None,
    anchored: bool,
    embargo_ms: int,
    grid: Grid,
    trials: int | None,
    objective: str,
    exports: tuple[tuple[str, Path], ...],
    overwrite: bool,
    **options: Any,
) -> None:
    """Choose STRATEGY's settings on the past, trade what came next.

    One account goes through all the tests, as it would have lived. Ctrl-C ends it early and keeps what was run so far,
    marked PARTIAL.
    """
    run = request_of(options, "event-driven")
    if run.preset is None and (train_ms is None or test_ms is None):
        raise BadInputError("say how long to train and to test: --train 30d --test 7d, or a --preset")
    if train_ms == 0 or test_ms == 0:
        raise BadInputError("--train and --test must be longer than nothing, as 30d and 7d")
    request = WalkForwardRequest(run, train_ms, test_ms, anchored, embargo_ms, checked_grid(grid), trials, objective)
    check_targets(exports, overwrite)
    _run(
        runtime,
        options,
        exports,
        overwrite,
        lambda lab, watch: lab.walk_forward(request, watch.progress, watch.should_stop),
    )


@click.command()
@run_options
@click.option("--only", multiple=True, metavar="CHECK", help="One check by its name; repeatable.  [all]")
@click.pass_obj
def check(runtime: Runtime, /, only: tuple[str, ...], **options: Any) -> None:
    """Look for look-ahead and other bias in STRATEGY.

    Exit code 1 when a fault is found.
    """
    from tui.cli.lab_text import check_text, terminal_width

    request = CheckRequest(request_of(options, "event-driven"), only)
    home: Home = options["home"]
    with watched(options["progress"]) as watch:
        row = runtime.lab(home.root).check(request, watch.progress, watch.should_stop)
    if options["as_json"]:
        emit_json(row)
    else:
        echo(check_text(row, terminal_width() or 120))
    click.get_current_context().exit(1 if row["faults"] else 0)


@click.command()
@run_options
@click.option("--folds", type=click.IntRange(2, 50), default=6, show_default=True, help="Runs of time to cut into.")
@click.option("--test-folds", type=click.IntRange(1, 10), default=2, show_default=True, help="Left out at a time.")
@click.option("--embargo", "embargo_ms", type=Duration(), default=0, help="Left out after each test, as 1h.")
@click.pass_obj
def validate(runtime: Runtime, /, folds: int, test_folds: int, embargo_ms: int, **options: Any) -> None:
    """Cross-validate STRATEGY's model over many paths, purged.

    Each path is the whole period, forecast by models that had not seen the part they forecast.
    """
    from tui.cli.lab_text import validation_text

    request = ValidateRequest(request_of(options, "event-driven"), folds, test_folds, embargo_ms)
    home: Home = options["home"]
    with watched(options["progress"]) as watch:
        row = runtime.lab(home.root).validate(request, watch.progress, watch.should_stop)
    if options["as_json"]:
        emit_json(row)
    else:
        echo(validation_text(row))


def _run(
    runtime: Runtime, options: dict[str, Any], exports: Sequence[tuple[str, Path]], overwrite: bool, work: Work
) -> None:
    """Do it under watch, write the exports, print the result. A result that is partial is none the less one."""
    from tui.cli.lab_text import show_result

    home: Home = options["home"]
    lab = runtime.lab(home.root)
    with watched(options["progress"]) as watch:
        row = work(lab, watch)
        if row["status"] == "partial":
            watch.say(f"stopped early: the result is PARTIAL; it is kept as {row['run_id']}")
        for form, path in exports:
            for file in lab.export(row["run_id"], form, path.absolute(), overwrite)["files"]:
                watch.say(f"wrote {file}")
    if options["as_json"]:
        emit_json(row)
    else:
        show_result(lab, row)
    click.get_current_context().exit(1 if row["status"] == "failed" else 0)


def _refuse_beside_resume() -> None:
    """Raises BadInputError where an option is given that a sweep, once begun, cannot change."""
    context = click.get_current_context()
    given = click.core.ParameterSource.COMMANDLINE
    names = ("symbols", "from_ms", "to_ms", "overrides", "preset", "seed", "note", "settings_path", "grid", "objective")
    for param in context.command.params:
        if param.name in names and context.get_parameter_source(param.name) is given:
            raise BadInputError(f"--resume goes on as the sweep began; leave out {param.opts[0]}")
