"""Tasks spread over processes by joblib: of this machine, or of a Dask cluster.

What a run gives depends on its tasks alone, not on the number of workers or the order in which they answer.
"""

from __future__ import annotations

import pickle
import queue
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Literal, Protocol, TypeVar

import numpy as np

from core.compute.worker import Answer, Failure, failure_of
from core.domain.errors import TaskError, WorkerLostError

if TYPE_CHECKING:
    from core.settings.schema import ComputeSettings

S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R")

ATTEMPTS = 3
NO_TASK = -1
LOOK_UP_S = 0.1
HALT_TRIES = 100

_local_in_use = threading.Lock()


@dataclass(frozen=True, slots=True)
class Compute:
    """Where tasks run. `jobs` local processes, 0 for one a core; a cluster has the workers it has.

    `log_path` receives what local workers write to their standard output and error; without it they share ours.
    """

    backend: Literal["local", "dask"] = "local"
    jobs: int = 0
    scheduler: str = ""
    log_path: Path | None = None

    @property
    def processes(self) -> int:
        """Local processes: those asked for, else as many as the cores that this process may use."""
        if self.jobs:
            return self.jobs
        import joblib

        return int(joblib.cpu_count())


def compute_of(settings: ComputeSettings, jobs: int | None = None, log_path: Path | None = None) -> Compute:
    """The settings' choice; `jobs` is the operator's own where given."""
    return Compute(settings.backend, settings.jobs if jobs is None else jobs, settings.scheduler, log_path)


def task_seed(run_seed: int, index: int) -> int:
    """The seed of task `index`, 31 bits wide: the same whatever ran before it, and wherever.

    It is the first word of numpy's SeedSequence(run_seed).spawn child `index`; 31 bits are what LightGBM takes.
    """
    return int(np.random.SeedSequence(run_seed, spawn_key=(index,)).generate_state(1, np.uint32)[0]) & 0x7FFF_FFFF


