"""What forecasts would have earned: trades that do not overlap, held for the label's time, after costs."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_YEAR_MS = 365 * 86_400_000


def trade_returns_bps(
    direction: NDArray[np.int8],
    actual_bps: NDArray[np.float64],
    start_ms: NDArray[np.int64],
    end_ms: NDArray[np.int64],
    cost_bps: float,
) -> list[float]:
    """Net returns of trading each forecast in its `direction` (+1, -1, 0 not at all) from its label's start to its end.

    Trades do not overlap: one starts when the last has ended or later. Each is charged the round trip `cost_bps`. All
    arrays are of one length, oldest first.
    """
    returns = []
    free_ms = int(start_ms[0]) if len(start_ms) else 0
    for i in np.flatnonzero(direction):
        if start_ms[i] >= free_ms:
            returns.append(float(direction[i] * actual_bps[i] - cost_bps))
            free_ms = int(end_ms[i])
    return returns


def annual_sharpe(returns_bps: list[float], span_ms: int) -> float | None:
    """mean / standard deviation (n-1) of the trades x sqrt(trades in a year of 365 days); None where undefined."""
    if len(returns_bps) < 2:
        return None
    deviation = float(np.std(returns_bps, ddof=1))
    if deviation == 0.0:
        return None
    return float(np.mean(returns_bps)) / deviation * math.sqrt(len(returns_bps) * _YEAR_MS / span_ms)
