"""`doctor` and `backup`: look after an installation."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.domain.errors import RefusedError, UnavailableError
from core.domain.finding import worst
from core.home.folder import Home
from tui.cli.echo import echo
from tui.cli.options import home_option, json_option, settings_option
from tui.cli.output import emit_json

if TYPE_CHECKING:
    from tui.cli.runtime import Runtime


_MARKS = {True: "ok ", None: "?  ", False: "NOT"}
_EXIT_CODES = {True: 0, None: UnavailableError.exit_code, False: RefusedError.exit_code}


@click.command()
@click.option("--workers", is_flag=True, help="Start a worker process too (seconds).")
@click.option("--exchange", is_flag=True, help="Ask the exchange of the settings too: reach, clock, key, modes.")
@home_option
@settings_option
@json_option
@click.pass_obj
def doctor(
    runtime: Runtime, workers: bool, exchange: bool, home: Home, settings_path: Path | None, as_json: bool
) -> None:
    """Check this machine and the home, and say how to mend what is wrong.

    Exit code 1 when anything is wrong, 3 when something could not be found out.
    """
    from tui.cli.checks import local_findings

    findings = local_findings(home, settings_path)
    findings += runtime.doctor(home.root, settings_path, workers, exchange)
    if as_json:
        emit_json([{**asdict(finding), "verdict": finding.verdict} for finding in findings])
    else:
        width = max(len(finding.name) for finding in findings)
        for finding in findings:
            echo(f"{_MARKS[finding.ok]}  {finding.name:<{width}}  {finding.detail}")
            if finding.mend:
                echo(f"{'':<{width + 5}}  mend: {finding.mend}")
    click.get_current_context().exit(_EXIT_CODES[worst(findings)])


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@home_option
@json_option
@click.pass_obj
def backup(runtime: Runtime, file: Path, home: Home, as_json: bool) -> None:
    """Copy the database to FILE, whole, also beside a running engine."""
    row = runtime.backup(home.root, file.absolute())
    if as_json:
        emit_json(row)
    else:
        echo(f"{home.database} is copied to {file}")
