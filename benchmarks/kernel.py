"""The fast sweep, warm and on one core: bars a second of one parameter set, beside plain loops over the same bars."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from benchmarks.market import DATA
from benchmarks.peers import NOTE, ONE_SYMBOL, ratios
from benchmarks.plain_loops import Reference, reference
from benchmarks.processes import measured
from benchmarks.report import Figure, Section
from benchmarks.timing import Timing, timed
from benchmarks.workload import START_MS, YEAR_BARS, fine_instruments, free_settings, one_symbol
from core.domain.instrument import Instrument
from core.domain.market import MINUTE_MS, FundingRate
from core.lab.data.history import COLUMNS, History, make_history
from core.lab.run.fixed_predictions import rule_values
from core.lab.run.overrides import with_overrides
from core.lab.sweep.prepared import prepare
from core.lab.sweep.sweep import Score, score
from core.market.contracts.instruments import load_instruments
from core.position.kit.atr_stop import atr_stop
from core.position.kit.time_limit import time_limit
from core.position.kit.trailing import trailing
from core.position.policy import ExitPolicy
from core.settings.schema import CostSettings, Settings
from strategies.ema_cross.declaration import build

TARGET_MBARS = 100.0
ROUNDS = 15
WARM_DECISIONS = 2_000_000
"""After so many calls a strategy's decide function is compiled, about a hundred parameter sets into a search."""
FUNDING_MS = 8 * 60 * MINUTE_MS
DAY_MS = 24 * 60 * MINUTE_MS
COOLDOWN_MINUTES = 3
FIRST_SCORE = (sys.executable, "-m", "benchmarks.first_score")


@dataclass(frozen=True, slots=True)
class Swept:
    """One parameter set, ready to be timed: `scan` makes its signals, `sweep` trades on them."""

    scan: Callable[[], NDArray[np.float64]]
    sweep: Callable[[], Score]


def settings_of(exit_mode: str, base: Settings, cooldown_minutes: int = 0) -> Settings:
    return with_overrides(base, "ema_cross", (("exit", exit_mode), ("cooldown_minutes", cooldown_minutes)))


def swept(
    history: History, settings: Settings, instruments: dict[str, Instrument], policies: tuple[ExitPolicy, ...] = ()
) -> Swept:
    strategy = replace(build(settings), policies=policies)
    prepared, values = prepare(history, instruments, settings.costs.assumed_funding_bps), rule_values(strategy, history)
    return Swept(lambda: rule_values(strategy, history), lambda: score(prepared, settings, strategy, values))


def costly(history: History, exit_mode: str) -> Swept:
    """The same bars with all that the kernel knows: the default costs (fees, slippage, impact, a share of the volume at
    most), funding every eight hours, a cooldown, and lots and limits of a real contract."""
    settings = settings_of(exit_mode, free_settings().model_copy(update={"costs": CostSettings()}), COOLDOWN_MINUTES)
    rules = load_instruments(DATA / "instruments.toml", settings.costs)["BTCUSDT"]
    return swept(funded(history), settings, {"BTCUSDT": replace(rules, tick_size=Decimal("0.01"))})


