"""The event-driven backtest: bars a second where little is traded, and what a trade costs where much is."""

from __future__ import annotations

import gc
from collections.abc import Callable

from benchmarks.kernel import settings_of
from benchmarks.peers import NOTE, ONE_SYMBOL, TEN_SYMBOLS, ratios
from benchmarks.plain_loops import reference
from benchmarks.report import Figure, Section
from benchmarks.timing import Timing, timed
from benchmarks.workload import YEAR_BARS, fine_instruments, free_settings, one_symbol
from core.lab.data.history import History
from core.lab.run.event_driven import run_event_driven
from core.lab.run.result import RunResult
from core.trader.trader import Trader
from core.venues.rebuild import journalled_venue
from strategies.ema_cross.declaration import build

TARGET_BARS_S = 200_000.0
TARGET_TIMES_BRACKET = 3.0
PARTS = (4, 2, 1)
ROUNDS = 3


def runner(history: History, exit_mode: str) -> Callable[[], RunResult]:
    """A whole run with a new trader on a new venue."""
    settings, instruments = settings_of(exit_mode, free_settings()), fine_instruments(history.symbols)
    strategy = build(settings)
    return lambda: run_event_driven(
        history, Trader("bench", strategy, settings, instruments), journalled_venue(instruments, settings)
    )


def run(bars: int = YEAR_BARS, rounds: int = ROUNDS) -> Section:
    figures: list[Figure] = []
    best: dict[str, Timing] = {}
    trades: dict[str, int] = {}
    for exit_mode in ("bracket", "reverse"):
        told, best[exit_mode], trades[exit_mode] = figures_of(exit_mode, bars, rounds)
        figures += told
    bracket_s, reverse_s = best["bracket"].best_s, best["reverse"].best_s
    more = max(1, trades["reverse"] - trades["bracket"])
    goal_s = TARGET_TIMES_BRACKET * bars / TARGET_BARS_S
    figures += [
        Figure("reverse against bracket", reverse_s / bracket_s, "x its time", at_most=TARGET_TIMES_BRACKET),
        Figure(f"reverse, {TARGET_TIMES_BRACKET:g} x the time that the goal allows bracket", reverse_s, "s", goal_s),
        Figure("a trade more", 1e6 * (reverse_s - bracket_s) / more, "us"),
    ]
    for exit_mode, peers in ONE_SYMBOL.items():
        figures += ratios(exit_mode, peers)
    figures += ratios("ten symbols, bracket", TEN_SYMBOLS)
    notes = (
        f"best of {rounds} rounds over up to {bars:,} bars of one symbol, signal scan included; the plain loop gave "
        "the same trades and equity; garbage is not looked for, as in the command",
        "the live code: journal records, exact money, limits, simulated venue; slots in which nothing can happen are "
        "passed over, so bracket is nearly free and a trade is what costs",
        NOTE,
    )
    return Section("event", "the event-driven backtest", tuple(figures), notes)


def figures_of(exit_mode: str, bars: int, rounds: int) -> tuple[list[Figure], Timing, int]:
    """Figures, and time and closed trades of the whole."""
    figures: list[Figure] = []
    goal = TARGET_BARS_S if exit_mode == "bracket" else None
    for part in PARTS:
        history = one_symbol(bars // part)
        plain = reference(history, exit_mode)
        once = runner(history, exit_mode)
        result = once()
        plain.check(f"{exit_mode}: the event-driven run", len(result.trades), result.final_usdt)
        gc.collect()
        gc.disable()
        try:
            took = timed({"run": once, "loop": plain.compiled}, rounds)
        finally:
            gc.enable()
        run_s, count = took["run"].best_s, len(result.trades)
        what = f"{exit_mode}, {len(history):,} bars, {count:,} trades"
        figures += [
            Figure(what, run_s, "s"),
            Figure(what, len(history) / run_s, "bars/s", at_least=goal),
            Figure(f"{what}: each with all that is between", 1e6 * run_s / max(1, count), "us"),
        ]
    slow = timed({"python": plain.plain}, rounds)["python"]
    figures += [
        Figure(f"{exit_mode}: processor time of the whole", min(took["run"].cpu_s), "s"),
        Figure(f"{exit_mode}: reference: plain numba loop", 1e3 * took["loop"].best_s, "ms"),
        Figure(f"{exit_mode}: reference: plain Python loop", slow.best_s, "s"),
        Figure(f"{exit_mode}: the whole", run_s / slow.best_s, "x the Python loop"),
        Figure(f"{exit_mode}: the whole", run_s / took["loop"].best_s, "x the numba loop"),
    ]
    return figures, took["run"], count
