"""Module-level tasks for the tests of `core.compute.pool`: `function(shared, task)`."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.compute.pool import task_seed
from core.domain.errors import BadInputError


@dataclass(frozen=True, slots=True)
class Market:
    """Something like a history: columns among other things."""

    name: str
    close: NDArray[np.float64]


def draw(market: Market, index: int) -> tuple[int, float]:
    """Depends on the shared columns and on the task's own seed."""
    random = np.random.default_rng(task_seed(7, index))
    at = random.integers(0, market.close.shape[1], 1000)
    return index, float(market.close[:, at].sum() + random.normal())


def draw_or_die_once(given: tuple[Market, Path, int], index: int) -> tuple[int, float]:
    """The first time that the chosen task runs, its process is killed."""
    market, flag, deadly = given
    if index == deadly and not flag.exists():
        flag.touch()
        kill_own_process(None, None)
    return draw(market, index)


def kill_own_process(_shared: object, _task: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_at(deadly: int, index: int) -> int:
    if index == deadly:
        kill_own_process(None, None)
    return index


def look_around(market: Market, _task: int) -> tuple[int, str | None, str, bool, str]:
    """(process, its thread limit, type of the column, whether it can be written, name)."""
    columns = market.close
    return os.getpid(), os.environ.get("OMP_NUM_THREADS"), str(columns.dtype), columns.flags.writeable, market.name


def fail_at(bad: int, index: int) -> int:
    if index == bad:
        raise BadInputError("the grid is empty")
    return index


def say(words: str, _task: int) -> None:
    print(words, flush=True)


def unsendable(_shared: object, _task: int) -> object:
    return lambda: None


def wait_for(folder: Path, index: int) -> int:
    """Tells that it has begun, and waits for a file that comes when nobody waits for its answer."""
    (folder / str(index)).touch()
    while not (folder / "end").exists():
        time.sleep(0.01)
    return index


def wait_with_pid(folder: Path, _task: int) -> None:
    (folder / f"{os.getpid()}.pid").touch()
    while True:
        time.sleep(0.01)
