"""Worker processes and the signals that stop their engine: Ctrl-C, a closed terminal and a service manager reach every
process of the group, and a worker that ended first would take its task with it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

_STOP_SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})


def block_stop_signals() -> set[signal.Signals | int]:
    """In this thread, and in what it starts from its first instruction on. What was blocked before."""
    return signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)


@contextmanager
def stop_signals_blocked() -> Iterator[None]:
    """A process started meanwhile is deaf to them until it ignores them for good."""
    before = block_stop_signals()
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore_stop_signals() -> None:
    """For good, in a worker."""
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
