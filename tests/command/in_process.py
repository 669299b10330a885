"""The command line on the real runtime, without the start of a process, and what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from quarterdeck import QuarterdeckRuntime
from tui.cli import cli


def command(home: Path, *arguments: object) -> Result:
    return CliRunner().invoke(cli, [*map(str, arguments), "--home", str(home)], obj=QuarterdeckRuntime())


def told(result: Result) -> Any:
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def refused(result: Result) -> str:
    """The one line on which it was."""
    assert (result.exit_code, result.stdout) == (2, ""), result.stderr
    (line,) = result.stderr.splitlines()
    return line
