"""Rows of columns: bars in, a matrix out. For worker processes and the lab: it imports numba."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.features.column import Column
from core.features.window import whole_bars
from core.ports import BarColumns


def table(columns: Sequence[Column], bars: BarColumns, first: int = 0) -> NDArray[np.float64]:
    """The values (n - first, columns) at the closes of the bars first <= t < n of `bars`, oldest first.

    NaN is missing: a column's warm-up is short there, a bar of it is missing or impossible, or it has no value. Nothing
    is filled. One row of a live window and the same row of a whole history are equal to the bit. Raises BadInputError
    where an indicator of pandas-ta-classic cannot be computed.
    """
    bars = _plain(bars)
    whole = whole_bars(bars.open_time_ms, bars.open, bars.high, bars.low, bars.close, bars.volume, bars.interval_ms)
    values = np.empty((len(bars.close) - first, len(columns)))
    for i, column in enumerate(columns):
        values[:, i] = column.told.values(bars, whole, column.warm_up_bars, first)
    values[~np.isfinite(values)] = np.nan
    return values


def _plain(bars: BarColumns) -> BarColumns:
    """Of one kind whatever their source, so that numba compiles each function once."""
    times = np.require(bars.open_time_ms, np.int64, ("C", "W"))
    prices = (np.require(c, np.float64, ("C", "W")) for c in (bars.open, bars.high, bars.low, bars.close, bars.volume))
    return BarColumns(bars.symbol, bars.interval_ms, times, *prices)
