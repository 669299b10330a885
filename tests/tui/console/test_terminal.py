"""The console on a real pseudo-terminal: it gives the terminal back, and goes when the terminal goes."""

from __future__ import annotations

import io
import os
import signal
import termios

import pytest

from tests.tui import pty_child
from tui.console import terminal
from tui.console.theme import ANSI, DARK, PLAIN, THEMES, default_theme, roles
from tui.text.format import ASCII, UNICODE

_DEAF = """
import os, signal
from tui.console.terminal import LastResort
last = LastResort(lambda: None)
signal.signal(signal.SIGHUP, lambda *_: last.arm(129))
os.write(1, b"RUNNING")
while True:
    signal.pause()
"""
_STALLED = """
import os, signal, sys, termios, threading, time
from core.control.protocol import CommandResult
from tests.tui.fake_control import FakeControl, snapshot
from tui.console.launch import run_console

class Stalling(FakeControl):
    async def send(self, request):
        termios.tcflow(0, termios.TCOOFF)
        os.kill(os.getpid(), signal.SIGTERM)
        return CommandResult("c1", True, "done")

sys.exit(run_console(Stalling(snapshot()), clock_ms=lambda: time.time_ns() // 1_000_000, version="0",
                     let_go=threading.Event().wait))
"""
"""A terminal that takes no more output once it was asked for something, and an engine that never ends."""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_gives_the_terminal_back(number: signal.Signals) -> None:
    child, master = pty_child.start()
    os.kill(child, number)
    rest = pty_child.read_to_the_end(master)
    _, status = os.waitpid(child, 0)
    os.close(master)
    assert os.waitstatus_to_exitcode(status) == 128 + number
    assert b"\x1b[?1049l" in rest
    assert b"\x1b[?25h" in rest


def test_a_closed_terminal_ends_the_process() -> None:
    child, master = pty_child.start()
    os.close(master)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 129


def test_the_last_resort_ends_a_process_whose_terminal_is_gone() -> None:
    child, master = pty_child.start(_DEAF)
    os.close(master)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 129


def test_a_signal_ends_a_console_whose_terminal_takes_nothing_and_whose_engine_hangs() -> None:
    child, master = pty_child.start(_STALLED)
    os.write(master, b"P")
    _, status = os.waitpid(child, 0)
    os.close(master)
    assert os.waitstatus_to_exitcode(status) == 128 + signal.SIGTERM


def test_the_last_resort_takes_less_than_two_seconds() -> None:
    assert terminal.LAST_RESORT_SECONDS + terminal.LET_GO_SECONDS < 2.0


def test_a_process_that_goes_on_takes_the_terminal_again_and_gives_it_back_as_it_was() -> None:
    child, master = pty_child.start()
    os.kill(child, signal.SIGSTOP)
    os.waitpid(child, os.WUNTRACED)
    os.kill(child, signal.SIGCONT)
    seen = b""
    while b"\x1b[?1049h" not in seen or b"RUNNING" not in seen.partition(b"\x1b[?1049h")[2]:
        seen += os.read(master, 65536)
    os.kill(child, signal.SIGTERM)
    pty_child.read_to_the_end(master)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 128 + signal.SIGTERM
    assert termios.tcgetattr(master)[3] & termios.ICANON
    os.close(master)


@pytest.mark.parametrize(
    ("encoding", "glyphs"), [("utf-8", UNICODE), ("UTF8", UNICODE), ("ascii", ASCII), ("latin-1", ASCII)]
)
def test_glyphs_follow_the_encoding(encoding: str, glyphs: object) -> None:
    assert terminal.glyphs_for(io.TextIOWrapper(io.BytesIO(), encoding=encoding)) is glyphs


def test_no_stream_means_ascii() -> None:
    assert terminal.glyphs_for(None) is ASCII


@pytest.mark.parametrize(
    ("environ", "theme"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, DARK),
        ({"TERM": "screen-256color"}, DARK),
        ({"TERM": "linux"}, ANSI),
        ({"TERM": "xterm"}, ANSI),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": ""}, ANSI),
    ],
)
def test_the_theme_follows_the_terminal(environ: dict[str, str], theme: str) -> None:
    assert default_theme(environ) == theme


def test_every_theme_styles_every_role() -> None:
    names = [set(roles(theme)) for theme in (*THEMES, PLAIN)]
    assert all(name == names[0] for name in names)
