"""The terminal underneath: its encoding, its signals, and its end."""

from __future__ import annotations

import asyncio
import codecs
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import TextIO

from tui.format import ASCII, UNICODE, Glyphs

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
LAST_RESORT_SECONDS = 4.0


def glyphs_for(stream: TextIO | None) -> Glyphs:
    """ASCII unless the stream that is drawn on takes UTF-8: Python would write escapes for everything else."""
    try:
        name = codecs.lookup(getattr(stream, "encoding", None) or "ascii").name
    except LookupError:
        return ASCII
    return UNICODE if name == "utf-8" else ASCII


def on_signals(act: Callable[[int], None]) -> None:
    """Call `act` with the exit code (128 + number) when a signal asks the running loop's process to end."""
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, act, 128 + number)


def terminal_alive() -> bool:
    """False once the terminal that the console was started on has been closed."""
    return os.isatty(0)


def abandon_terminal(exit_code: int) -> threading.Timer:
    """Point the standard streams at nothing, so that a closed terminal can neither fail a write nor block one.

    If leaving still takes longer than LAST_RESORT_SECONDS, the process ends with `exit_code`: its journal makes that
    safe. Cancel the returned timer once the console has left.
    """
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.close(nothing)
    timer = threading.Timer(LAST_RESORT_SECONDS, os._exit, (exit_code,))
    timer.daemon = True
    timer.start()
    return timer


def drawing_stream() -> TextIO | None:
    """The stream Textual writes to."""
    return sys.__stderr__
