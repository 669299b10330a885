"""Tasks on processes of this machine: joblib's loky workers."""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.compute.signals import block_stop_signals, ignore_stop_signals
from core.compute.worker import Answer, answer, pack, unpack
from core.domain.errors import ComputeError, WorkerLostError
from core.home.worker_log import check_worker_log, write_output_to

IDLE_WORKER_S = 60
PARENT_LOOK_S = 0.5


class LocalPool:
    """`processes` workers of one thread each, kept for the next run until they are idle for long."""

    def __init__(self, processes: int, function: bytes, shared: Path, log_path: Path | None) -> None:
        self._processes = processes
        self._function = function
        self._shared = str(shared)
        self._log_path = log_path

    def begin(self) -> LocalPool:
        return self

    def check(self) -> None:
        """Nothing can be amiss here that `answers` does not tell."""

    def answers(self, calls: Iterator[tuple[int, bytes]], one_by_one: bool) -> Iterator[Answer]:
        """To be used from one thread of its own, whose stop signals it blocks. Raises WorkerLostError, ComputeError."""
        import joblib
        from joblib.externals.loky import BrokenProcessPool

        _block_stop_signals()
        # joblib answers for one process by running in this one, which must outlive its tasks.
        processes = max(2, self._processes)
        begin = (os.getpid(), self._log_path)
        try:
            with joblib.parallel_config(
                "loky", n_jobs=processes, inner_max_num_threads=1, initializer=_settle_in, initargs=begin
            ):
                parallel = joblib.Parallel(
                    return_as="generator_unordered",
                    batch_size=1 if one_by_one else "auto",
                    idle_worker_timeout=IDLE_WORKER_S,
                )
                yield from parallel(joblib.delayed(perform)(self._function, self._shared, *call) for call in calls)
        except BrokenProcessPool as error:
            raise WorkerLostError("a worker process died") from error
        except Exception as error:
            raise ComputeError(f"worker processes: {type(error).__name__}: {error}") from error

    def halt(self) -> None:
        """End the workers, what they run too. From another thread; `answers` raises soon."""
        from joblib.externals.loky import get_reusable_executor

        get_reusable_executor(reuse=True).shutdown(wait=True, kill_workers=True)


def perform(function: bytes, shared: str, index: int, task: bytes) -> Answer:
    return answer(function, functools.partial(unpack, shared, None), index, task)


@contextmanager
def local_pool(processes: int, function: bytes, shared: object, log_path: Path | None) -> Iterator[LocalPool]:
    """A pool whose workers map `shared` from one file, which goes when the run or this process ends.

    Raises RefusedError where they could not write to `log_path`.
    """
    from joblib.externals.loky.backend import resource_tracker

    if log_path is not None:
        check_worker_log(log_path)
    folder = tempfile.mkdtemp(prefix="quarterdeck-")
    resource_tracker.register(folder, "folder")
    try:
        path = Path(folder) / "shared.joblib"
        pack(shared, str(path))
        yield LocalPool(processes, function, path, log_path)
    finally:
        shutil.rmtree(folder)
        resource_tracker.unregister(folder, "folder")


def _block_stop_signals() -> None:
    """What this thread starts is deaf to stop signals from its first instruction: Ctrl-C reaches the whole group.

    The two trackers go first, because their start unblocks what it finds blocked.
    """
    from multiprocessing import resource_tracker

    from joblib.externals.loky.backend import resource_tracker as loky_tracker

    block_stop_signals()
    resource_tracker.ensure_running()
    loky_tracker.ensure_running()
    block_stop_signals()


def _settle_in(parent: int, log_path: Path | None) -> None:
    """The first thing a worker does: it ends with its parent, by whatever means that ends."""
    ignore_stop_signals()
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    if log_path is not None:
        write_output_to(log_path)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_LOOK_S)
    os._exit(1)
