"""Bars of a longer interval, built from those of a shorter one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from core.market.joining import joined
from core.ports import BarColumns

_MOST_DECIMALS = 9
_EXACT = float(1 << 53)


def built(bars: BarColumns, interval_ms: int) -> BarColumns:
    """Bars of `interval_ms`, a whole multiple of the bars' own, that begin on multiples of it in UTC.

    One is there only where each of its shorter bars is: it closes with the last of them, and where one is missing it is
    missing, too. Its volume is the exact decimal sum, so that it is that of the venue's own bar. Raises ValueError for
    an interval that is no multiple.
    """
    whole = joined(bars, interval_ms)
    slots, counts = np.unique(bars.open_time_ms // interval_ms, return_counts=True)
    is_whole = counts == interval_ms // bars.interval_ms
    within = np.repeat(is_whole, counts)
    starts = np.arange(int(is_whole.sum())) * (interval_ms // bars.interval_ms)
    return replace(
        whole,
        open_time_ms=slots[is_whole] * interval_ms,
        open=whole.open[is_whole],
        high=whole.high[is_whole],
        low=whole.low[is_whole],
        close=whole.close[is_whole],
        volume=_sums(bars.volume[within], starts),
    )


def _sums(values: NDArray[np.float64], starts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of the runs of `values` that begin at `starts`: as decimals where they have few enough, so that no sum hangs on
    how the machine rounds. Each run by itself, so that others beside it change nothing."""
    if not len(starts):
        return np.empty(0)
    sums = np.add.reduceat(values, starts)
    is_open = np.ones(len(starts), dtype=np.bool_)
    for decimals in range(_MOST_DECIMALS + 1):
        scale = 10.0**decimals
        counts = np.rint(values * scale)
        totals = np.add.reduceat(counts, starts)
        fits = is_open & np.logical_and.reduceat(counts / scale == values, starts) & (np.abs(totals) < _EXACT)
        sums[fits] = totals[fits] / scale
        is_open &= ~fits
    return sums
