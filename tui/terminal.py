"""The terminal underneath: its encoding, its signals, and its end."""

from __future__ import annotations

import asyncio
import codecs
import os
import signal
import sys
import termios
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO

from core.domain.errors import QuarterdeckError
from tui.format import ASCII, UNICODE, Glyphs

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
LAST_RESORT_SECONDS = 4.0
_LEAVE = b"\x1b[?2026l\x1b[?1000l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[<u\x1b[?1049l\x1b[?25h"
"""Synchronised output, mouse, paste and key reports off; the normal screen; the cursor."""


def glyphs_for(stream: TextIO | None) -> Glyphs:
    """ASCII unless the stream that is drawn on takes UTF-8: Python would write escapes for everything else."""
    try:
        name = codecs.lookup(getattr(stream, "encoding", None) or "ascii").name
    except LookupError:
        return ASCII
    return UNICODE if name == "utf-8" else ASCII


def on_signals(act: Callable[[int], None], at_once: Callable[[int], None]) -> None:
    """Call both with the exit code (128 + number) when a signal asks the running loop's process to end.

    `act` on the loop; `at_once` in the main thread even while the loop is stuck in a write that nobody reads.
    """
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, act, 128 + number)
        # The loop is woken by the number in its pipe, not by the handler it installed; so that can be replaced.
        signal.signal(number, lambda received, _frame: at_once(128 + received))


class LastResort:
    """Ends a process that was told to end and cannot, because its terminal takes no more output.

    `let_go` is called first, for what else the process holds. Made before the console takes the terminal, whose modes
    it remembers.
    """

    def __init__(self, let_go: Callable[[], None]) -> None:
        self._let_go = let_go
        self._modes = termios.tcgetattr(0) if os.isatty(0) else None
        self._timer: threading.Timer | None = None

    def arm(self, exit_code: int) -> None:
        if self._timer is None:
            self._timer = threading.Timer(LAST_RESORT_SECONDS, self._end, (exit_code,))
            self._timer.daemon = True
            self._timer.start()

    def disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _end(self, exit_code: int) -> None:
        with suppress(QuarterdeckError):
            self._let_go()
        if self._modes is not None:
            termios.tcflush(0, termios.TCOFLUSH)
            termios.tcsetattr(0, termios.TCSANOW, self._modes)
            os.set_blocking(2, False)
            with suppress(BlockingIOError):
                os.write(2, _LEAVE)
        os._exit(exit_code)


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
