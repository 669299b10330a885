"""Worker processes that wait for calls: where models are trained and asked.

Two lanes, so that a training never delays a prediction. A worker lives on a lifeline: the reading end of a pipe whose
writing end only the engine's process holds. When that end closes, because the lane stops or because the process is gone
by whatever means, the worker exits at once, in the middle of a training too.
"""

from __future__ import annotations

import asyncio
import functools
import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import ParamSpec, TypeVar

from core.compute.signals import ignore_stop_signals, stop_signals_blocked
from core.domain.errors import ModelError, QuarterdeckError
from core.home.worker_log import check_worker_log, write_output_to

P = ParamSpec("P")
R = TypeVar("R")

INFERENCE_TIMEOUT_S = 60.0
TRAINING_TIMEOUT_S = 900.0
MAX_WAITING = 64


class WorkerPool:
    """One inference worker and `training_workers` niced ones. Started by the first call, used from one event loop.

    Calls run in the order in which they are made. `log_path` receives what a worker writes to its standard output and
    error; without it they are discarded, because a console owns the terminal. Raises RefusedError where it cannot be
    written.
    """

    def __init__(self, training_workers: int, training_nice: int, log_path: Path | None = None) -> None:
        if log_path is not None:
            check_worker_log(log_path)
        self._inference = _Lane("inference", 1, 0, INFERENCE_TIMEOUT_S, log_path)
        self._training = _Lane("training", training_workers, training_nice, TRAINING_TIMEOUT_S, log_path)

    async def infer(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a module-level function in the inference worker.

        Raises ModelError when the worker died, did not answer in time, is asked too much, or `function` failed; the
        next call finds a new worker. The product's own errors come through as they are.
        """
        return await self._inference.call(function, *args, **kwargs)

    async def train(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """The same in a training worker."""
        return await self._training.call(function, *args, **kwargs)

    async def warm_up(self, function: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Run `function` once in every worker, all at the same time. Raises the first ModelError after all ended."""
        lanes = [self._inference] + [self._training] * self._training.processes
        calls = [lane.call(function, *args, **kwargs) for lane in lanes]
        for outcome in await asyncio.gather(*calls, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    def restarts(self) -> dict[str, int]:
        """How often each lane lost its workers."""
        return {lane.name: lane.restarts for lane in (self._inference, self._training)}

    async def close(self) -> None:
        """End every worker now; calls that still run raise ModelError."""
        await asyncio.gather(self._inference.close(), self._training.close())


class _Lane:
    """Workers of one kind. A call waits for a free one; a worker is started when it is first needed."""

    def __init__(self, name: str, processes: int, nice: int, timeout_s: float, log_path: Path | None) -> None:
        self.name = name
        self.processes = processes
        self.restarts = 0
        self._nice = nice
        self._timeout_s = timeout_s
        self._log_path = log_path
        self._free = asyncio.Semaphore(processes)
        self._idle: list[_Worker] = []
        self._started: set[_Worker] = set()
        self._waiting = 0
        self._closed = False

    async def call(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        if self._waiting >= MAX_WAITING:
            raise ModelError(f"{self.name} worker: {MAX_WAITING} calls wait already; raise engine.training_workers")
        self._waiting += 1
        try:
            async with self._free:
                return await self._run(functools.partial(function, *args, **kwargs))
        finally:
            self._waiting -= 1

    async def _run(self, task: Callable[[], R]) -> R:
        if self._closed:
            raise ModelError(f"{self.name} worker: the engine is stopping")
        worker = self._idle.pop() if self._idle else _Worker(self._nice, self._log_path)
        self._started.add(worker)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await worker.submit(task)
        except QuarterdeckError:
            raise
        except BrokenExecutor as error:
            self._lose(worker)
            what = "stopped with the engine" if self._closed else "died during a call; the next call starts a new one"
            raise ModelError(f"{self.name} worker {what}") from error
        except TimeoutError as error:
            self._lose(worker)
            raise ModelError(f"{self.name} worker gave no answer within {self._timeout_s:g} s and was ended") from error
        except Exception as error:
            raise ModelError(f"{self.name} worker: {type(error).__name__}: {error}") from error
        finally:
            if worker in self._started:
                self._idle.append(worker)

    def _lose(self, worker: _Worker) -> None:
        if worker in self._started:
            self._started.remove(worker)
            self.restarts += 1
            worker.cut()
            worker.release(wait=False)

    async def close(self) -> None:
        self._closed = True
        workers, self._started = self._started, set()
        for worker in workers:
            worker.cut()
        await asyncio.gather(*(asyncio.to_thread(worker.release, True) for worker in workers))


class _Worker:
    """One process, from its first call to the cut of its lifeline.

    An executor for each: one of several processes does not notice the death of a process that it started while it was
    already waiting (CPython 3.11), and breaks all of them when it does.
    """

    def __init__(self, nice: int, log_path: Path | None) -> None:
        context = multiprocessing.get_context("spawn")
        self._worker_end, self._our_end = context.Pipe(duplex=False)
        # The first executor starts multiprocessing's resource tracker, which by itself is not deaf to SIGHUP.
        with stop_signals_blocked():
            self._executor = ProcessPoolExecutor(
                1, context, initializer=_settle_in, initargs=(self._worker_end, nice, log_path)
            )

    async def submit(self, task: Callable[[], R]) -> R:
        with stop_signals_blocked():
            answer = asyncio.get_running_loop().run_in_executor(self._executor, task)
        return await answer

    def cut(self) -> None:
        """The process exits, now; its call fails."""
        self._our_end.close()
        self._worker_end.close()

    def release(self, wait: bool) -> None:
        """After the cut. With `wait` returns when the process is gone."""
        self._executor.shutdown(wait=wait)


def _settle_in(lifeline: Connection, nice: int, log_path: Path | None) -> None:
    """The first thing a worker does."""
    threading.Thread(target=_exit_with, args=(lifeline,), daemon=True).start()
    ignore_stop_signals()
    os.environ["OMP_NUM_THREADS"] = "1"
    os.nice(nice)
    write_output_to(log_path)


def _exit_with(lifeline: Connection) -> None:
    lifeline.poll(None)
    os._exit(1)
