"""The command line. It must answer at once, so everything heavy is imported by the verb that needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tui.cli.about import version
from tui.cli.attaching import attach
from tui.cli.care import backup, doctor
from tui.cli.collect_verb import collect
from tui.cli.data_verbs import data
from tui.cli.group import VerbGroup
from tui.cli.lab_verbs import backtest, check, sweep, validate, walkforward
from tui.cli.log_verb import logs
from tui.cli.panic_verb import panic
from tui.cli.reading import limits, models, orders, positions, signals, stats, status, trades
from tui.cli.replay_verb import replay
from tui.cli.running import run
from tui.cli.runs_verbs import runs
from tui.cli.steering import VERBS
from tui.cli.strategy_verb import strategy
from tui.cli.warned import route_warnings

if TYPE_CHECKING:
    from tui.cli.runtime import Runtime


@click.group(cls=VerbGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=version, help="Show the version.")
def cli() -> None:
    """Trade crypto perpetual futures with machine learning, from a terminal.

    Without a verb, `run`. State lives in one folder: --home, else $QUARTERDECK_HOME, else your data folder.

    Exit codes: 0 done, 1 refused, 2 wrong usage or bad input, 3 no engine runs or a venue is out of reach.
    """


for verb in (run, attach, status, positions, orders, trades, signals, stats, models, limits, logs):
    cli.add_command(verb)
for verb in (*VERBS, panic, data, collect, doctor, backup, replay):
    cli.add_command(verb)
for verb in (backtest, sweep, walkforward, validate, check, runs, strategy):
    cli.add_command(verb)


def main(runtime: Runtime) -> int:
    """Run the command line of this process; the exit code."""
    route_warnings()
    try:
        cli.main(prog_name="quarterdeck", obj=runtime)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
