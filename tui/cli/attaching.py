"""`attach`: the console alone, at an engine that runs in another process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from core.control.client import request
from core.domain.errors import BadInputError
from core.home.folder import Home, engine_pid
from tui.cli.about import installed_version
from tui.cli.echo import echo
from tui.cli.options import check_terminal, has_terminal, home_option
from tui.cli.steering import operator

if TYPE_CHECKING:
    from core.control.protocol import Seat
    from tui.cli.runtime import Runtime


@click.command()
@click.option("--read-only", is_flag=True, help="Never take the write lease: look on, and make risk smaller at most.")
@home_option
@click.pass_obj
def attach(runtime: Runtime, read_only: bool, home: Home) -> None:
    """Open a console on the engine that runs in a home; leaving it leaves the engine alone.

    Of several consoles one at a time holds the write lease. Where the engine ends this one waits for its next run.
    """
    if not has_terminal():
        raise BadInputError("there is no terminal here to draw the console on; `quarterdeck status` needs none")
    check_terminal("look with `quarterdeck status`")
    who = operator("console")
    # Told before the terminal is taken: that no engine runs, or one of another version.
    request(home, "attach", {"operator": who, "lease": "none"})
    click.get_current_context().exit(_console(runtime, home, who, read_only))


def _console(runtime: Runtime, home: Home, who: str, read_only: bool) -> int:
    import asyncio
    import contextlib

    from core.clock import SystemClock
    from core.control.attach import SocketSeat
    from tui.cli.running import COMMAND
    from tui.console.launch import run_console
    from tui.lab.desk import LabAccess
    from tui.lab.runs import starter

    following: list[asyncio.Task[None]] = []

    async def connect() -> Seat:
        seat = SocketSeat(home, who, looks_on=read_only)
        await seat.connect()
        following.append(asyncio.create_task(seat.follow()))
        return seat

    async def left() -> None:
        for task in following:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    code = run_console(
        None,
        connect=connect,
        clock_ms=SystemClock().now_ms,
        version=installed_version(),
        engine_here=False,
        lab=LabAccess(runtime.lab(home.root), starter(COMMAND, ("--home", str(home.root))), None),
        left=left,
    )
    if code == 0 and engine_pid(home) is not None:
        echo(f"the console has left; the engine in {home.root} goes on", err=True)
    return code
