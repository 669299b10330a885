"""Where the price stands within its recent moves, between two fixed ends."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.features.column import Column
from core.features.window import Windowed, compiled

Floats = NDArray[np.float64]


@compiled
def _rsi(opens: Floats, highs: Floats, lows: Floats, closes: Floats, volumes: Floats, parameters: Floats) -> float:
    rises = 0.0
    falls = 0.0
    for i in range(1, len(closes)):
        move = closes[i] - closes[i - 1]
        if move > 0.0:
            rises += move
        else:
            falls -= move
    moved = rises + falls
    return 100.0 * rises / moved if moved > 0.0 else 50.0


@compiled
def _williams_r(
    opens: Floats, highs: Floats, lows: Floats, closes: Floats, volumes: Floats, parameters: Floats
) -> float:
    highest, lowest = highs.max(), lows.min()
    return -100.0 * (highest - closes[-1]) / (highest - lowest) if highest > lowest else np.nan


COLUMNS = (
    Column(
        "rsi_14",
        "100 G / (G + L), G and L the sums of the rises and of the falls of the last 14 closes; 50 without any move",
        "Cutler; published scalper",
        15,
        "pct",
        True,
        Windowed(_rsi),
    ),
    Column(
        "williams_r_14",
        "-100 (max14(H) - C) / (max14(H) - min14(L)); missing without any range",
        "Williams 1973",
        14,
        "pct",
        True,
        Windowed(_williams_r),
    ),
)
