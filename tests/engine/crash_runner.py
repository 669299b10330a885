"""Runs the scripted hour in forked children that kill themselves at chosen journal writes, then goes on with it.

`python -m tests.engine.crash_runner TEMPLATE FOLDER FIRST STEP HOUR` handles the writes FIRST, FIRST + STEP, ... of the
hour that HOURS has under that name, and prints one JSON object: how often it was killed, and for each kill after which
the books differed, which tables did.
It is a process of its own because a fork wants a parent without threads.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from core.strategy.declaration import Strategy
from storage.database import Database
from tests.engine.books import read_books
from tests.engine.scripted import LADDERED, STRATEGY, run_hour

HOURS = {"plain": STRATEGY, "laddered": LADDERED}


def in_child(work: Callable[[], None]) -> int:
    """Run `work` in a forked child; the wait status."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1]


def killed_at(path: Path, write: int, strategy: Strategy) -> bool:
    """Run with a kill just after the `write`-th durable commit; False when there is none."""

    def kill(number: int) -> None:
        if number == 2 * write:
            os.kill(os.getpid(), signal.SIGKILL)

    status = in_child(lambda: void(run_hour(Database(path), on_write=kill, strategy=strategy)))
    if os.WIFSIGNALED(status):
        return True
    if os.WEXITSTATUS(status) != 0:
        raise RuntimeError(f"the run to be killed at write {write} failed by itself")
    return False


def void(hour: object) -> None:
    asyncio.run(hour)  # type: ignore[arg-type]


def main(template: Path, folder: Path, first: int, step: int, hour: str) -> dict[str, object]:
    strategy = HOURS[hour]
    uncut = folder / f"uncut-{first}.db"
    shutil.copy(template, uncut)
    if in_child(lambda: void(run_hour(Database(uncut), strategy=strategy))) != 0:
        raise RuntimeError("the uncut run failed")
    wanted = read_books(uncut)
    differing: dict[int, list[str]] = {}
    kills, write = 0, first
    while True:
        path = folder / f"cut-{write}.db"
        shutil.copy(template, path)
        if not killed_at(path, write, strategy):
            break
        kills += 1
        if in_child(lambda path=path: void(run_hour(Database(path), strategy=strategy))) != 0:  # type: ignore[misc]
            differing[write] = ["the restarted run failed"]
        else:
            books = read_books(path)
            wrong = [name for name, rows in wanted.items() if books[name] != rows]
            if wrong:
                differing[write] = wrong
        for leftover in folder.glob(f"cut-{write}.db*"):
            if write not in differing:
                leftover.unlink()
        write += step
    return {"kills": kills, "differing": differing, "rows": {name: len(rows) for name, rows in wanted.items()}}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])))
