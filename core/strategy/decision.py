"""What a strategy decides on the values of its outputs, and in what words."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from core.domain.forecast import Because, Decision, Output
from core.strategy.declaration import Strategy

Vector = NDArray[np.float64]


def vector(values: tuple[float | None, ...]) -> Vector:
    """Values of a forecast as they are computed with: NaN where nothing is said."""
    return np.array(values, np.float64)


class Decider:
    """Decides by one strategy at a round-trip cost."""

    def __init__(self, strategy: Strategy, cost_bps: float) -> None:
        self.strategy = strategy
        self.cost_bps = cost_bps
        self._decide = strategy.decide
        self._parameters = np.array(strategy.parameters, np.float64)
        self.silence = np.full(len(strategy.outputs), math.nan)
        """The values of a bar of which nothing was said."""

    def direction(self, values: Vector) -> tuple[int, float | None]:
        """The direction and the confidence, None where it is not known."""
        direction, confidence = self._decide(values, self.cost_bps, self._parameters)
        return direction, float(confidence) if confidence == confidence else None

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