def run_tasks(
    function: Callable[[S, T], R],
    shared: S,
    tasks: Sequence[T],
    compute: Compute,
    *,
    on_result: Callable[[int, R], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> list[R | None]:
    """`function(shared, task)` of every task, in the order of `tasks`; None where the run was stopped before.

    `function` is module-level, or a functools.partial of one. `shared` is sent once to each worker and is not to be
    written into. `on_result` hears of each result as it arrives, in this thread. `should_stop` is asked about ten times
    a second: once True, nothing more begins, and what still runs is ended here or left to itself on a cluster. With one
    local process everything runs in this one, and a stop waits for the task at hand. Local runs of several threads
    follow each other.

    A lost worker costs its tasks a retry. A task whose workers die again and again is at last run alone, so that the
    one that is named is the one that does it.

    Raises TaskError where a task raised, WorkerLostError where one kills its workers, UnavailableError where there is
    no cluster, ComputeError where tasks cannot be sent. What arrived before was given to `on_result`.
    """
    run = _Run(tasks, on_result or (lambda index, result: None), should_stop or (lambda: False))
    if compute.backend == "local" and compute.processes == 1:
        _run_here(function, shared, run)
    elif tasks:
        packed = pickle.dumps(function, pickle.HIGHEST_PROTOCOL)
        with _pool(compute, packed, shared, len(tasks), run.should_stop) as pool:
            if pool is not None:
                _run_in(pool, run)
    return [run.results.get(index) for index in range(len(tasks))]


def probe(compute: Compute) -> str:
    """What is there, in the operator's words, after it answered. Raises as `run_tasks` does."""
    if compute.backend == "dask":
        from core.compute.dask import describe

        found = describe(compute.scheduler)
    else:
        found = f"{compute.processes} local process{'es' if compute.processes > 1 else ''}"
    run_tasks(_echo, None, range(2 * compute.processes), compute)
    return f"{found}; tasks are answered"


def _echo(_shared: None, task: int) -> int:
    return task


@dataclass(slots=True)
class _Run(Generic[T, R]):
    """What is to be done, and what has arrived."""

    tasks: Sequence[T]
    on_result: Callable[[int, R], None]
    should_stop: Callable[[], bool]
    results: dict[int, R] = field(default_factory=dict)

    def keep(self, index: int, result: R) -> None:
        self.results[index] = result
        self.on_result(index, result)

    def error(self, index: int, failure: Failure) -> TaskError:
        text = f"task {index + 1} of {len(self.tasks)}: {failure.kind}: {failure.text}"
        return TaskError(index, text, failure.exit_code)


class _Round(Protocol):
    """`answers` is for one thread of its own; `check` and `halt` are for the one that waits."""

    def answers(self, calls: Iterator[tuple[int, bytes]], one_by_one: bool) -> Iterator[Answer]: ...

    def check(self) -> None: ...

    def halt(self) -> None: ...


class _Pool(Protocol):
    def begin(self) -> _Round: ...


def _run_here(function: Callable[[S, T], R], shared: S, run: _Run[T, R]) -> None:
    for index, task in enumerate(run.tasks):
        if run.should_stop():
            return
        try:
            result = function(shared, task)
        except Exception as error:
            raise run.error(index, failure_of(error)) from error
        run.keep(index, result)


def _run_in(pool: _Pool, run: _Run[T, R]) -> None:
    """Rounds of what is missing, until nothing is. A round ends when a worker is lost."""
    losses: Counter[int] = Counter()
    while len(run.results) < len(run.tasks) and not run.should_stop():
        missing = [index for index in range(len(run.tasks)) if index not in run.results]
        suspects = [index for index in missing if losses[index] >= ATTEMPTS - 1]
        chosen = suspects[:1] or missing
        sent: list[int] = []
        try:
            _run_round(pool.begin(), run, chosen, sent, one_by_one=bool(losses))
        except WorkerLostError as error:
            losses.update([index for index in sent if index not in run.results] or [NO_TASK])
            alone = len(chosen) == 1 and losses[chosen[0]] >= ATTEMPTS
            if alone or losses[NO_TASK] >= ATTEMPTS:
                name = f"task {chosen[0] + 1} of {len(run.tasks)}: " if alone else ""
                mend = "memory may be short, or a library crashes"
                raise WorkerLostError(f"{name}{error}, {ATTEMPTS} times; {mend}") from error


def _run_round(round_: _Round, run: _Run[T, R], chosen: Sequence[int], sent: list[int], *, one_by_one: bool) -> None:
    """`sent` is told what was handed to workers, or was about to be."""

    def calls() -> Iterator[tuple[int, bytes]]:
        for index in chosen:
            sent.append(index)
            yield index, pickle.dumps(run.tasks[index], pickle.HIGHEST_PROTOCOL)

    with closing(_arriving(round_, calls(), one_by_one, run.should_stop)) as arriving:
        for index, outcome in arriving:
            if isinstance(outcome, Failure):
                raise run.error(index, outcome) from WorkerTrace(outcome.trace)
            if index not in run.results:
                run.keep(index, pickle.loads(outcome))  # noqa: S301 - packed by our own worker


class WorkerTrace(Exception):  # noqa: N818 - stands below a TaskError in its traceback, as what caused it
    """The traceback that a worker saw."""

    def __str__(self) -> str:
        return f"in the worker:\n{self.args[0]}"


def _arriving(
    round_: _Round, calls: Iterator[tuple[int, bytes]], one_by_one: bool, should_stop: Callable[[], bool]
) -> Generator[Answer, None, None]:
    """The pool's answers, brought by a thread, so that stopping is not held up by a task that runs for long."""
    arrived: queue.SimpleQueue[Answer | _End] = queue.SimpleQueue()

    def bring() -> None:
        try:
            for found in round_.answers(calls, one_by_one):
                arrived.put(found)
            arrived.put(_End(None))
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits for the answers
            arrived.put(_End(error))

    thread = threading.Thread(target=bring, name="compute", daemon=True)
    thread.start()
    ended = False
    try:
        while not ended:
            if should_stop():
                _halt(round_, thread)
                yield from _left(arrived)
                return
            try:
                item = arrived.get(timeout=LOOK_UP_S)
            except queue.Empty:
                round_.check()
                continue
            if not isinstance(item, _End):
                yield item
                continue
            ended = True
            thread.join()
            if item.error is not None:
                raise item.error
    finally:
        _halt(round_, thread)


def _halt(round_: _Round, thread: threading.Thread) -> None:
    """More than once, because a pool may only be starting."""
    for _ in range(HALT_TRIES):
        if not thread.is_alive():
            return
        round_.halt()
        thread.join(LOOK_UP_S)


def _left(arrived: queue.SimpleQueue[Answer | _End]) -> Iterator[Answer]:
    while not arrived.empty():
        item = arrived.get()
        if not isinstance(item, _End):
            yield item


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None


@contextmanager
def _pool(
    compute: Compute, function: bytes, shared: object, tasks: int, should_stop: Callable[[], bool]
) -> Iterator[_Pool | None]:
    """None where the run was stopped while it waited for another."""
    if compute.backend == "dask":
        from core.compute.dask import dask_pool

        yield dask_pool(compute.scheduler, function, shared)
        return
    from core.compute.local import local_pool

    while not _local_in_use.acquire(timeout=LOOK_UP_S):
        if should_stop():
            yield None
            return
    try:
        with local_pool(min(compute.processes, tasks), function, shared, compute.log_path) as workers:
            yield workers
    finally:
        _local_in_use.release()
