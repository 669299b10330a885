"""What a worker of `core.compute.pool` runs: one task, packed, with the object that all tasks share."""

from __future__ import annotations

import io
import pickle
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from core.domain.errors import QuarterdeckError


@dataclass(frozen=True, slots=True)
class Failure:
    """A task's own error as plain data, because not every exception survives the way between processes."""

    kind: str
    text: str
    trace: str
    exit_code: int


Answer = tuple[int, bytes | Failure]


def answer(function: bytes, load_shared: Callable[[], object], index: int, task: bytes) -> Answer:
    """The index of a task and its pickled result, or its failure."""
    try:
        result = pickle.loads(function)(load_shared(), pickle.loads(task))  # noqa: S301 - packed by our own parent
        return index, pickle.dumps(result, pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # noqa: BLE001 - raised in the parent, with the task's index
        return index, failure_of(error)


def failure_of(error: Exception) -> Failure:
    code = error.exit_code if isinstance(error, QuarterdeckError) else QuarterdeckError.exit_code
    return Failure(type(error).__name__, str(error), traceback.format_exc(), code)


def pack(shared: object, path: str | None = None) -> bytes:
    """`shared` in joblib's form, whose arrays can be mapped: into the file at `path`, else as bytes."""
    import joblib

    if path is not None:
        joblib.dump(shared, path)
        return b""
    packed = io.BytesIO()
    joblib.dump(shared, packed)
    return packed.getvalue()


_lock = threading.Lock()
_unpacked: tuple[str, object] = ("", None)


def unpack(key: str, packed: bytes | None) -> object:
    """The shared object of `key`, kept until another is asked for: a file to map, or `packed`.

    Mapped arrays share their memory between the processes until one writes into them. They are writable so that
    compiled kernels see the very types of the parent's arrays, and compile once.
    """
    import joblib

    global _unpacked
    with _lock:
        if _unpacked[0] != key:
            source = key if packed is None else io.BytesIO(packed)
            _unpacked = (key, joblib.load(source, mmap_mode="c" if packed is None else None))
        return _unpacked[1]
