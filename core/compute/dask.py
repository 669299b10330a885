"""Tasks on a Dask cluster, through joblib's own backend for it."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import logging
import platform
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from core.compute.worker import Answer, Failure, answer, pack, unpack
from core.domain.errors import ComputeError, UnavailableError, WorkerLostError

CONNECT_TIMEOUT_S = 5
WORKER_TIMEOUT_S = 20
LOOKS_BETWEEN_COUNTS = 10
COUNTS_WITHOUT_WORKER = 20
IDLE_COUNTS = 5
COUNTS_UNCONNECTED = 60
COUNTS_AT_REST = 120
ASK_TIMEOUT_S = 5
OTHER_CODE = "a worker there has another version of Quarterdeck or of a library; install what this machine has"
_LIBRARIES = ("lightgbm", "numba", "numpy", "scipy")
_PACKAGES = ("core", "strategies")


@dataclass(frozen=True, slots=True)
class DaskPool:
    """The workers of one scheduler. `shared` is packed, `key` its hash."""

    scheduler: str
    function: bytes
    shared: bytes
    key: str

    def begin(self) -> DaskRound:
        return DaskRound(self)


def dask_pool(scheduler: str, function: bytes, shared: object) -> DaskPool:
    packed = pack(shared)
    return DaskPool(scheduler, function, packed, hashlib.blake2b(packed, digest_size=16).hexdigest())


class DaskRound:
    """One connection to the scheduler, and what is amiss with it."""

    def __init__(self, pool: DaskPool) -> None:
        self._pool = pool
        self._client: Any = None
        self._batches = _Batches()
        self._looks = 0
        self._looks_without_worker = 0
        self._idle_looks = 0
        self._looks_unconnected = 0
        self._looks_at_rest = 0

    def answers(self, calls: Iterator[tuple[int, bytes]], one_by_one: bool) -> Iterator[Answer]:
        """To be used from one thread of its own. Raises WorkerLostError, UnavailableError, ComputeError."""
        import joblib

        pool = self._pool
        client = self._client = connect(pool.scheduler)
        from distributed import KilledWorker

        try:
            backend = _watched_backend(client, pool.shared, self._batches)
            with joblib.parallel_config(backend):
                parallel = joblib.Parallel(return_as="generator_unordered", batch_size=1 if one_by_one else "auto")
                perform = joblib.delayed(perform_remotely)
                given = (code_hash(), pool.function, pool.key, pool.shared)
                yield from parallel(perform(*given, *call) for call in calls)
        except KilledWorker as error:
            raise WorkerLostError("every worker that took it died") from error
        except (CancelledError, OSError, TimeoutError) as error:
            raise WorkerLostError("its worker or its data was lost") from error
        except Exception as error:
            raise ComputeError(f"{self._pool.scheduler}: {type(error).__name__}: {error}") from error
        finally:
            client.close()

    def check(self) -> None:
        """Raises where no answer will come: WorkerLostError, or UnavailableError where no worker is left."""
        self._looks += 1
        if self._looks % LOOKS_BETWEEN_COUNTS:
            return
        if self._client is not None and self._client.status == "running":
            self._looks_unconnected = 0
            self._look_at_cluster()
            return
        # Opening and closing a connection have time limits of their own, which Dask may not keep.
        self._looks_unconnected += 1
        if self._looks_unconnected >= COUNTS_UNCONNECTED:
            raise UnavailableError(f"the connection to the Dask scheduler at {self._pool.scheduler} hangs; try again")

    def halt(self) -> None:
        """Take back what has not begun; `answers` raises soon. What a worker runs it ends, for nobody."""
        self._batches.give_up()

    def _look_at_cluster(self) -> None:
        try:
            processing = self._client.processing()
        except (OSError, TimeoutError):
            # A connection that is lost cancels every task, which `answers` tells.
            return
        self._looks_without_worker = 0 if processing else self._looks_without_worker + 1
        if self._looks_without_worker >= COUNTS_WITHOUT_WORKER:
            raise UnavailableError(_no_worker(self._pool.scheduler))
        # Dask or joblib may lose sight of a task when workers die in quick succession, and would wait for ever.
        self._idle_looks = 0 if any(processing.values()) or not processing else self._idle_looks + 1
        if self._idle_looks >= IDLE_COUNTS:
            raise WorkerLostError("the cluster is idle and has not answered")
        # Or the scheduler counts tasks as under way of which the workers know nothing.
        is_at_rest = any(processing.values()) and not self._is_anything_run()
        self._looks_at_rest = self._looks_at_rest + 1 if is_at_rest else 0
        if self._looks_at_rest >= COUNTS_AT_REST:
            raise WorkerLostError("the workers run nothing of what they were given")

    def _is_anything_run(self) -> bool:
        """Whether any worker, asked itself, is in the middle of a task. Where one does not answer it may be: a task
        that holds the interpreter keeps its worker from it. What hangs for good Dask itself takes out."""
        try:
            stacks = self._client.sync(self._client.scheduler.call_stack, callback_timeout=ASK_TIMEOUT_S)
        except (OSError, TimeoutError):
            return True
        return any(stacks.values())


def perform_remotely(code: str, function: bytes, key: str, shared: bytes, index: int, task: bytes) -> Answer:
    """In a worker of the cluster: refuses a task that was made by other code, whose figures would differ."""
    if code != code_hash():
        return index, Failure(platform.node(), OTHER_CODE, "", UnavailableError.exit_code)
    return answer(function, functools.partial(unpack, key, shared), index, task)


@functools.cache
def code_hash() -> str:
    """Of the interpreter, the libraries and the product's modules that a figure depends on."""
    digest = hashlib.blake2b(platform.python_version().encode(), digest_size=16)
    for name in _LIBRARIES:
        with suppress(PackageNotFoundError):
            digest.update(f"{name} {version(name)}".encode())
    for package in _PACKAGES:
        spec = importlib.util.find_spec(package)
        for root in (spec and spec.submodule_search_locations) or ():
            for path in sorted(Path(root).rglob("*.py")):
                digest.update(path.relative_to(root).as_posix().encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()


def describe(scheduler: str) -> str:
    """The cluster in a few words. Raises UnavailableError where it is not there, or a worker has other code."""
    client = connect(scheduler)
    try:
        found: dict[str, str] = client.run(code_hash)
        threads = sum(client.ncores().values())
    except Exception as error:
        raise UnavailableError(f"{scheduler}: {type(error).__name__}: {error}") from error
    finally:
        client.close()
    others = [worker for worker, code in found.items() if code != code_hash()]
    if others:
        raise UnavailableError(f"{', '.join(others)}: {OTHER_CODE}")
    return f"Dask at {scheduler}, {len(found)} workers, {threads} threads"


def connect(scheduler: str) -> Any:
    """A client of `scheduler`, which has at least one worker. Raises UnavailableError."""
    try:
        from distributed import Client
    except ImportError as error:
        raise UnavailableError("Dask is not installed; install it with: pip install 'quarterdeck[cluster]'") from error
    _log_with_the_rest()
    try:
        client: Any = Client(scheduler, timeout=CONNECT_TIMEOUT_S, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise UnavailableError(
            f"no Dask scheduler answers at {scheduler}; start one there, or mend compute.scheduler"
        ) from error
    try:
        client.wait_for_workers(1, timeout=WORKER_TIMEOUT_S)
    except TimeoutError as error:
        client.close()
        raise UnavailableError(_no_worker(scheduler)) from error
    return client


def _no_worker(scheduler: str) -> str:
    return f"the Dask scheduler at {scheduler} has no worker; start some with: dask worker {scheduler} --nthreads 1"


def _log_with_the_rest() -> None:
    """Dask writes its log to the terminal by handlers of its own; ours may show a console."""
    names = [name for name in logging.root.manager.loggerDict if name.split(".")[0] == "distributed"]
    for name in names:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True


@dataclass(frozen=True, slots=True)
class _Lost:
    """In place of a batch of answers."""

    error: BaseException


class _Batches:
    """joblib's callbacks of the batches that are under way, by their futures."""

    def __init__(self) -> None:
        self._callbacks: dict[Future[object], Callable[[object], object]] = {}

    def sent(self, future: Future[object], callback: Callable[[object], object]) -> None:
        self._callbacks[future] = callback
        future.add_done_callback(self._done)

    def _done(self, future: Future[object]) -> None:
        callback = self._callbacks.pop(future, None)
        error = future.exception()
        if error is not None and callback is not None:
            callback(_Lost(error))

    def give_up(self) -> None:
        """Have joblib end its run as if one of them were lost."""
        for callback in list(self._callbacks.values())[:1]:
            callback(_Lost(CancelledError()))


def _same(packed: bytes) -> bytes:
    return packed


def _watched_backend(client: Any, shared: bytes, batches: _Batches) -> Any:
    """joblib's backend, which sends `shared` to every worker once; `batches` are told to it.

    joblib 1.6 itself does not tell its run of a batch that Dask has given up: it would wait for ever.
    """
    import dask.config
    from joblib._dask import DaskDistributedBackend

    class WatchedBackend(DaskDistributedBackend):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(client=client)
            # A task of its own rather than what Dask calls scattered: it can be had again when its holders die.
            # Dask warns of a large graph, which this is once, and not for each task.
            with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"}):
                self.data_futures = {id(shared): client.submit(_same, shared, pure=False)}

        def effective_n_jobs(self, n_jobs: int) -> int:
            # For one job, as of a cluster with one worker left, joblib would run everything in this process.
            return max(2, int(super().effective_n_jobs(n_jobs)))

        def submit(self, func: object, callback: Callable[[object], object]) -> Future[object]:
            future: Future[object] = super().submit(func, callback)
            batches.sent(future, callback)
            return future

        def retrieve_result_callback(self, out: object) -> object:
            if isinstance(out, _Lost):
                raise out.error
            return super().retrieve_result_callback(out)

    return WatchedBackend()
