"""Rules at work: bars in, predictions out, with what each symbol's rule must remember in between."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import BadInputError
from core.domain.market import Bar
from core.domain.origin import champion
from core.domain.trading import Prediction
from core.ports import BarColumns
from core.strategy.declaration import Strategy

Floats = NDArray[np.float64]

CONFIDENCE = 0.5
"""A rule tells a side and no probability of it: the figure of who does not know."""


class PredictionDesk(Protocol):
    """What tells predictions from bars alone, at once."""

    def predict(self, bar: Bar) -> Prediction | None: ...


def prediction_of(
    strategy: Strategy, symbol: str, bar_close_ms: int, delay_ms: int, value_bps: float
) -> Prediction | None:
    """A value that is not a model's as the trader is told it; None for NaN."""
    if math.isnan(value_bps):
        return None
    return Prediction(
        symbol=symbol,
        bar_close_ms=bar_close_ms,
        made_ms=bar_close_ms + delay_ms,
        horizon_ms=strategy.horizon_ms,
        value_bps=value_bps,
        confidence=CONFIDENCE,
        origin=champion(strategy.name),
    )


class RuleDesk:
    """One fold of the strategy's rule for each symbol. Every bar of a symbol is folded in once, in order of time; a bar
    that the market lacks is simply not there, and the fold goes on with the next.

    How a rule was brought to a bar, one by one or many at once, makes no difference to what it says there.
    """

    def __init__(self, strategy: Strategy, symbols: Sequence[str], inference_delay_ms: int) -> None:
        """Raises ValueError for a strategy without a rule."""
        if strategy.rule is None:
            raise ValueError(f"strategy {strategy.name} has no rule")
        self._strategy = strategy
        self._rule = strategy.rule
        self._parameters = np.array(self._rule.parameters, np.float64)
        self._delay_ms = inference_delay_ms
        self._states = {symbol: np.zeros(self._rule.state_size) for symbol in symbols}
        self._newest_ms: dict[str, int] = {}

    def catch_up(self, columns: BarColumns) -> None:
        """Fold in history that nothing is asked of; the bars of `values` and `predict` come after it."""
        self.values(columns)

    def values(self, columns: BarColumns) -> Floats:
        """Fold the next bars of a symbol in: the value in bps of each, NaN where the rule has nothing to say.

        Raises ValueError when a bar was folded in before, BadInputError when the rule does not give a value for each.
        """
        times = columns.open_time_ms
        if not len(times):
            return np.empty(0)
        self._note(columns.symbol, int(times[0]), int(times[-1]))
        return self._scan(columns.symbol, columns.open, columns.high, columns.low, columns.close, columns.volume)

    def predict(self, bar: Bar) -> Prediction | None:
        """Fold one bar in: what the rule says at its close, if anything. Raises as `values` does."""
        self._note(bar.symbol, bar.open_time_ms, bar.open_time_ms)
        one = np.array([[bar.open], [bar.high], [bar.low], [bar.close], [bar.volume]])
        return self.prediction(bar.symbol, bar.close_time_ms, float(self._scan(bar.symbol, *one)[0]))

    def prediction(self, symbol: str, bar_close_ms: int, value_bps: float) -> Prediction | None:
        """A value of the rule as the trader is told it; None for NaN."""
        return prediction_of(self._strategy, symbol, bar_close_ms, self._delay_ms, value_bps)

    def _note(self, symbol: str, first_ms: int, last_ms: int) -> None:
        newest_ms = self._newest_ms.get(symbol, -1)
        if first_ms <= newest_ms:
            raise ValueError(f"{symbol}: the bar that opens at {first_ms} comes after that of {newest_ms}")
        self._newest_ms[symbol] = last_ms

    def _scan(self, symbol: str, *columns: Floats) -> Floats:
        # Of one kind whatever their source, so that numba compiles the rule once.
        plain = (np.require(column, np.float64, ("C", "W")) for column in columns)
        values: Floats = self._rule.scan(self._states[symbol], *plain, self._parameters)
        if np.shape(values) != np.shape(columns[0]):
            raise BadInputError(
                f"strategy {self._strategy.name}: its rule gave {np.size(values)} values for {len(columns[0])} bars"
            )
        return values
