"""What the strategy's exits earn when entries are drawn by lot: as many, as often long, at other moments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.arithmetic.costs import round_trip_cost_bps
from core.domain.errors import BadInputError
from core.domain.instrument import Instrument
from core.lab.data.history import History
from core.lab.data.holes import unasked_before_holes
from core.lab.run.result import EquityCurve, RunResult
from core.lab.skip.needed_bars import signal_bits
from core.lab.statistics.assessment import REFERENCE_POINTS
from core.lab.statistics.reference import random_entries
from core.lab.statistics.series import thinned
from core.lab.sweep import sweep
from core.lab.sweep.inputs import Told
from core.lab.sweep.prepared import prepare
from core.settings.schema import Settings
from core.strategy.decision import Decider
from core.strategy.declaration import Strategy

Floats = NDArray[np.float64]

RUNS = 200
"""Fewer would tell a share of them only roughly: of 200 one is half a percent."""

_FAR = 1e4
_MEASURES = ("bps", "pct", "score")
_LOOKED_AT = 50_000

THREADS = 2
"""The kernel runs without Python's lock. Each thread has a table of the history's size, and a backtest beside an engine
must not take every core."""


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
        costs = settings.costs
        decider = Decider(strategy, round_trip_cost_bps(float(costs.taker_fee_bps), costs.slippage_bps))
        lots = _lots(result, history, decider)
        tables = [_Draws(lots) for _ in range(THREADS)]
        prepared = prepare(history, instruments, settings.costs.assumed_funding_bps)

        def finals_of(draws: _Draws, part: Sequence[int]) -> list[float]:
            return [sweep.final_usdt(prepared, settings, strategy, draws.told(seed * runs + number)) for number in part]

        parts = [range(runs)[runs * i // THREADS : runs * (i + 1) // THREADS] for i in range(THREADS)]
        with ThreadPoolExecutor(THREADS) as threads:
            finals = np.array([final for told in threads.map(finals_of, tables, parts) for final in told])
        # Curves are large: only the one that is shown is kept, and that run is made again for it.
        middle = int(np.argsort(finals, kind="stable")[runs // 2])
        shown = sweep.run_told(prepared, settings, strategy, tables[0].told(seed * runs + middle))
    except BadInputError:
        return None
    beaten = 100.0 * float(np.mean(finals < result.final_usdt))
    curve = thinned(shown.curve, result.initial_usdt, REFERENCE_POINTS)
    return RandomEntry(runs, curve, beaten, float(finals[middle]))


def _sides(decider: Decider, result: RunResult) -> tuple[Floats, NDArray[np.uint8]]:
    """Outputs (2, outputs) on which the strategy goes short, and long; and what it decides on each.

    A first output that measures is taken far from zero, with nothing said of the others; where that says nothing to
    the strategy, outputs of the run that did. Raises BadInputError where none did.
    """
    far = np.full((2, len(decider.strategy.outputs)), np.nan)
    far[:, 0] = -_FAR, _FAR
    directions = [_direction(decider, values) for values in far]
    if decider.strategy.outputs[0].unit in _MEASURES and directions == [-1, 1]:
        return far, signal_bits(decider, far)
    said = np.concatenate([told.values for told in result.predictions.values()] or [far[:0]])
    said = said[:: max(1, len(said) // _LOOKED_AT)]
    found: dict[int, Floats] = {}
    for values in said:
        found.setdefault(_direction(decider, values), values)
    if -1 not in found or 1 not in found:
        raise BadInputError(f"strategy {decider.strategy.name}: nothing was forecast that makes it enter either side")
    sides = np.array([found[-1], found[1]])
    return sides, signal_bits(decider, sides)


def _direction(decider: Decider, values: Floats) -> int:
    return decider.direction(values)[0]


@dataclass(frozen=True, slots=True)
class _Lots:
    """What is drawn from: by symbol the sides that it had trades on (count,) and the slots at which it could have
    entered, and what stands for a short and for a long one (2, outputs)."""

    mine: Sequence[NDArray[np.int8]]
    there: Sequence[NDArray[np.int64]]
    sides: Floats
    signals: NDArray[np.uint8]
    shape: tuple[int, ...]


def _lots(result: RunResult, history: History, decider: Decider) -> _Lots:
    """Raises BadInputError where no prediction makes the strategy enter."""
    sides, signals = _sides(decider, result)
    first = history.first
    asked = ~np.isnan(unasked_before_holes(history, history.close))
    return _Lots(
        [result.trades.side[result.trades.symbol == symbol] for symbol in history.symbols],
        [np.flatnonzero(row[first:]) + first for row in asked],
        sides,
        signals,
        history.close.shape,
    )


class _Draws:
    """Forecasts drawn by lot: for each symbol as many as it had trades, NaN everywhere else. One table serves
    many draws, as it is large and few of its places change."""

    def __init__(self, lots: _Lots) -> None:
        self._lots = lots
        self._values = np.full((*lots.shape, lots.sides.shape[1]), np.nan)
        self._signal = np.zeros(lots.shape, np.uint8)
        self._set: list[NDArray[np.int64]] = [np.zeros(0, np.int64) for _ in lots.mine]

    def told(self, seed: int) -> Told:
        """What is decided on in the draw of `seed`, until the next one."""
        lots = self._lots
        for row, (mine, there) in enumerate(zip(lots.mine, lots.there, strict=True)):
            self._values[row, self._set[row]] = np.nan
            self._signal[row, self._set[row]] = 0
            longs = int(np.count_nonzero(mine > 0))
            drawn = random_entries(len(mine), there, longs, seed * len(lots.mine) + row)
            side = (drawn.direction > 0).astype(np.intp)
            self._set[row] = drawn.slot
            self._values[row, drawn.slot], self._signal[row, drawn.slot] = lots.sides[side], lots.signals[side]
        return Told(self._values, self._signal)
