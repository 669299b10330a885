"""Where the price stands against its averages, and these against each other."""

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
def _mean(column: Floats, count: int) -> float:
    total = 0.0
    for i in range(len(column) - count, len(column)):
        total += column[i]
    return total / count


@compiled
def _ema(closes: Floats, length: float) -> float:
    average = float(closes[0])
    for i in range(1, len(closes)):
        average += 2.0 / (length + 1.0) * (closes[i] - average)
    return average


@compiled
def _price_to_ema(
    opens: Floats, highs: Floats, lows: Floats, closes: Floats, volumes: Floats, parameters: Floats
) -> float:
    return _change_bps(closes[-1], _ema(closes, parameters[0]))


@compiled
def _price_to_sma(
    opens: Floats, highs: Floats, lows: Floats, closes: Floats, volumes: Floats, parameters: Floats
) -> float:
    return _change_bps(closes[-1], _mean(closes, len(closes)))


@compiled
def _ema_to_ema(
    opens: Floats, highs: Floats, lows: Floats, closes: Floats, volumes: Floats, parameters: Floats
) -> float:
    return _change_bps(_ema(closes, parameters[0]), _ema(closes, parameters[1]))


@compiled
def _ema_gap_in_ranges(
    opens: Floats, highs: Floats, lows: Floats, closes: Floats, volumes: Floats, parameters: Floats
) -> float:
    count = int(parameters[2])
    total = 0.0
    for i in range(len(closes) - count, len(closes)):
        total += highs[i] - lows[i]
    mean_range = total / count
    gap = _ema(closes, parameters[0]) - _ema(closes, parameters[1])
    return gap / mean_range if mean_range > 0.0 else 0.0


EMA_BARS = 600
"""An EMA runs over exactly so many closes, seeded with the first: what came before weighs less than 3e-9 of EMA60."""


def price_to_ema_bps(length: int) -> Column:
    """The close against the exponential average over EMA_BARS closes, or over ten times `length` where that is more."""
    return Column(
        f"price_to_ema_{length}_bps",
        f"1e4 (C / EMA{length} - 1)",
        "published scalper, there in price units",
        max(EMA_BARS, 10 * length),
        "bps",
        True,
        Windowed(_price_to_ema, (float(length),)),
    )


COLUMNS = (
    price_to_ema_bps(12),
    price_to_ema_bps(26),
    price_to_ema_bps(60),
    Column(
        "ema_diff_bps",
        "1e4 (EMA12 / EMA26 - 1)",
        "published scalper",
        EMA_BARS,
        "bps",
        True,
        Windowed(_ema_to_ema, (12.0, 26.0)),
    ),
    Column(
        "ema_diff_range",
        "(EMA12 - EMA26) / SMA15(H - L); 0 without any range",
        "published scalper, there in price units",
        EMA_BARS,
        "ratio",
        True,
        Windowed(_ema_gap_in_ranges, (12.0, 26.0, 15.0)),
    ),
    Column(
        "price_to_sma_15_bps",
        "1e4 (C / SMA15(C) - 1)",
        "published scalper",
        15,
        "bps",
        True,
        Windowed(_price_to_sma),
    ),
)
