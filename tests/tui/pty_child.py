"""A console on a fake engine in a child process, on a pseudo-terminal of its own."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import sys
import termios

CONSOLE = """
import sys, time
from tests.tui.fake_control import FakeControl, snapshot
from tui.console.launch import run_console
sys.exit(run_console(FakeControl(snapshot()), clock_ms=lambda: time.time_ns() // 1_000_000, version="0"))
"""


def start(code: str = CONSOLE) -> tuple[int, int]:
    """The child and its terminal, once it has drawn its status line."""
    child, master = pty.fork()
    if child == 0:
        os.environ.update(TERM="xterm-256color", COLORTERM="truecolor", PYTHONUTF8="1")
        os.execv(sys.executable, [sys.executable, "-c", code])
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    read_until(master, b"RUNNING")
    return child, master


def read_until(master: int, text: bytes) -> None:
    """OSError where the child ends before it writes `text`."""
    seen = b""
    while text not in seen:
        seen += os.read(master, 65536)


def read_to_the_end(master: int) -> bytes:
    seen = b""
    while True:
        try:
            chunk = os.read(master, 65536)
        except OSError:
            return seen
        if not chunk:
            return seen
        seen += chunk
