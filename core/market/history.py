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
        self.interval_ms = interval_ms
        self._capacity = capacity
        self._times = np.empty(2 * capacity, np.int64)
        self._values = np.empty((5, 2 * capacity), np.float64)
        self._end = 0
        self.recent: deque[Bar] = deque(maxlen=chart_bars)

    def __len__(self) -> int:
        return min(self._end, self._capacity)

    def append(self, bar: Bar) -> None:
        self._make_room(1)
        self._times[self._end] = bar.open_time_ms
        self._values[:, self._end] = (bar.open, bar.high, bar.low, bar.close, bar.volume)
        self._end += 1
        self.recent.append(bar)

    def extend(self, columns: BarColumns) -> None:
        count = len(columns.open_time_ms)
        for first in range(0, count, self._capacity):
            rows = slice(first, min(first + self._capacity, count))
            self._make_room(rows.stop - rows.start)
            place = slice(self._end, self._end + rows.stop - rows.start)
            self._times[place] = columns.open_time_ms[rows]
            for row, name in zip(self._values, _FIELDS, strict=True):
                row[place] = getattr(columns, name)[rows]
            self._end = place.stop
        charted = self.recent.maxlen or 0
        self.recent.extend(bar_at(columns, row) for row in range(max(0, count - charted), count))

    def _make_room(self, count: int) -> None:
        """For so many more bars, `capacity` at most: what is older than the newest `capacity` goes."""
        if self._end + count <= self._times.size:
            return
        keep = slice(self._end - self._capacity, self._end)
        self._times[: self._capacity] = self._times[keep]
        self._values[:, : self._capacity] = self._values[:, keep]
        self._end = self._capacity

    def newest_ms(self) -> int:
        """The close of the newest bar; 0 when empty."""
        return int(self._times[self._end - 1]) + self.interval_ms if self._end else 0

    def close_before(self, bars: int) -> float | None:
        """The close `bars` bars before the newest, or the oldest kept; None when empty."""
        if not len(self):
            return None
        return float(self._values[3, max(self._end - len(self), self._end - 1 - bars)])

    def window(self, count: int, until_ms: int) -> BarColumns:
        """At most `count` bars that closed at or before `until_ms`, oldest first; copies."""
        first = max(0, self._end - self._capacity)
        times = self._times[first : self._end]
        stop = first + int(np.searchsorted(times, until_ms - self.interval_ms, side="right"))
        keep = slice(max(first, stop - count), stop)
        values = self._values[:, keep].copy()
        return BarColumns(self._symbol, self.interval_ms, self._times[keep].copy(), *values)


def bar_at(columns: BarColumns, row: int) -> Bar:
    return Bar(
        columns.symbol,
        int(columns.open_time_ms[row]),
        columns.interval_ms,
        *(float(getattr(columns, name)[row]) for name in _FIELDS),
    )
