"""A program on a pseudo terminal whose output is only collected while it runs and read as pictures afterwards.

A terminal that reads slowly stalls the program that draws on it, so nothing is interpreted meanwhile but the one query
whose answer turns synchronized output on.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pyte

from benchmarks.processes import ROOT, STOP_TIMEOUT_S

COLUMNS, LINES = 120, 40
_SYNC_QUERY, _SYNC_ANSWER = b"\x1b[?2026$p", b"\x1b[?2026;2$y"
# What pyte 0.8.2 does not know and would print: mode queries, the kitty keyboard's and the modifier keys' sequences.
_UNKNOWN = re.compile(rb"\x1b\[\?[0-9;]*\$p|\x1b\[[<>=?][0-9;:]*u|\x1b\[>[0-9;]*m")


@dataclass
class Terminal:
    """`chunks` are what the program wrote, each with the nanosecond at which it was read."""

    process: subprocess.Popen[bytes]
    master: int
    started_ns: int
    chunks: list[tuple[int, bytes]] = field(default_factory=list)

    def press(self, keys: str) -> int:
        """Type `keys`; the nanosecond before."""
        now_ns = time.perf_counter_ns()
        os.write(self.master, keys.encode())
        return now_ns

    def wrote(self, text: bytes) -> bool:
        return any(text in chunk for _, chunk in self.chunks)

    def bytes_written(self) -> int:
        return sum(len(chunk) for _, chunk in self.chunks)

    def collect(self, over: threading.Event) -> None:
        while not over.is_set():
            if not select.select([self.master], [], [], 0.05)[0]:
                continue
            try:
                chunk = os.read(self.master, 65_536)
            except OSError:
                return
            self.chunks.append((time.perf_counter_ns(), chunk))
            if _SYNC_QUERY in chunk:
                os.write(self.master, _SYNC_ANSWER)


@contextmanager
def terminal(command: Sequence[str]) -> Iterator[Terminal]:
    """Run `command` on a terminal of its own; at the end it is told to stop, and killed where it does not."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"}
    started_ns = time.perf_counter_ns()
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
    )
    os.close(slave)
    shown = Terminal(process, master, started_ns)
    over = threading.Event()
    reader = threading.Thread(target=shown.collect, args=(over,), daemon=True)
    reader.start()
    try:
        yield shown
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        over.set()
        reader.join()
        os.close(master)


class Pictures:
    """The screen as it was after each chunk, told in order of time."""

    def __init__(self, chunks: Sequence[tuple[int, bytes]]) -> None:
        self._screen = pyte.Screen(COLUMNS, LINES)
        self._stream = pyte.ByteStream(self._screen)
        self._chunks = chunks
        self._next = 0
        self._rest = b""

    def forward_to(self, time_ns: int) -> None:
        """Draw what was read before `time_ns`."""
        while self._next < len(self._chunks) and self._chunks[self._next][0] < time_ns:
            self._draw()

    def first_with(self, seen: Callable[[str], bool], until_ns: int | None = None) -> int | None:
        """The time of the next chunk after which `seen` is true of the screen's text, None when there is none."""
        while self._next < len(self._chunks):
            time_ns = self._chunks[self._next][0]
            if until_ns is not None and time_ns >= until_ns:
                return None
            self._draw()
            if seen("\n".join(self._screen.display)):
                return time_ns
        return None

    def last_lines(self, count: int) -> str:
        """The lowest lines of the last picture that are not empty."""
        self.forward_to(time.perf_counter_ns())
        return " | ".join([line.strip() for line in self._screen.display if line.strip()][-count:])

    def _draw(self) -> None:
        data = self._rest + self._chunks[self._next][1]
        self._next += 1
        # A sequence cut by the end of a read waits for its other half.
        cut = data.rfind(b"\x1b", max(0, len(data) - 24))
        whole = cut < 0 or re.match(rb"\x1b(\[[0-?]*[ -/]*[@-~]|[^\[])", data[cut:])
        data, self._rest = (data, b"") if whole else (data[:cut], data[cut:])
        self._stream.feed(_UNKNOWN.sub(b"", data))
