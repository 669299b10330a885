"""`quarterdeck sweep`: parameter sets over a year of minutes on two cores, every trial stored."""

from __future__ import annotations

import json
from dataclasses import dataclass

from benchmarks.plain_loops import loop
from benchmarks.processes import Measured
from benchmarks.report import Figure, Section
from benchmarks.timing import timed
from benchmarks.workload import YEAR_BARS, one_symbol
from benchmarks.year import SYMBOL, home_with_year, quarterdeck
from core.home.folder import Home

TARGET_S = 60.0
WHOLE_SETS = 10_000
JOBS = 2


@dataclass(frozen=True, slots=True)
class Axes:
    """How many values of each key: `fast` and `slow` averages make new signals, `stops` and `targets` trade on them."""

    fast: int
    slow: int
    stops: int
    targets: int

    @property
    def sets(self) -> int:
        return self.fast * self.slow * self.stops * self.targets

    def options(self) -> list[str]:
        return [
            f"--grid=fast_bars={_counted(4, 2, self.fast)}",
            f"--grid=slow_bars={_counted(30, 5, self.slow)}",
            f"--grid=stop_pct={_counted(0.5, 0.25, self.stops)}",
            f"--grid=target_pct={_counted(0.5, 0.5, self.targets)}",
        ]


FULL = Axes(10, 10, 10, 10)
QUICK = Axes(2, 2, 10, 10)
SMALL = Axes(1, 1, 2, 2)


def _counted(low: float, step: float, count: int) -> str:
    return ",".join(f"{low + step * n:g}" for n in range(count))


def search(home: Home, axes: Axes) -> Measured:
    """Raises RuntimeError where the command fails or leaves a set untried."""
    took = quarterdeck(
        home,
        "sweep",
        "ema_cross",
        f"--symbol={SYMBOL}",
        f"--jobs={JOBS}",
        "--json",
        "--progress=off",
        *axes.options(),
    )
    row = json.loads(took.output)
    if row["status"] != "complete" or row["trials"] != axes.sets:
        raise RuntimeError(f"the sweep ended {row['status']} with {row['trials']} trials of {axes.sets}")
    return took


def run(*, full: bool = False, bars: int = YEAR_BARS, axes: Axes | None = None, warm: bool = True) -> Section:
    """`warm` runs a few sets once that are not counted."""
    chosen = axes or (FULL if full else QUICK)
    with home_with_year(bars) as home:
        if warm:
            search(home, SMALL)
        small = search(home, SMALL)
        took = search(home, chosen)
    history = one_symbol(bars)
    columns = [column[0].tolist() for column in (history.high, history.low, history.close)]
    loop_s = timed({"loop": lambda: loop(*columns, False)}, 2)["loop"].best_s  # type: ignore[arg-type]
    more_s = max(0.0, took.wall_s - small.wall_s) / (chosen.sets - SMALL.sets)
    whole_s = small.wall_s + more_s * (WHOLE_SETS - SMALL.sets)
    is_whole = chosen.sets == WHOLE_SETS
    what = f"{chosen.sets:,} sets x {bars:,} bars, {JOBS} processes"
    figures = [
        Figure(what, took.wall_s, "s", TARGET_S if is_whole else None),
        Figure(f"{what}: each beyond the first {SMALL.sets}", 1e3 * more_s, "ms"),
        Figure(f"{what}: bars tried", chosen.sets * bars / took.wall_s / 1e6, "M bars/s"),
        Figure(f"{what}: processor time on each core", took.cpu_s / JOBS, "s"),
        Figure("greatest resident memory of one process", took.peak_mib, "MiB"),
        Figure(f"{SMALL.sets} sets: the command's own start and end, workers too", small.wall_s, "s"),
        Figure("reference: plain Python loop, one set, one core", loop_s, "s"),
        Figure(f"reference: plain Python loop, {chosen.sets:,} sets on {JOBS} cores", loop_s * chosen.sets / JOBS, "s"),
        Figure("the loop against the sweep", loop_s * chosen.sets / JOBS / took.wall_s, "x its time"),
    ]
    if not is_whole:
        figures.append(Figure(f"EXTRAPOLATED to {WHOLE_SETS:,} sets, not measured", whole_s, "s", TARGET_S))
    notes = (
        f"{chosen.fast} x {chosen.slow} averages, each with {chosen.stops} stops x {chosen.targets} targets; a worker "
        "scans signals once for each pair of averages",
        "a fresh process: imports, candles, workers, all trials stored"
        + ("" if is_whole else "; --full runs all sets"),
    )
    return Section("search", "many parameter sets over a year of minutes", tuple(figures), notes)
