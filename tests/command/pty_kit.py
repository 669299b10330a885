"""The command in a terminal of its own: what it writes is read all the time, and shown on a screen when asked."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import pyte

from tests import patience
from tests.command import kit

T = TypeVar("T")


class Terminal:
    """A pseudo-terminal with the console in it as the leader of its session. A context; its exit kills the process."""

    def __init__(
        self, *arguments: object, columns: int = 120, lines: int = 40, command: Sequence[str] = tuple(kit.COMMAND)
    ) -> None:
        self._size = (columns, lines)
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.before = termios.tcgetattr(slave)
        self._output = bytearray()
        self._reading = threading.Event()
        self._closed = threading.Event()
        self._reading.set()
        self._slave = slave
        self.process = subprocess.Popen(
            [*command, *map(str, arguments)],
            cwd=kit.ROOT,
            env=kit.environment(COLORTERM="truecolor"),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        kit.end(self.process)
        if not self._closed.is_set():
            self.hang_up()

    def press(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def stop_reading(self) -> None:
        self._reading.clear()

    def is_full(self) -> bool:
        """Nothing more fits between the process and its reader: a further write blocks."""
        waiting = fcntl.ioctl(self.master, termios.FIONREAD, struct.pack("i", 0))
        return bool(struct.unpack("i", waiting)[0] >= 4095)

    def read_on(self) -> None:
        self._reading.set()

    def hang_up(self) -> None:
        """Close the terminal as a lost connection does: the kernel sends SIGHUP to the session's leader."""
        self._closed.set()
        self._thread.join()
        os.close(self._slave)
        os.close(self.master)

    @property
    def output(self) -> bytes:
        return bytes(self._output)

    def screen(self) -> str:
        screen = pyte.Screen(*self._size)
        pyte.ByteStream(screen).feed(self.output)
        return "\n".join(screen.display)

    def until_shown(self, *texts: str) -> str:
        def look() -> str | None:
            shown = self.screen()
            return shown if all(text in shown for text in texts) else None

        return self.until(look, f"{texts} on the screen")

    def until(self, look: Callable[[], T | None], what: str) -> T:
        """The first truthy thing that `look` sees while the console lives."""

        def looked() -> T | None:
            has_ended = self.process.poll() is not None
            seen = look()
            assert seen or not has_ended, f"{what} does not come: the console ended: {self.output[-3000:]!r}"
            return seen

        return patience.until(looked, what)

    def exit_code(self) -> int:
        return self.process.wait()

    def assert_restored(self) -> None:
        """The alternate screen is left, the cursor shown, the mouse silent, and the line mode the shell's."""
        kit.until(lambda: b"\x1b[?1049l" in self.output, "the main screen")
        rest = self.output.rpartition(b"\x1b[?1049l")
        assert b"\x1b[?1049h" not in rest[2]
        for mode in (b"1000", b"1003", b"1006", b"2004"):
            on, off = self.output.rfind(b"\x1b[?" + mode + b"h"), self.output.rfind(b"\x1b[?" + mode + b"l")
            assert on <= off, mode
        assert self.output.rfind(b"\x1b[?25h") > self.output.rfind(b"\x1b[?25l")
        assert termios.tcgetattr(self._slave) == self.before

    def _read(self) -> None:
        while not self._closed.is_set():
            self._reading.wait(0.05)
            if self._reading.is_set() and select.select([self.master], [], [], 0.05)[0]:
                with contextlib.suppress(OSError):
                    self._output += os.read(self.master, 65536)


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def console(home: Path, *arguments: object, columns: int = 120, lines: int = 40) -> Terminal:
    common = ["run", "--home", home, "--settings", kit.SETTINGS]
    return Terminal(*common, *arguments, columns=columns, lines=lines)
