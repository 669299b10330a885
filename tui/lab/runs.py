"""A run of the lab in a process of its own, so that neither trading nor the console ever waits for it.

The process is the command itself. It writes how far it is to stderr, one JSON object a line, and the run's detail row
as JSON to stdout. SIGINT ends it with what it has.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol, cast

from core.domain.errors import UnavailableError
from core.domain.progress import Progress

NICE, NICEST = 10, 19
REPORT_OPTIONS = ("--json", "--progress", "json")
KEPT_WORDS = 20
LONGEST_LINE = 65_536
LONGEST_ANSWER = 16_777_216
PIPES_GRACE_S = 1.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a process that was asked to end may take before it is asked harder: after SIGINT, then after SIGTERM."""

    interrupt_s: float
    terminate_s: float


CALM = Patience(20.0, 5.0)
HASTY = Patience(2.5, 0.5)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. `status` is "complete", "partial" or "failed"; `run_id` is empty where nothing was stored.

    `message` is one line that says why, where it failed. `labels` are the run's warnings.
    """

    status: str
    run_id: str = ""
    message: str = ""
    labels: tuple[str, ...] = ()


class LabRun(Protocol):
    """One run under way."""

    def progress(self) -> Progress | None:
        """The newest word on how far it is."""
        ...

    def stop(self, patience: Patience) -> None:
        """Ask it to end with what it has, and see to it that it ends. A second call with less patience hurries."""
        ...

    async def wait(self) -> Outcome:
        """Returns once the process has ended and is reaped; may be awaited more than once."""
        ...


StartRun = Callable[[Sequence[str]], Awaitable[LabRun]]
"""Starts the command with these arguments: a verb, what it is about, its options. Raises UnavailableError."""


def starter(
    program: Sequence[str], options: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> StartRun:
    """Runs of `program`, each with `options` (such as --home and --settings) behind its own arguments."""

    async def start(arguments: Sequence[str]) -> LabRun:
        return await start_child([*program, *arguments, *options, *REPORT_OPTIONS], environment)

    return start


async def start_child(command: Sequence[str], environment: Mapping[str, str] | None = None) -> ChildRun:
    """Start `command` in a session of its own: a Ctrl-C or a hang-up of the terminal does not reach it.

    It yields the processor to trading. Raises UnavailableError.
    """
    loop = asyncio.get_running_loop()
    try:
        transport, run = await loop.subprocess_exec(
            lambda: ChildRun(loop),
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            env=environment,
        )
    except OSError as error:
        raise UnavailableError(f"{command[0]}: cannot be started: {error.strerror or error}") from error
    # The process is alone in its group as yet, so all that it starts will be as nice.
    with suppress(ProcessLookupError):
        nice = min(os.getpriority(os.PRIO_PROCESS, 0) + NICE, NICEST)
        os.setpriority(os.PRIO_PGRP, transport.get_pid(), nice)
    return run


class ChildRun(asyncio.SubprocessProtocol):
    """Implements LabRun with a child process. What it says is taken in as it comes, and never more than is kept."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._pid = 0
        self._progress: Progress | None = None
        self._line = bytearray()
        self._words: deque[str] = deque(maxlen=KEPT_WORDS)
        self._answer = bytearray()
        self._exited: asyncio.Future[None] = loop.create_future()
        self._closed: asyncio.Future[None] = loop.create_future()
        self._transport: asyncio.SubprocessTransport | None = None
        self._ending: asyncio.Task[None] | None = None
        self._deadline_s: float | None = None
        self._interrupted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)
        self._pid = self._transport.get_pid()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 1:
            self._answer += data[: LONGEST_ANSWER - len(self._answer)]
            return
        self._line += data
        while (end := self._line.find(b"\n")) >= 0:
            self._read(bytes(self._line[:end]))
            del self._line[: end + 1]
        if len(self._line) > LONGEST_LINE:
            self._read(bytes(self._line))
            self._line.clear()

    def process_exited(self) -> None:
        self._exited.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed.set_result(None)

    @property
    def pid(self) -> int:
        return self._pid

    def progress(self) -> Progress | None:
        return self._progress

    def stop(self, patience: Patience) -> None:
        if self._exited.done():
            return
        hurried = self._loop.time() + patience.interrupt_s + patience.terminate_s
        if self._ending is not None:
            if self._deadline_s is None or hurried >= self._deadline_s:
                return
            self._ending.cancel()
        self._deadline_s = hurried
        self._ending = self._loop.create_task(self._end(patience))

    async def wait(self) -> Outcome:
        await asyncio.shield(self._exited)
        # A process of its own that it left behind may hold the pipes open; nobody waits for that.
        await asyncio.wait((self._closed,), timeout=PIPES_GRACE_S)
        if self._transport is not None:
            self._transport.close()
        if self._ending is not None:
            await asyncio.wait((self._ending,))
        if self._line:
            self._read(bytes(self._line))
            self._line.clear()
        return self._outcome()

    async def _end(self, patience: Patience) -> None:
        steps = ((signal.SIGINT, patience.interrupt_s), (signal.SIGTERM, patience.terminate_s))
        for number, wait_s in steps:
            # A second SIGINT would tell the command to keep nothing.
            if number != signal.SIGINT or not self._interrupted:
                self._signal(number)
            self._interrupted = True
            await asyncio.wait((self._exited,), timeout=wait_s)
            if self._exited.done():
                return
        with suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)

    def _signal(self, number: int) -> None:
        # Through the transport, which knows when the process is reaped and its number another's.
        if self._transport is not None:
            with suppress(ProcessLookupError):
                self._transport.send_signal(number)

    def _read(self, line: bytes) -> None:
        """A line of stderr: progress, or words for the operator, which an error of the command is."""
        text = line.decode("utf-8", "replace").strip()
        progress = progress_of(text)
        if progress is not None:
            self._progress = progress
        elif text and "message" not in _object(text):
            self._words.append(text)

    def _outcome(self) -> Outcome:
        row = _object(self._answer.decode("utf-8", "replace"))
        run_id = row.get("run_id")
        if isinstance(run_id, str) and row.get("status") in ("complete", "partial", "failed"):
            labels = tuple(str(label) for label in row.get("labels", ()))
            return Outcome(row["status"], run_id, self._last_words() if row["status"] == "failed" else "", labels)
        return Outcome("failed", message=self._last_words() or self._manner())

    def _last_words(self) -> str:
        return self._words[-1].removeprefix("quarterdeck: ") if self._words else ""

    def _manner(self) -> str:
        code = self._transport.get_returncode() if self._transport is not None else None
        if code is not None and code < 0:
            return f"the run's process was ended by {signal.Signals(-code).name}"
        return f"the run's process ended with code {code} and said nothing"


def progress_of(line: str) -> Progress | None:
    """The progress that a line tells, None where it is something else."""
    row = _object(line) if line.startswith("{") else {}
    done, total = row.get("done"), row.get("total")
    if not isinstance(done, int) or not isinstance(total, int):
        return None
    return Progress(done, total, str(row.get("unit", "")), str(row.get("note", "")))


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