def funded(history: History) -> History:
    """The history with a funding event every eight hours, of a basis point either way."""
    slots = np.arange(FUNDING_MS // MINUTE_MS, len(history), FUNDING_MS // MINUTE_MS)
    rates = [
        FundingRate(
            "BTCUSDT",
            START_MS + slot * MINUTE_MS,
            Decimal((1, -1)[i % 2]) / 10_000,
            Decimal(str(history.close[0, slot])),
        )
        for i, slot in enumerate(slots.tolist())
    ]
    columns = [getattr(history, name) for name in COLUMNS]
    return make_history(
        history.symbols, history.interval_ms, history.open_time_ms, columns, 0, rates, history.source, is_synthetic=True
    )


def run(bars: int = YEAR_BARS, rounds: int = ROUNDS, decisions: int = WARM_DECISIONS) -> Section:
    history = one_symbol(bars)
    figures: list[Figure] = []
    for exit_mode in ("bracket", "reverse"):
        plain = reference(history, exit_mode)
        free = swept(history, settings_of(exit_mode, free_settings()), fine_instruments(history.symbols))
        whole = costly(history, exit_mode)
        made = free.sweep()
        plain.check(f"{exit_mode}: the sweep", made.trades, made.final_usdt)
        figures += figures_of(exit_mode, bars, plain, free, whole, rounds, decisions)
    figures += policy_figures(history, min(3, rounds))
    figures += start_figures()
    for exit_mode, peers in ONE_SYMBOL.items():
        figures += ratios(exit_mode, peers)
    notes = (
        f"best of {rounds} rounds in turn over {bars:,} bars of one symbol; both loops and the sweep gave the same "
        "trades and equity",
        f"warm: after {decisions:,} decisions, when the strategy's decide function is compiled; the first sets of a "
        "process call it in Python",
        f"full costs: fees, slippage, impact, volume cap, funding every 8 h, {COOLDOWN_MINUTES} min cooldown, lots",
        "the plain loops scan the signals too, and know no lots, ticks, funding, slippage or limits",
        NOTE,
    )
    return Section("kernel", "the fast sweep, one parameter set, one core", tuple(figures), notes)


def figures_of(
    exit_mode: str, bars: int, plain: Reference, free: Swept, whole: Swept, rounds: int, decisions: int
) -> list[Figure]:
    early = timed({"sweep": free.sweep}, rounds)["sweep"]
    for _ in range(decisions // max(1, int(np.count_nonzero(~np.isnan(free.scan())))) + 1):
        free.sweep()
    took = timed({"sweep": free.sweep, "scan": free.scan, "loop": plain.compiled, "costs": whole.sweep}, rounds)
    slow = timed({"python": plain.plain}, min(3, rounds))["python"]
    both_s = took["scan"].best_s + took["sweep"].best_s
    loop_s = took["loop"].best_s
    trades, cost_trades = free.sweep().trades, whole.sweep().trades
    return [
        Figure(f"{exit_mode}: sweep", _mbars(bars, took["sweep"]), "M bars/s", at_least=TARGET_MBARS),
        Figure(f"{exit_mode}: sweep with full costs", _mbars(bars, took["costs"]), "M bars/s", at_least=TARGET_MBARS),
        Figure(f"{exit_mode}: sweep, the first sets of a process", _mbars(bars, early), "M bars/s"),
        Figure(f"{exit_mode}: signal scan", _mbars(bars, took["scan"]), "M bars/s"),
        Figure(f"{exit_mode}: scan and sweep", bars / both_s / 1e6, "M bars/s"),
        Figure(f"{exit_mode}: sweep, median round", 1e3 * took["sweep"].median_s, "ms"),
        Figure(f"{exit_mode}: trades closed", float(trades), "trades"),
        Figure(f"{exit_mode}: trades closed with full costs", float(cost_trades), "trades"),
        Figure(f"{exit_mode}: reference: plain numba loop", _mbars(bars, took["loop"]), "M bars/s"),
        Figure(f"{exit_mode}: reference: plain Python loop", _mbars(bars, slow), "M bars/s"),
        Figure(f"{exit_mode}: scan and sweep", both_s / loop_s, "x the numba loop"),
        Figure(f"{exit_mode}: plain Python loop", slow.best_s / loop_s, "x the numba loop"),
    ]


def policy_figures(history: History, rounds: int) -> list[Figure]:
    """With exits that are asked at every bar of a trade, so that none of these is passed over."""
    settings, instruments = settings_of("bracket", free_settings()), fine_instruments(history.symbols)
    once = swept(history, settings, instruments, (trailing(1.0, 0.5), atr_stop(14, 3.0), time_limit(DAY_MS))).sweep
    trades = once().trades
    took = timed({"sweep": once}, rounds)["sweep"]
    return [
        Figure("bracket: sweep with three exit policies", _mbars(len(history), took), "M bars/s"),
        Figure("bracket: trades closed with three exit policies", float(trades), "trades"),
    ]


def start_figures() -> list[Figure]:
    """What the first parameter set of a process costs more than the next: compiled anew, and loaded from the cache."""
    with tempfile.TemporaryDirectory(prefix="qdnumba-") as cache:
        told = [json.loads(measured(FIRST_SCORE, 600.0, {"NUMBA_CACHE_DIR": cache}).output) for _ in range(2)]
    compiled, loaded = ({name: float(value) for name, value in times.items()} for times in told)
    return [
        Figure("first use: sweep and signals compiled", compiled["first_s"], "s"),
        Figure("first use: sweep and signals loaded from the cache", loaded["first_s"], "s"),
        Figure("first use: of it imports before them", loaded["imports_s"], "s"),
    ]


def _mbars(bars: int, took: Timing) -> float:
    return bars / took.best_s / 1e6
