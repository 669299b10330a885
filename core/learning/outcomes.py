"""What forecasts would have earned: trades that do not overlap, held for the label's time, after costs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.arithmetic.days import DAY_MS, LEAST_DAYS
from core.arithmetic.ratios import ROUNDING, sharpe


@dataclass(frozen=True, slots=True)
class TradeReturns:
    """`net_bps` (n,) of trades after costs, and when each ended, `end_ms` (n,), oldest first."""

    end_ms: NDArray[np.int64]
    net_bps: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.net_bps)


def trade_returns(
    direction: NDArray[np.int8],
    actual_bps: NDArray[np.float64],
    start_ms: NDArray[np.int64],
    end_ms: NDArray[np.int64],
    cost_bps: float,
) -> TradeReturns:
    """Net returns of trading each forecast in its `direction` (+1, -1, 0 not at all) from its label's start to its end.

    Trades do not overlap: one starts when the last has ended or later. Each is charged the round trip `cost_bps`. All
    arrays are of one length, oldest first.
    """
    taken = []
    free_ms = int(start_ms[0]) if len(start_ms) else 0
    for i in np.flatnonzero(direction):
        if start_ms[i] >= free_ms:
            taken.append(i)
            free_ms = int(end_ms[i])
    chosen = np.array(taken, np.intp)
    return TradeReturns(end_ms[chosen], direction[chosen] * actual_bps[chosen] - cost_bps)


def whole_days(from_ms: int, to_ms: int, holed_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """The starts of the UTC days that lie in [from_ms, to_ms) from end to end and are none of `holed_ms`."""
    days = np.arange(-(-from_ms // DAY_MS), to_ms // DAY_MS, dtype=np.int64) * DAY_MS
    return np.asarray(np.setdiff1d(days, holed_ms), np.int64)


def days_lacking_bars(open_time_ms: NDArray[np.int64], interval_ms: int) -> NDArray[np.int64]:
    """The starts of the UTC days from the first bar's to the last's that lack a bar of their own."""
    if not len(open_time_ms):
        return np.zeros(0, np.int64)
    day = open_time_ms // DAY_MS
    bars = np.bincount(day - day[0])
    return np.asarray((np.flatnonzero(bars * interval_ms < DAY_MS) + day[0]) * DAY_MS, np.int64)


def day_sharpe(trades: TradeReturns, days_ms: NDArray[np.int64]) -> float | None:
    """The Sharpe ratio of a year of 365 days, from what the trades that ended in each of the days `days_ms` summed to;
    one that ends at midnight is of the day before.

    A day without a trade earned 0. None for fewer than LEAST_DAYS, or where all days earned the same.
    """
    if len(days_ms) < LEAST_DAYS:
        return None
    place = np.searchsorted(days_ms, (trades.end_ms - 1) // DAY_MS * DAY_MS)
    inside = np.append(days_ms, -1)[place] == (trades.end_ms - 1) // DAY_MS * DAY_MS
    sums = np.bincount(place[inside], trades.net_bps[inside], len(days_ms))
    return sharpe(sums.astype(np.float64))


def errors_above_zero(trades: TradeReturns) -> float | None:
    """How many standard errors (deviation, n - 1, over the root of n) the mean of the trades is above 0; None for fewer
    than two, or where all are equal."""
    if len(trades) < 2:
        return None
    deviation = float(np.std(trades.net_bps, ddof=1))
    least = ROUNDING * float(np.max(np.abs(trades.net_bps)))
    return float(np.mean(trades.net_bps)) / (deviation / math.sqrt(len(trades))) if deviation > least else None
