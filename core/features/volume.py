"""What was traded, and prices weighed by it."""

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
def _vwap(highs: Floats, lows: Floats, closes: Floats, volumes: Floats, end: int, count: int) -> float:
    traded = 0.0
    weighted = 0.0
    plain = 0.0
    for i in range(end - count, end):
        typical = (highs[i] + lows[i] + closes[i]) / 3.0
        plain += typical
        weighted += typical * volumes[i]
        traded += volumes[i]
    return weighted / traded if traded > 0.0 else plain / count


@compiled
def _ratio(volumes: Floats, count: int) -> float:
    mean = _mean(volumes, count)
    return volumes[-1] / mean if mean > 0.0 else 1.0


@compiled
def _volume(opens: Floats, highs: Floats, lows: Floats, closes: Floats, volumes: Floats, parameters: Floats) -> float:
    return float(volumes[-1])


@compiled
def _volume_ratio(
    opens: Floats, highs: Floats, lows: Floats, closes: Floats, volumes: Floats, parameters: Floats
) -> float:
    return _ratio(volumes, len(volumes))


@compiled
def _price_to_vwap(
    opens: Floats, highs: Floats, lows: Floats, closes: Floats, volumes: Floats, parameters: Floats
) -> float:
    return _change_bps(closes[-1], _vwap(highs, lows, closes, volumes, len(closes), len(closes)))


@compiled
def _vwap_slope(
    opens: Floats, highs: Floats, lows: Floats, closes: Floats, volumes: Floats, parameters: Floats
) -> float:
    count = int(parameters[0])
    newest = _vwap(highs, lows, closes, volumes, len(closes), count)
    return _change_bps(newest, _vwap(highs, lows, closes, volumes, count, count))


@compiled
def _volume_times_move(
    opens: Floats, highs: Floats, lows: Floats, closes: Floats, volumes: Floats, parameters: Floats
) -> float:
    bars, back = int(parameters[0]), int(parameters[1])
    return (_ratio(volumes, bars) - 1.0) * _change_bps(closes[-1], closes[-1 - back])


COLUMNS = (
    Column("volume_base", "V", "the bar", 1, "base", False, Windowed(_volume)),
    Column(
        "volume_ratio_15",
        "V / SMA15(V); 1 without any volume",
        "published scalper",
        15,
        "ratio",
        True,
        Windowed(_volume_ratio),
    ),
    Column(
        "price_to_vwap_60_bps",
        "1e4 (C / VWAP60 - 1); the VWAP of bars without any volume is the plain mean of P",
        "published scalper",
        60,
        "bps",
        True,
        Windowed(_price_to_vwap),
    ),
    Column(
        "vwap_60_slope_bps",
        "1e4 (VWAP60 / VWAP60[-15] - 1)",
        "published scalper, there in price units",
        75,
        "bps",
        True,
        Windowed(_vwap_slope, (60.0,)),
    ),
    Column(
        "volume_price_div",
        "(volume_ratio_15 - 1) ret_5m_bps",
        "published scalper",
        15,
        "bps",
        True,
        Windowed(_volume_times_move, (15.0, 5.0)),
    ),
)
