"""How much memory a process may take on while it reads what comes from outside."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

IMPORT_MEMORY_BYTES = 1 << 31
"""Eight times what ten years of minutes are as columns."""

_STATUS = Path("/proc/self/statm")


@contextmanager
def memory_limit(more_bytes: int) -> Iterator[None]:
    """Whatever asks for more than so much beyond what the process has now is refused it: Python raises MemoryError, a
    library what it makes of that. Of the process, not of a thread; where a system does not tell what a process has,
    there is no limit."""
    before, most = resource.getrlimit(resource.RLIMIT_AS)
    have_bytes = _have_bytes()
    if have_bytes is None:
        yield
        return
    limits = [have_bytes + more_bytes, *(limit for limit in (before, most) if limit != resource.RLIM_INFINITY)]
    resource.setrlimit(resource.RLIMIT_AS, (min(limits), most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (before, most))


def _have_bytes() -> int | None:
    try:
        return int(_STATUS.read_text("ascii").split()[0]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        return None
