"""Tasks on a Dask cluster, through joblib's own backend for it."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import logging
import platform
import queue
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from core.compute_worker import Answer, Failure, answer, pack, unpack
from core.domain.errors import ComputeError, UnavailableError, WorkerLostError

CONNECT_TIMEOUT_S = 5
WORKER_TIMEOUT_S = 20
LOOKS_BETWEEN_COUNTS = 10
COUNTS_WITHOUT_WORKER = 20
_LIBRARIES = ("lightgbm", "numba", "numpy", "scipy")
_PACKAGES = ("core", "strategies")


class DaskPool:
    """The workers of one scheduler, to which each round connects anew."""

    # Dask itself gives a task to several workers, by default four, before it says that they died of it.
    attempts = 2

    def __init__(self, scheduler: str, function: bytes, shared: object) -> None:
        self._scheduler = scheduler
        self._function = function
        self._shared = pack(shared)
        self._key = hashlib.blake2b(self._shared, digest_size=16).hexdigest()
        self._code = code_hash()
        self._client: Any = None
        self._failures: queue.SimpleQueue[BaseException] = queue.SimpleQueue()
        self._looks = 0
        self._looks_without_worker = 0

    def answers(self, calls: Iterator[tuple[int, bytes]], one_by_one: bool) -> Iterator[Answer]:
        """To be used from one thread of its own. Raises WorkerLostError, UnavailableError, ComputeError."""
        import joblib

        client = self._client = connect(self._scheduler)
        try:
            backend = _watched_backend(client, self._shared, self._failures.put)
            with joblib.parallel_config(backend):
                parallel = joblib.Parallel(return_as="generator_unordered", batch_size=1 if one_by_one else "auto")
                perform = joblib.delayed(perform_remotely)
                given = (self._code, self._function, self._key, self._shared)
                yield from parallel(perform(*given, *call) for call in calls)
        except CancelledError as error:
            raise WorkerLostError(f"the cluster at {self._scheduler} lost it {self.attempts} times") from error
        except Exception as error:
            raise ComputeError(f"{self._scheduler}: {type(error).__name__}: {error}") from error
        finally:
            client.close()

    def check(self) -> None:
        """Raises WorkerLostError, ComputeError or UnavailableError where the answers will never come."""
        from distributed import KilledWorker

        with suppress(queue.Empty):
            error = self._failures.get_nowait()
            if isinstance(error, KilledWorker):
                raise WorkerLostError(f"every worker at {self._scheduler} that took it died") from error
            raise ComputeError(f"{self._scheduler}: {type(error).__name__}: {error}") from error
        self._looks += 1
        if self._looks % LOOKS_BETWEEN_COUNTS == 0 and self._client is not None and self._client.status == "running":
            self._count_workers()

    def halt(self) -> None:
        """Take back what has not begun; `answers` raises soon. What a worker runs it ends, for nobody."""
        if self._client is not None:
            self._client.close()

    def _count_workers(self) -> None:
        try:
            workers = len(self._client.ncores())
        except (OSError, TimeoutError):
            # A connection that is lost cancels every task, which `answers` tells.
            return
        self._looks_without_worker = 0 if workers else self._looks_without_worker + 1
        if self._looks_without_worker >= COUNTS_WITHOUT_WORKER:
            raise UnavailableError(_no_worker(self._scheduler))


def perform_remotely(code: str, function: bytes, key: str, shared: bytes, index: int, task: bytes) -> Answer:
    """In a worker of the cluster: refuses a task that was made by other code, whose figures would differ."""
    if code != code_hash():
        text = f"{platform.node()} has another version of Quarterdeck or of a library than this machine"
        return index, Failure("other code", text, "", UnavailableError.exit_code)
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


def _watched_backend(client: Any, shared: bytes, failed: Callable[[BaseException], None]) -> Any:
    """joblib's backend, which sends `shared` to every worker once and hands each failure to `failed`.

    joblib 1.6 tells a task that Dask has given up to nobody who waits for it: its run would never end.
    """
    from joblib._dask import DaskDistributedBackend

    class WatchedBackend(DaskDistributedBackend):  # type: ignore[misc]
        def submit(self, func: object, callback: object = None) -> Future[object]:
            future: Future[object] = super().submit(func, callback)
            future.add_done_callback(tell)
            return future

    def tell(future: Future[object]) -> None:
        error = future.exception()
        if error is not None:
            failed(error)

    return WatchedBackend(client=client, scatter=[shared])
