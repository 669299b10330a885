"""Whether intervals hold their level: how often that of a Sharpe ratio excludes 0 where there is no skill.

`python -m benchmarks coverage`: 2,000 seeded runs for each length and kind of returns.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import Figure, Section
from core.lab.statistics.intervals import sharpe_interval

Floats = NDArray[np.float64]

RUNS = 2_000
LENGTHS = (30, 60, 120, 365)
DAILY = 0.02
DEPENDENCE = 0.2
WARM_UP_DAYS = 100


def normal(rng: np.random.Generator, days: int) -> Floats:
    return rng.normal(0.0, DAILY, days)


def student(rng: np.random.Generator, days: int) -> Floats:
    """Student's t with 4 degrees of freedom, of the same deviation."""
    return rng.standard_t(4, days) * DAILY / math.sqrt(2.0)


def dependent(rng: np.random.Generator, days: int) -> Floats:
    """Each day keeps a fifth of the day before."""
    steps = rng.normal(0.0, DAILY, days + WARM_UP_DAYS)
    for day in range(1, len(steps)):
        steps[day] += DEPENDENCE * steps[day - 1]
    return steps[WARM_UP_DAYS:]


KINDS: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "normal": normal,
    "Student t(4)": student,
    "AR(1) of 0.2": dependent,
}


def excluded_pct(kind: str, days: int, runs: int = RUNS, seed: int = 1) -> float:
    """In how many percent of `runs` the interval of returns without skill excludes 0."""
    rng = np.random.default_rng((seed, days, list(KINDS).index(kind)))
    excluded = 0
    for _ in range(runs):
        found = sharpe_interval(KINDS[kind](rng, days))
        excluded += found is not None and not found.low <= 0.0 <= found.high
    return 100.0 * excluded / runs


def allowed_pct(kind: str, days: int) -> tuple[float | None, float]:
    """Between what percentages that may lie for a level of 95 %."""
    if kind.startswith("AR"):
        return None, 9.0
    return (None, 8.0) if days < 60 else (3.5, 7.0)


def run() -> Section:
    figures = []
    for days in LENGTHS:
        for kind in KINDS:
            least, most = allowed_pct(kind, days)
            figures.append(Figure(f"{days} days, {kind}", excluded_pct(kind, days), "%", most, least))
    notes = (f"{RUNS:,} runs each without skill; 5 % would be exact, and scatter alone makes 4 to 6 of it",)
    return Section("coverage", "how often the 95 % interval of a Sharpe ratio excludes 0", tuple(figures), notes)
