"""Child processes of a benchmark: the real command, asked over its socket; and what processes cost."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.control_client import request
from core.domain.errors import UnavailableError
from core.home import Home

ROOT = Path(__file__).resolve().parents[1]
QUARTERDECK = (sys.executable, "-c", "from quarterdeck import main; main()")
STOP_TIMEOUT_S = 20.0
_TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def child(command: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """Run a command quietly; at the end ask it to stop, and kill it where it does not."""
    process = subprocess.Popen(
        command, cwd=ROOT, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.communicate(timeout=STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def run_to_end(command: Sequence[str], timeout_s: float) -> float:
    """Seconds a command took. Raises RuntimeError with its last words when it fails."""
    began = time.perf_counter()
    done = subprocess.run(
        command, cwd=ROOT, text=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command[-1]}: exit {done.returncode}: {done.stderr.strip()[-500:]}")
    return time.perf_counter() - began


def status(home: Home) -> dict[str, Any]:
    """Raises UnavailableError while no engine answers."""
    answer: dict[str, Any] = request(home, "status")
    return answer


def command(home: Home, verb: str) -> None:
    answer = request(home, "command", {"verb": verb, "operator": "bench"})
    if not answer["accepted"]:
        raise RuntimeError(f"{verb}: {answer['message']}")


def wait_until(true: Callable[[], bool], what: str, timeout_s: float = 60.0, every_s: float = 0.05) -> None:
    """Raises TimeoutError naming `what` when it has not become true in time."""
    end = time.monotonic() + timeout_s
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {timeout_s:g} s")
        time.sleep(every_s)


def wait_for_engine(home: Home, process: subprocess.Popen[Any], timeout_s: float = 60.0) -> None:
    """Raises RuntimeError when `process` ends before its engine trades, TimeoutError when it takes too long."""

    def trades() -> bool:
        if process.poll() is not None:
            words = process.communicate()[1] or ""
            raise RuntimeError(f"the engine ended with exit {process.returncode} before it traded: {words[-500:]}")
        try:
            return status(home)["state"] in ("running", "paused")
        except UnavailableError:
            return False

    wait_until(trades, "the engine to run", timeout_s)


def tree(pid: int) -> list[int]:
    """`pid` and all that it started, as far as they still run."""
    found = [pid]
    for parent in found:
        try:
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
        except OSError:
            continue
    return found


def cpu_seconds(pid: int) -> dict[int, float]:
    """User and system time of each process of a tree so far."""
    found = {}
    for member in tree(pid):
        try:
            fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        found[member] = (int(fields[11]) + int(fields[12])) / _TICKS
    return found


def cpu_spent(before: dict[int, float], after: dict[int, float]) -> float:
    """Seconds that the processes of `after` used since `before`; those that ended meanwhile are left out."""
    return sum(seconds - before.get(pid, 0.0) for pid, seconds in after.items())
