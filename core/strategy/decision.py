"""What a strategy decides on the values of its outputs, and in what words."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.domain.forecast import Because, Decision, Output
from core.position.ladder import Ladder, ladder_problem
from core.strategy.declaration import Strategy

Vector = NDArray[np.float64]


def vector(values: tuple[float | None, ...]) -> Vector:
    """Values of a forecast as they are computed with: NaN where nothing is said."""
    return np.array(values, np.float64)


class Bracket(NamedTuple):
    """Distances from the entry in percent of its price: of the stop, NaN for none, and of the target, None for none, or
    of several targets."""

    stop_pct: float
    target_pct: float | None
    ladder: Ladder

    @property
    def problem(self) -> str:
        """Why nothing can be entered with it, in words; empty where it can."""
        if math.isnan(self.stop_pct):
            return "the strategy's bracket gives no stop"
        wrong = ladder_problem(self.ladder)
        return f"the strategy's bracket is wrong: {wrong}" if wrong else ""


class Decider:
    """Decides by one strategy at a round-trip cost."""

    def __init__(self, strategy: Strategy, cost_bps: float) -> None:
        self.strategy = strategy
        self.cost_bps = cost_bps
        self._decide = strategy.decide
        names = [output.name for output in strategy.outputs]
        self._volatility = names.index(strategy.volatility) if strategy.volatility else None
        self._parameters = np.array(strategy.parameters, np.float64)
        self.silence = np.full(len(strategy.outputs), math.nan)
        self.silence.flags.writeable = False
        """The values of a bar of which nothing was said."""

    def direction(self, values: Vector) -> tuple[int, float | None]:
        """The direction and the confidence, None where it is not known."""
        direction, confidence = self._decide(values, self.cost_bps, self._parameters)
        return direction, float(confidence) if confidence == confidence else None

    def bracket(self, values: Vector) -> Bracket:
        strategy = self.strategy
        if strategy.bracket is None:
            return Bracket(strategy.stop_pct, None if strategy.ladder else strategy.target_pct, strategy.ladder)
        stop_pct, targets = strategy.bracket(values, self._volatility_pct(values), self._parameters)
        if isinstance(targets, tuple):
            ladder = tuple((float(pct), float(share)) for pct, share in targets if pct == pct)
            return Bracket(float(stop_pct), None, ladder)
        return Bracket(float(stop_pct), float(targets) if targets > 0.0 else None, ())

    def share(
        self, values: Vector, equity_usdt: float, price: float, stop_pct: float, confidence: float | None, trades: int
    ) -> float | None:
        """What the strategy's sizing wants of equity as notional; None where the settings size it."""
        if self.strategy.sizing is None:
            return None
        sure = math.nan if confidence is None else confidence
        volatility_pct = self._volatility_pct(values)
        return float(self.strategy.sizing(equity_usdt, price, stop_pct, sure, volatility_pct, trades, self._parameters))

    def _volatility_pct(self, values: Vector) -> float:
        return math.nan if self._volatility is None else float(values[self._volatility])

    def because(self, values: Vector, direction: int) -> tuple[Because, ...]:
        if self.strategy.because is None:
            return told(self.strategy.outputs, values)
        return self.strategy.because(values, self.cost_bps, self._parameters, direction)

    def decide(self, values: Vector) -> Decision:
        direction, confidence = self.direction(values)
        return Decision(direction, confidence, self.because(values, direction))


def told(outputs: Iterable[Output], values: Vector) -> tuple[Because, ...]:
    """The outputs as they are, compared with nothing."""
    return tuple(
        Because(output.name, None if math.isnan(value) else value, None, output.unit)
        for output, value in zip(outputs, values.tolist(), strict=True)
    )
