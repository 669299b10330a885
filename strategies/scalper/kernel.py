"""The feature kernel. Kept apart from `features` so that only worker processes import numba.

The look-back is an argument throughout, not a global: numba's cache on disk does not notice a changed global.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from core.ports import BarColumns
from strategies.scalper.features import FEATURE_NAMES, LOOKBACK_BARS

_WIDTH = len(FEATURE_NAMES)

Floats = NDArray[np.float64]
Index = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FeatureRows:
    """`values[i]` (19 columns, float64) are the features at the close of bar `bar_index[i]` of the window."""

    bar_index: NDArray[np.int64]
    values: NDArray[np.float64]


def feature_rows(window: BarColumns) -> FeatureRows:
    """A row for each bar of `window` whose last LOOKBACK_BARS bars are all there and possible; maybe none."""
    high, low, close, volume = (np.array(c, np.float64) for c in (window.high, window.low, window.close, window.volume))
    times = np.array(window.open_time_ms, np.int64)
    bar_index = _full_rows(times, high, low, close, volume, window.interval_ms, LOOKBACK_BARS)
    values = np.empty((len(bar_index), _WIDTH))
    _fill(high, low, close, volume, bar_index, values, LOOKBACK_BARS)
    return FeatureRows(bar_index, values)


@numba.njit(cache=True)
def _full_rows(
    open_time_ms: Index, high: Floats, low: Floats, close: Floats, volume: Floats, interval_ms: int, lookback: int
) -> Index:
    index = np.empty(len(close), np.int64)
    count = 0
    run = 0
    for i in range(len(close)):
        possible = (
            0.0 < low[i] <= close[i] <= high[i]
            and math.isfinite(high[i])
            and volume[i] >= 0.0
            and math.isfinite(volume[i])
        )
        in_step = i == 0 or open_time_ms[i] - open_time_ms[i - 1] == interval_ms
        run = 0 if not possible else (run + 1 if in_step else 1)
        if run >= lookback:
            index[count] = i
            count += 1
    return index[:count].copy()


@numba.njit(cache=True)
def _fill(
    high: Floats, low: Floats, close: Floats, volume: Floats, bar_index: Index, values: Floats, lookback: int
) -> None:
    for row in range(len(bar_index)):
        _row(high, low, close, volume, bar_index[row], values[row], lookback)


@numba.njit(cache=True)
def _row(high: Floats, low: Floats, close: Floats, volume: Floats, t: int, out: Floats, lookback: int) -> None:
    price = close[t]
    ema_12, ema_26, ema_60 = _emas(close, t, lookback)
    mean_range, mean_range_bps = _ranges(high, low, close, t)
    vwap = _vwap(high, low, close, volume, t, 60)
    ret_5m = _change_bps(price, close[t - 5])
    ratio = _volume_ratio(volume, t, 15)
    out[0] = _change_bps(price, ema_12)
    out[1] = _change_bps(price, ema_26)
    out[2] = (ema_12 - ema_26) / mean_range if mean_range > 0.0 else 0.0
    out[3] = _change_bps(ema_12, ema_26)
    out[4] = _rsi(close, t, 14)
    out[5] = _change_bps(price, ema_60)
    out[6] = _change_bps(vwap, _vwap(high, low, close, volume, t - 15, 60))
    out[7] = _change_bps(price, vwap)
    out[8] = 1e4 * (high[t] - low[t]) / price
    out[9] = mean_range_bps
    out[10] = _change_bps(price, close[t - 1])
    out[11] = ret_5m
    out[12] = _change_bps(price, close[t - 15])
    out[13] = ratio
    out[14] = _change_bps(price, _mean(close, t, 15))
    out[15] = _volatility_bps(close, t, 15)
    out[16] = _volatility_bps(close, t, 60)
    out[17] = _change_bps(price, close[t - 1]) - _change_bps(close[t - 1], close[t - 2])
    out[18] = (ratio - 1.0) * ret_5m


@numba.njit(cache=True)
def _change_bps(new: float, old: float) -> float:
    return 1e4 * (new / old - 1.0)


@numba.njit(cache=True)
def _emas(close: Floats, t: int, lookback: int) -> tuple[float, float, float]:
    first = t - lookback + 1
    fast = middle = slow = close[first]
    for i in range(first + 1, t + 1):
        fast += 2.0 / 13.0 * (close[i] - fast)
        middle += 2.0 / 27.0 * (close[i] - middle)
        slow += 2.0 / 61.0 * (close[i] - slow)
    return fast, middle, slow


@numba.njit(cache=True)
def _ranges(high: Floats, low: Floats, close: Floats, t: int) -> tuple[float, float]:
    total = 0.0
    total_bps = 0.0
    for i in range(t - 14, t + 1):
        total += high[i] - low[i]
        total_bps += 1e4 * (high[i] - low[i]) / close[i]
    return total / 15.0, total_bps / 15.0


@numba.njit(cache=True)
def _vwap(high: Floats, low: Floats, close: Floats, volume: Floats, t: int, count: int) -> float:
    traded = 0.0
    weighted = 0.0
    plain = 0.0
    for i in range(t - count + 1, t + 1):
        typical = (high[i] + low[i] + close[i]) / 3.0
        plain += typical
        weighted += typical * volume[i]
        traded += volume[i]
    return weighted / traded if traded > 0.0 else plain / count


@numba.njit(cache=True)
def _mean(column: Floats, t: int, count: int) -> float:
    total = 0.0
    for i in range(t - count + 1, t + 1):
        total += column[i]
    return total / count


@numba.njit(cache=True)
def _volume_ratio(volume: Floats, t: int, count: int) -> float:
    mean = _mean(volume, t, count)
    return volume[t] / mean if mean > 0.0 else 1.0


@numba.njit(cache=True)
def _rsi(close: Floats, t: int, count: int) -> float:
    rises = 0.0
    falls = 0.0
    for i in range(t - count + 1, t + 1):
        move = close[i] - close[i - 1]
        if move > 0.0:
            rises += move
        else:
            falls -= move
    moved = rises + falls
    return 100.0 * rises / moved if moved > 0.0 else 50.0


@numba.njit(cache=True)
def _volatility_bps(close: Floats, t: int, count: int) -> float:
    total = 0.0
    for i in range(t - count + 1, t + 1):
        total += _change_bps(close[i], close[i - 1])
    mean = total / count
    squares = 0.0
    for i in range(t - count + 1, t + 1):
        off = _change_bps(close[i], close[i - 1]) - mean
        squares += off * off
    return math.sqrt(squares / (count - 1))
