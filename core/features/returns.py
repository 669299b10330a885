"""Prices, and by how much they moved."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.features.column import Column
from core.features.window import Windowed, compiled

Floats = NDArray[np.float64]


@compiled
def _change_bps(new: float, old: float) -> float:
    return 1e4 * (new / old - 1.0)


@compiled
def _close(opens: Floats, highs: Floats, lows: Floats, closes: Floats, volumes: Floats, parameters: Floats) -> float:
    return float(closes[-1])


@compiled
def _over_the_window(
    opens: Floats, highs: Floats, lows: Floats, closes: Floats, volumes: Floats, parameters: Floats
) -> float:
    return _change_bps(closes[-1], closes[0])


@compiled
def _acceleration(
    opens: Floats, highs: Floats, lows: Floats, closes: Floats, volumes: Floats, parameters: Floats
) -> float:
    return _change_bps(closes[2], closes[1]) - _change_bps(closes[1], closes[0])


def change(bars: int) -> Column:
    """The return over so many bars."""
    formula = f"1e4 (C / C[-{bars}] - 1)"
    return Column(f"ret_{bars}m_bps", formula, "published scalper", bars + 1, "bps", True, Windowed(_over_the_window))


COLUMNS = (
    Column("close_usdt", "C", "the bar", 1, "usdt", False, Windowed(_close)),
    change(1),
    change(5),
    change(15),
    Column(
        "acceleration_bps",
        "ret_1m_bps - ret_1m_bps[-1]",
        "published scalper",
        3,
        "bps",
        True,
        Windowed(_acceleration),
    ),
)
