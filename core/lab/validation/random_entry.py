"""What the strategy's exits earn when entries are drawn by lot: as many, as often long, at other moments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.arithmetic.costs import round_trip_cost_bps
from core.domain.errors import BadInputError
from core.domain.instrument import Instrument
from core.lab.data.history import History
from core.lab.data.holes import unasked_before_holes
from core.lab.run.result import EquityCurve, RunResult
from core.lab.statistics.assessment import REFERENCE_POINTS
from core.lab.statistics.reference import random_entries
from core.lab.statistics.series import thinned
from core.lab.sweep import sweep
from core.lab.sweep.inputs import Told
from core.settings.schema import Settings
from core.strategy.declaration import Strategy

RUNS = 200
"""Fewer would tell a share of them only roughly: of 200 one is half a percent."""


@dataclass(frozen=True, slots=True)
class RandomEntry:
    """Of `runs` drawings: the curve of the one with the median final equity, and how many percent of them ended with
    less than the strategy did."""

    runs: int
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

    try:
        sides = _sides(strategy, settings)
        prepared = sweep.prepare(history, instruments, settings.costs.assumed_funding_bps)
        draws = _Draws(result, history, sides, sweep.signals(settings, strategy, np.array([sides]), np.ones((1, 2))))
        finals = np.array(
            [sweep.final_usdt(prepared, settings, strategy, draws.told(seed * runs + number)) for number in range(runs)]
        )
        # Curves are large: only the one that is shown is kept, and that run is made again for it.
        middle = int(np.argsort(finals, kind="stable")[runs // 2])
        shown = sweep.run(prepared, settings, strategy, draws.told(seed * runs + middle).value_bps)
    except BadInputError:
        return None
    beaten = 100.0 * float(np.mean(finals < result.final_usdt))
    curve = thinned(shown.curve, result.initial_usdt, REFERENCE_POINTS)
    return RandomEntry(runs, curve, beaten, float(finals[middle]))


def _sides(strategy: Strategy, settings: Settings) -> tuple[float, float]:
    """A prediction on which the strategy goes short, and one on which it goes long."""
    costs = settings.costs
    threshold = strategy.threshold_bps(round_trip_cost_bps(float(costs.taker_fee_bps), costs.slippage_bps))
    strong = 2.0 * abs(threshold) + 1.0
    if strategy.decide(strong, threshold) != 1 or strategy.decide(-strong, threshold) != -1:
        raise BadInputError(f"strategy {strategy.name}: {strong:g} bps are not enough for it to enter either side")
    return -strong, strong


class _Draws:
    """Predictions drawn by lot: for each symbol as many as it had trades, NaN everywhere else. One table serves all
    draws, as it is large and few of its places change."""

    def __init__(
        self, result: RunResult, history: History, sides: tuple[float, float], signals: NDArray[np.uint8]
    ) -> None:
        self._sides, self._signals = np.array(sides), signals[0]
        self._values = np.full(history.close.shape, np.nan)
        self._signal = np.zeros(history.close.shape, np.uint8)
        self._mine = [result.trades.side[result.trades.symbol == symbol] for symbol in history.symbols]
        first = history.first
        asked = ~np.isnan(unasked_before_holes(history, history.close))
        self._there = [np.flatnonzero(row[first:]) + first for row in asked]
        self._set: list[NDArray[np.int64]] = [np.zeros(0, np.int64) for _ in history.symbols]

    def told(self, seed: int) -> Told:
        """What is decided on in the draw of `seed`, until the next one."""
        for row, (mine, there) in enumerate(zip(self._mine, self._there, strict=True)):
            self._values[row, self._set[row]] = np.nan
            self._signal[row, self._set[row]] = 0
            longs = int(np.count_nonzero(mine > 0))
            drawn = random_entries(len(mine), there, longs, seed * len(self._mine) + row)
            side = (drawn.direction > 0).astype(np.intp)
            self._set[row] = drawn.slot
            self._values[row, drawn.slot], self._signal[row, drawn.slot] = self._sides[side], self._signals[side]
        return Told(self._values, self._signal)
