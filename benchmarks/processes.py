"""Child processes of a benchmark: the real command, asked over its socket; and what processes cost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.control.client import request
from core.domain.errors import UnavailableError
from core.home.folder import Home

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


# A process begins with the peak memory of the one that started it, so a small one stands between ours and the measured.
_MEASURE = """
import json, os, sys, time
began = time.perf_counter()
pid = os.fork()
if not pid:
    os.execvp(sys.argv[2], sys.argv[2:])
_, status, used = os.wait4(pid, 0)
told = {"wall_s": time.perf_counter() - began, "cpu_s": used.ru_utime + used.ru_stime, "peak_kib": used.ru_maxrss}
open(sys.argv[1], "w").write(json.dumps(told))
sys.exit(os.waitstatus_to_exitcode(status) and 1)
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a command took: wall time, processor time with that of processes it waited for, the greatest resident memory
    of one process; and its standard output."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    output: str


def measured(command: Sequence[str], timeout_s: float, environment: Mapping[str, str] | None = None) -> Measured:
    """Run a command to its end. Raises RuntimeError with its last words when it fails."""
    with tempfile.NamedTemporaryFile(prefix="qdspent-") as spent:
        done = subprocess.run(
            (sys.executable, "-I", "-S", "-c", _MEASURE, spent.name, *command),
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            text=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command[-4:])}: exit {done.returncode}: {done.stderr.strip()[-500:]}")
        told = json.loads(spent.read())
    return Measured(told["wall_s"], told["cpu_s"], told["peak_kib"] / 1024.0, done.stdout)


def status(home: Home) -> dict[str, Any]:
    """Raises UnavailableError while no engine answers."""
    answer: dict[str, Any] = request(home, "status")
    return answer


def command(home: Home, verb: str) -> None:
    """Give a command, although a console holds the write lease."""
    answer = request(home, "command", {"verb": verb, "operator": "bench", "lease": "over"})
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
