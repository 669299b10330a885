"""`quarterdeck backtest` as an operator types it: a fresh process, candles imported before, compiled code on disk."""

from __future__ import annotations

import json
import sys
from statistics import median

from benchmarks.plain_loops import loop
from benchmarks.processes import Measured, measured
from benchmarks.report import Figure, Section
from benchmarks.timing import timed
from benchmarks.workload import YEAR_BARS, one_symbol
from benchmarks.year import SYMBOL, TIMEOUT_S, home_with_year, quarterdeck
from core.home.folder import Home

TARGET_S = 2.0
TARGET_MIB = 300.0
ROUNDS = 5
BARE = (sys.executable, "-c", "import numba, numpy, pydantic, click")


def backtest(home: Home, exit_mode: str) -> Measured:
    """Raises RuntimeError where it fails or trades nothing."""
    took = quarterdeck(
        home, "backtest", "ema_cross", "--symbol", SYMBOL, "--set", f"exit={exit_mode}", "--json", "--progress", "off"
    )
    if not json.loads(took.output)["trades"]:
        raise RuntimeError(f"the command traded nothing in {exit_mode}")
    return took


def run(bars: int = YEAR_BARS, rounds: int = ROUNDS, *, warm: bool = True) -> Section:
    """`warm` runs each once that is not counted."""
    runs: dict[str, list[Measured]] = {"bracket": [], "reverse": []}
    bare: list[Measured] = []
    with home_with_year(bars) as home:
        for exit_mode in runs if warm else ():
            backtest(home, exit_mode)
        for _ in range(rounds):
            bare.append(measured(BARE, TIMEOUT_S))
            for exit_mode, taken in runs.items():
                taken.append(backtest(home, exit_mode))
    history = one_symbol(bars)
    columns = [column[0].tolist() for column in (history.high, history.low, history.close)]
    plain = timed({"loop": lambda: loop(*columns, False)}, rounds)["loop"]  # type: ignore[arg-type]
    figures: list[Figure] = []
    for exit_mode, taken in runs.items():
        figures += figures_of(exit_mode, taken)
    best = min(took.wall_s for took in runs["bracket"])
    figures += [
        Figure("reference: importing numba, numpy, pydantic and click alone", min(b.wall_s for b in bare), "s"),
        Figure("reference: plain Python loop over the same bars", plain.best_s, "s"),
        Figure("bracket against the imports alone", best / min(b.wall_s for b in bare), "x"),
    ]
    notes = (
        f"{bars:,} bars imported before, {rounds} fresh processes in turn after one that is not counted; the command "
        "imports, loads, runs, judges and stores, with all costs and contract rules",
        "processor time tells more than wall time where others use the machine",
    )
    return Section("command", "quarterdeck backtest ema_cross over a year of minutes", tuple(figures), notes)


def figures_of(exit_mode: str, taken: list[Measured]) -> list[Figure]:
    goal_s, goal_mib = (TARGET_S, TARGET_MIB) if exit_mode == "bracket" else (None, None)
    return [
        Figure(f"{exit_mode}: fastest", min(t.wall_s for t in taken), "s", goal_s),
        Figure(f"{exit_mode}: median", median(t.wall_s for t in taken), "s"),
        Figure(f"{exit_mode}: processor time, least", min(t.cpu_s for t in taken), "s"),
        Figure(f"{exit_mode}: greatest resident memory", max(t.peak_mib for t in taken), "MiB", goal_mib),
    ]
