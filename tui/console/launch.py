"""Run the console on this process's terminal, and give the terminal back in every case."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable

from core.control.protocol import Seat
from tui.console import terminal
from tui.console.app import CLOSED_EXIT_CODE, FLUSH_HZ, QuarterdeckApp
from tui.console.arming import LiveStart
from tui.lab.desk import LabAccess


def run_console(
    control: Seat | None,
    *,
    connect: Callable[[], Awaitable[Seat]] | None = None,
    clock_ms: Callable[[], int],
    version: str,
    flush_hz: float = FLUSH_HZ,
    theme: str | None = None,
    engine_here: bool = True,
    mouse: bool = True,
    lab: LabAccess | None = None,
    let_go: Callable[[], None] = lambda: None,
    mode: str = "",
    live: LiveStart | None = None,
    left: Callable[[], Awaitable[None]] | None = None,
) -> int:
    """Run the console on this process's terminal until the operator leaves; returns the exit code.

    `lab` is the backtest lab that its panels show; None where there is none. `mode` is that of the engine to come;
    with `live` the operator has to confirm it first, and 1 is returned where they do not.
    `left` is awaited on the console's loop once it has left; `let_go` releases what else the process holds, where the
    terminal keeps the console from leaving after a signal.
    128 + n after signal n, 129 when the terminal was closed, the error's own code when `connect` failed.
    """
    watchdogs: list[threading.Timer] = []
    last_resort = terminal.LastResort(let_go)

    def alive() -> bool:
        if terminal.terminal_alive():
            return True
        if not watchdogs:
            watchdogs.append(terminal.abandon_terminal(CLOSED_EXIT_CODE))
        return False

    app = QuarterdeckApp(
        control,
        connect=connect,
        clock_ms=clock_ms,
        version=version,
        flush_hz=flush_hz,
        glyphs=terminal.glyphs_for(terminal.drawing_stream()),
        theme=theme,
        engine_here=engine_here,
        terminal_alive=alive,
        signalled=last_resort.arm,
        be_patient=last_resort.be_patient,
        lab=lab,
        mode=mode,
        live=live,
        left=left,
    )
    app.run(mouse=mouse)
    last_resort.disarm()
    for timer in watchdogs:
        timer.cancel()
    return app.return_code or 0
