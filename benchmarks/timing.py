"""Repeated timing of things that are compared with each other."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of wall time, and of this process' processor time, of each round."""

    wall_s: tuple[float, ...]
    cpu_s: tuple[float, ...]

    @property
    def best_s(self) -> float:
        return min(self.wall_s)

    @property
    def median_s(self) -> float:
        return median(self.wall_s)


def timed(functions: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Timing]:
    """Every function `rounds` times in turn (A B C A B C ...), so that a busy moment of the machine meets all alike."""
    wall: dict[str, list[float]] = {name: [] for name in functions}
    cpu: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            began, cpu_began = time.perf_counter(), time.process_time()
            function()
            wall[name].append(time.perf_counter() - began)
            cpu[name].append(time.process_time() - cpu_began)
    return {name: Timing(tuple(wall[name]), tuple(cpu[name])) for name in functions}
