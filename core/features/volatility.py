"""How far prices swing: ranges of bars and the spread of returns."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from core.features.column import Column
from core.features.window import Windowed, compiled

Floats = NDArray[np.float64]


@compiled
def _change_bps(new: float, old: float) -> float:
    return 1e4 * (new / old - 1.0)


@compiled
def _range(opens: Floats, highs: Floats, lows: Floats, closes: Floats, volumes: Floats, parameters: Floats) -> float:
    return float(1e4 * (highs[0] - lows[0]) / closes[0])


@compiled
def _mean_range(
    opens: Floats, highs: Floats, lows: Floats, closes: Floats, volumes: Floats, parameters: Floats
) -> float:
    total = 0.0
    for i in range(len(closes)):
        total += 1e4 * (highs[i] - lows[i]) / closes[i]
    return total / len(closes)


@compiled
def _true_range(
    opens: Floats, highs: Floats, lows: Floats, closes: Floats, volumes: Floats, parameters: Floats
) -> float:
    high, low = max(highs[1], closes[0]), min(lows[1], closes[0])
    return float(1e4 * (high - low) / closes[1])


@compiled
def _deviation(
    opens: Floats, highs: Floats, lows: Floats, closes: Floats, volumes: Floats, parameters: Floats
) -> float:
    count = len(closes) - 1
    total = 0.0
    for i in range(1, len(closes)):
        total += _change_bps(closes[i], closes[i - 1])
    mean = total / count
    squares = 0.0
    for i in range(1, len(closes)):
        off = _change_bps(closes[i], closes[i - 1]) - mean
        squares += off * off
    return math.sqrt(squares / (count - 1))


def volatility(bars: int) -> Column:
    """The standard deviation of so many one-bar returns."""
    formula = f"standard deviation (n-1) of {bars} ret_1m_bps"
    name, source = f"volatility_{bars}m_bps", "published scalper"
    return Column(name, formula, source, bars + 1, "bps", True, Windowed(_deviation))


COLUMNS = (
    Column("range_bps", "1e4 (H - L) / C", "published scalper, as spread", 1, "bps", True, Windowed(_range)),
    Column("range_ma_15_bps", "SMA15(range_bps)", "published scalper", 15, "bps", True, Windowed(_mean_range)),
    Column(
        "true_range_bps",
        "1e4 (max(H, C[-1]) - min(L, C[-1])) / C",
        "Wilder 1978",
        2,
        "bps",
        True,
        Windowed(_true_range),
    ),
    volatility(15),
    volatility(60),
)
