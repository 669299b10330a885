"""Short bars joined into longer ones, for charts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from core.ports import BarColumns


def joined(bars: BarColumns, interval_ms: int) -> BarColumns:
    """Candles of `interval_ms`, a whole multiple of the bars' own, that begin on multiples of it in UTC.

    One is told from the bars that are there: where some are missing it is that of the others, where all are it is left
    out. Raises ValueError for an interval that is no multiple.
    """
    if interval_ms % bars.interval_ms:
        raise ValueError(f"{interval_ms} ms is no multiple of {bars.interval_ms} ms")
    slots = bars.open_time_ms // interval_ms
    if not len(slots):
        return replace(bars, interval_ms=interval_ms)
    starts = np.flatnonzero(np.diff(slots, prepend=slots[0] - 1))
    last = np.append(starts[1:], len(slots)) - 1
    return BarColumns(
        bars.symbol,
        interval_ms,
        slots[starts] * interval_ms,
        bars.open[starts],
        np.maximum.reduceat(bars.high, starts),
        np.minimum.reduceat(bars.low, starts),
        bars.close[last],
        np.add.reduceat(bars.volume, starts),
    )
