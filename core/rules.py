"""Predictions of strategies that have a rule instead of a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from core.domain.market import Bar
from core.domain.trading import Prediction
from core.ports import BarColumns
from core.strategy import Strategy


class PredictionDesk(Protocol):
    """What tells predictions from bars alone, at once."""

    def predict(self, bars: Sequence[Bar]) -> list[Prediction]: ...


class RuleDesk:
    """What a rule remembers of each symbol. Bars must come in order; a missing one is not made up."""

    def __init__(self, strategy: Strategy, symbols: Sequence[str], inference_delay_ms: int) -> None:
        assert strategy.rule is not None
        self._strategy = strategy
        self._rule = strategy.rule
        self._parameters = np.array(strategy.rule.parameters, np.float64)
        self._delay_ms = inference_delay_ms
        self._states = {symbol: np.zeros(strategy.rule.state_size) for symbol in symbols}

    def values(self, columns: BarColumns) -> NDArray[np.float64]:
        """What the rule says at the close of each bar in bps, NaN for nothing; the bars are remembered."""
        state = self._states[columns.symbol]
        bars = (columns.open, columns.high, columns.low, columns.close, columns.volume)
        return np.asarray(self._rule.scan(state, *bars, self._parameters))

    def predict(self, bars: Sequence[Bar]) -> list[Prediction]:
        """The predictions of the next bar of some symbols, in their order; none of one where the rule is silent."""
        told = []
        for bar in bars:
            one = (np.array([value]) for value in (bar.open, bar.high, bar.low, bar.close, bar.volume))
            value = float(self._rule.scan(self._states[bar.symbol], *one, self._parameters)[0])
            if value == value:
                told.append(self.prediction(bar.symbol, bar.close_time_ms, value))
        return told

    def prediction(self, symbol: str, close_ms: int, value_bps: float) -> Prediction:
        """A rule knows no probabilities: its confidence is 1 for what it says."""
        return Prediction(
            symbol=symbol,
            bar_close_ms=close_ms,
            made_ms=close_ms + self._delay_ms,
            horizon_ms=self._strategy.horizon_ms,
            value_bps=value_bps,
            confidence=1.0,
            model_version="",
            strategy=self._strategy.name,
        )
