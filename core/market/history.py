"""The newest bars of one symbol in memory, as columns that workers can be handed."""

from __future__ import annotations

from collections import deque

import numpy as np

from core.domain.market import Bar
from core.ports import BarColumns

_FIELDS = ("open", "high", "low", "close", "volume")


class BarHistory:
    """A bounded run of bars. `recent` keeps the last of them as objects for charts."""

    def __init__(self, symbol: str, interval_ms: int, capacity: int, chart_bars: int = 300) -> None:
        self._symbol = symbol
        self._interval_ms = interval_ms
        self._capacity = capacity
        self._times = np.empty(2 * capacity, np.int64)
        self._values = np.empty((5, 2 * capacity), np.float64)
        self._end = 0
        self.recent: deque[Bar] = deque(maxlen=chart_bars)

    def __len__(self) -> int:
        return min(self._end, self._capacity)

    def append(self, bar: Bar) -> None:
        if self._end == self._times.size:
            keep = slice(self._end - self._capacity, self._end)
            self._times[: self._capacity] = self._times[keep]
            self._values[:, : self._capacity] = self._values[:, keep]
            self._end = self._capacity
        self._times[self._end] = bar.open_time_ms
        self._values[:, self._end] = (bar.open, bar.high, bar.low, bar.close, bar.volume)
        self._end += 1
        self.recent.append(bar)

    def extend(self, columns: BarColumns) -> None:
        for row in range(len(columns.open_time_ms)):
            self.append(bar_at(columns, row))

    def close_before(self, bars: int) -> float | None:
        """The close `bars` bars before the newest, or the oldest kept; None when empty."""
        if not len(self):
            return None
        return float(self._values[3, max(self._end - len(self), self._end - 1 - bars)])

    def window(self, count: int, until_ms: int) -> BarColumns:
        """At most `count` bars that closed at or before `until_ms`, oldest first; copies."""
        first = max(0, self._end - self._capacity)
        times = self._times[first : self._end]
        stop = first + int(np.searchsorted(times, until_ms - self._interval_ms, side="right"))
        keep = slice(max(first, stop - count), stop)
        values = self._values[:, keep].copy()
        return BarColumns(self._symbol, self._interval_ms, self._times[keep].copy(), *values)


def bar_at(columns: BarColumns, row: int) -> Bar:
    return Bar(
        columns.symbol,
        int(columns.open_time_ms[row]),
        columns.interval_ms,
        *(float(getattr(columns, name)[row]) for name in _FIELDS),
    )
