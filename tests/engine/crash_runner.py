"""Runs the scripted hour, keeps what a kill after each of its journal writes would leave, and starts again from each.

`python -m tests.engine.crash_runner TEMPLATE FOLDER FIRST STEP HOUR` handles the writes FIRST, FIRST + STEP, ... of the
hour that HOURS has under that name, and prints one JSON object: after how many writes it started again, how many of
those were kills of a process, how many starts came to the very state of the uncut hour and how many of its minutes had
one, and for each write after which the books differed, which tables did.

A start ends at the first minute at which its engine and its books are those of the uncut hour: what follows is told by
them and the market alone. One that never comes to that goes on to the end of the hour, as one behind a kill does, and
its books are compared there. It is a process of its own because a fork wants a parent without threads.
"""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import shutil
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from core.domain.market import MINUTE_MS
from core.engine.engine import Engine
from core.strategy.declaration import Strategy
from storage.database import Database
from tests.engine.books import read_books
from tests.engine.sameness import state_of
from tests.engine.scripted import LADDERED, START_MS, STRATEGY, run_hour

HOURS = {"plain": STRATEGY, "laddered": LADDERED}
KILLED_EACH = 27
"""Of a runner's writes, every so many-th is that of a process that kills itself: what it leaves is what was kept."""
SAME = 3
"""The exit code of a start that came to the state of the uncut hour."""

State = tuple[bytes, object]


def in_child(work: Callable[[], Coroutine[Any, Any, Any]]) -> int:
    """Run `work` in a forked child; the wait status."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            asyncio.run(work())
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1]


class Minutes:
    """What an engine and its books are before the first event of each minute of the hour."""

    def __init__(self, path: Path, seen: Callable[[int, State], None]) -> None:
        self._path = path
        self._seen = seen
        self._last = 0

    def look(self, time_ms: int, engine: Engine) -> None:
        minute = (time_ms - START_MS) // MINUTE_MS
        if minute > self._last:
            self._last = minute
            self._seen(minute, (state_of(engine), read_books(self._path)))


class Runner:
    """The writes FIRST, FIRST + STEP, ... of one hour."""

    def __init__(self, template: Path, folder: Path, first: int, step: int, strategy: Strategy) -> None:
        self._template = template
        self._folder = folder
        self._first = first
        self._step = step
        self._strategy = strategy
        self._uncut = folder / f"uncut-{first}.db"
        self._states: dict[int, State] = {}

    def run(self) -> dict[str, object]:
        writes = self._run_uncut()
        wanted = read_books(self._uncut)
        differing: dict[int, list[str]] = {}
        kills = came_to_it = 0
        for place, write in enumerate(writes):
            path = self._cut(write)
            if is_kill := place % KILLED_EACH == 0:
                self._kill(path, write)
                kills += 1
            status = self._start_again(path, to_the_end=is_kill)
            if status == SAME:
                came_to_it += 1
            elif status != 0:
                differing[write] = ["the restarted run failed"]
            else:
                books = read_books(path)
                if wrong := [name for name, rows in wanted.items() if books[name] != rows]:
                    differing[write] = wrong
            if write not in differing:
                _remove(path)
        return {
            "writes": len(writes),
            "last_write": writes[-1],
            "kills": kills,
            "came_to_it": came_to_it,
            "states": len({state for state, _ in self._states.values()}),
            "differing": differing,
            "rows": {name: len(rows) for name, rows in wanted.items()},
        }

    def _cut(self, write: int) -> Path:
        return self._folder / f"cut-{write}.db"

    def _run_uncut(self) -> list[int]:
        """The writes that are this runner's. What the disk holds after each of them is kept."""
        shutil.copy(self._template, self._uncut)
        told = self._uncut.with_suffix(".states")

        async def work() -> None:
            states: dict[int, State] = {}
            minutes = Minutes(self._uncut, states.__setitem__)
            await run_hour(Database(self._uncut), on_write=self._keep, strategy=self._strategy, look=minutes.look)
            told.write_bytes(pickle.dumps(states))

        if in_child(work) != 0:
            raise RuntimeError("the uncut run failed")
        self._states = pickle.loads(told.read_bytes())
        return sorted(int(path.stem.removeprefix("cut-")) for path in self._mine())

    def _mine(self) -> list[Path]:
        writes = ((int(path.stem.removeprefix("cut-")), path) for path in self._folder.glob("cut-*.db"))
        return [path for write, path in writes if write % self._step == self._first % self._step]

    def _keep(self, number: int) -> None:
        """On the writer's thread, just after a durable commit: nobody else writes."""
        write, is_before = divmod(number, 2)
        if not is_before and write % self._step == self._first % self._step:
            for suffix in ("-wal", ""):
                shutil.copy(f"{self._uncut}{suffix}", f"{self._cut(write)}{suffix}")

    def _kill(self, path: Path, write: int) -> None:
        """Leave at `path` what a process does that is killed just after that commit."""
        _remove(path)
        shutil.copy(self._template, path)

        def kill(number: int) -> None:
            if number == 2 * write:
                os.kill(os.getpid(), signal.SIGKILL)

        status = in_child(lambda: run_hour(Database(path), on_write=kill, strategy=self._strategy))
        if not os.WIFSIGNALED(status):
            raise RuntimeError(f"the run to be killed at write {write} was not, or failed by itself")

    def _start_again(self, path: Path, *, to_the_end: bool) -> int:
        """The exit code."""

        def seen(minute: int, state: State) -> None:
            if not to_the_end and state == self._states[minute]:
                os._exit(SAME)

        look = Minutes(path, seen).look
        return os.waitstatus_to_exitcode(in_child(lambda: run_hour(Database(path), strategy=self._strategy, look=look)))


def _remove(path: Path) -> None:
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()


if __name__ == "__main__":
    template, folder, first, step, hour = sys.argv[1:]
    runner = Runner(Path(template), Path(folder), int(first), int(step), HOURS[hour])
    print(json.dumps(runner.run()))
