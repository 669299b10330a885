"""What the strategy's exits earn when entries are drawn by lot: as many, as often long, at other moments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.backtest import sweep
from core.backtest.history import History
from core.backtest.holes import unasked_before_holes
from core.backtest.judge import REFERENCE_POINTS
from core.backtest.reference import random_entries
from core.backtest.result import EquityCurve, RunResult
from core.backtest.series import thinned
from core.domain.errors import BadInputError
from core.domain.instrument import Instrument
from core.settings import Settings
from core.strategy import Strategy
from core.trader.costs import round_trip_cost_bps

RUNS = 20


@dataclass(frozen=True, slots=True)
class RandomEntry:
    """Of `runs` drawings: the curve of the one with the median final equity, and how many percent of them ended with
    less than the strategy did."""

    curve: EquityCurve
    beaten_pct: float
    median_final_usdt: float


def random_entry(
    result: RunResult,
    history: History,
    settings: Settings,
    strategy: Strategy,
    instruments: Mapping[str, Instrument],
    seed: int,
    runs: int = RUNS,
) -> RandomEntry | None:
    """Run the strategy's sizing, exits, limits and costs on entries drawn by lot, `runs` times.

    None where the strategy never entered, or cannot be swept.
    """
    if not len(result.trades) or not result.complete:
        return None

    def drawn(number: int) -> NDArray[np.float64]:
        return _table(result, history, sides, seed * runs + number)

    try:
        sides = _sides(strategy, settings)
        prepared = sweep.prepare(history, instruments, settings.costs.assumed_funding_bps)
        finals = np.array(
            [sweep.score(prepared, settings, strategy, drawn(number)).final_usdt for number in range(runs)]
        )
        # Curves are large: only the one that is shown is kept, and that run is made again for it.
        middle = int(np.argsort(finals, kind="stable")[runs // 2])
        shown = sweep.run(prepared, settings, strategy, drawn(middle))
    except BadInputError:
        return None
    beaten = 100.0 * float(np.mean(finals < result.final_usdt))
    return RandomEntry(thinned(shown.curve, result.initial_usdt, REFERENCE_POINTS), beaten, float(finals[middle]))


def _sides(strategy: Strategy, settings: Settings) -> tuple[float, float]:
    """A prediction on which the strategy goes short, and one on which it goes long."""
    costs = settings.costs
    threshold = strategy.threshold_bps(round_trip_cost_bps(float(costs.taker_fee_bps), costs.slippage_bps))
    strong = 2.0 * abs(threshold) + 1.0
    if strategy.decide(strong, threshold) != 1 or strategy.decide(-strong, threshold) != -1:
        raise BadInputError(f"strategy {strategy.name}: {strong:g} bps are not enough for it to enter either side")
    return -strong, strong


def _table(result: RunResult, history: History, sides: tuple[float, float], seed: int) -> NDArray[np.float64]:
    """Predictions (k, n): for each symbol as many as it had trades, NaN everywhere else."""
    values = np.full(history.close.shape, np.nan)
    asked = ~np.isnan(unasked_before_holes(history, history.close))
    for row, symbol in enumerate(history.symbols):
        mine = result.trades.side[result.trades.symbol == symbol]
        there = np.flatnonzero(asked[row, history.first :]) + history.first
        drawn = random_entries(len(mine), there, int(np.count_nonzero(mine > 0)), seed * len(history.symbols) + row)
        values[row, drawn.slot] = np.where(drawn.direction > 0, sides[1], sides[0])
    return values
