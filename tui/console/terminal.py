"""The terminal underneath: its encoding, its signals, and its end."""

from __future__ import annotations

import asyncio
import codecs
import os
import signal
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TextIO

from core.domain.errors import QuarterdeckError
from tui.text.format import ASCII, UNICODE, Glyphs

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
LAST_RESORT_SECONDS = 1.0
LET_GO_SECONDS = 0.7
_LEAVE_TRIES, _LEAVE_EVERY_S = 20, 0.01
"""Together less than the two seconds after which a process that was told to end has ended."""
PATIENT_SECONDS = 4.0
"""Where something beside the console is being stopped and stores what it has."""
UNFIT = ("", "dumb", "unknown")
"""Values of TERM that name no terminal on which a screen can be drawn."""
_LEAVE = b"\x1b[?2026l\x1b[?1000l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[<u\x1b[?1049l\x1b[?25h"
"""Synchronised output, mouse, paste and key reports off; the normal screen; the cursor."""


def glyphs_for(stream: TextIO | None) -> Glyphs:
    """ASCII unless the stream that is drawn on takes UTF-8: Python would write escapes for everything else."""
    try:
        name = codecs.lookup(getattr(stream, "encoding", None) or "ascii").name
    except LookupError:
        return ASCII
    return UNICODE if name == "utf-8" else ASCII


def unfit(environ: Mapping[str, str]) -> str:
    """Why no console can be drawn on the terminal that the environment names; empty where one can."""
    term = environ.get("TERM", "").strip()
    named = f"TERM is {term!r}" if term else "TERM names no terminal"
    return f"{named}, on which no console can be drawn" if term in UNFIT else ""


class Interruptions:
    """Gives the terminal to the shell when the process is stopped, and takes it again when it goes on.

    A stop that no handler sees (SIGSTOP) leaves the terminal in whatever state others put it into since: then it is
    given back first, so that its modes are those from before the console when they are read anew.
    """

    def __init__(self, suspend: Callable[[], None], resume: Callable[[], None], repaint: Callable[[], None]) -> None:
        self._suspend, self._resume, self._repaint = suspend, resume, repaint
        self._given = False

    def install(self) -> None:
        """On the running loop, in place of the handlers that the driver of the screen has installed."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTSTP, self._stop)
        loop.add_signal_handler(signal.SIGCONT, self._go_on)

    def _stop(self) -> None:
        self._suspend()
        self._given = True
        os.kill(os.getpid(), signal.SIGSTOP)

    def _go_on(self) -> None:
        if not self._given:
            self._suspend()
        self._given = False
        self._resume()
        self._repaint()


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

    `let_go` is called first, for what else the process holds, and waited for a moment. Made before the console takes
    the terminal, whose modes it remembers.
    """

    def __init__(self, let_go: Callable[[], None]) -> None:
        self._let_go = let_go
        self._modes = termios.tcgetattr(0) if os.isatty(0) else None
        self._timer: threading.Timer | None = None
        self._exit_code = 1

    def arm(self, exit_code: int) -> None:
        if self._timer is None:
            self._exit_code = exit_code
            self._start(LAST_RESORT_SECONDS)

    def be_patient(self) -> None:
        """Wait longer, once it is armed: the loop works, and something is being stopped on it."""
        if self._timer is not None:
            self._timer.cancel()
            self._start(PATIENT_SECONDS)

    def disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _start(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._timer.start()

    def _end(self) -> None:
        """Nothing on the way may keep the process: a terminal that is gone refuses all of it."""
        try:
            letting_go = threading.Thread(target=self._try_to_let_go, daemon=True)
            letting_go.start()
            letting_go.join(LET_GO_SECONDS)
            if self._modes is not None:
                self._give_back(self._modes)
        finally:
            os._exit(self._exit_code)

    def _try_to_let_go(self) -> None:
        with suppress(QuarterdeckError):
            self._let_go()

    def _give_back(self, modes: list[Any]) -> None:
        with suppress(termios.error, OSError):
            os.set_blocking(2, False)
            termios.tcsetattr(0, termios.TCSANOW, modes)
            for _ in range(_LEAVE_TRIES):
                # Who is held in a write fills again what is emptied.
                termios.tcflush(0, termios.TCOFLUSH)
                with suppress(BlockingIOError):
                    os.write(2, _LEAVE)
                    return
                time.sleep(_LEAVE_EVERY_S)


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
