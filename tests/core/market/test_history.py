"""The newest bars in memory: many at once are as one by one."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.market.history import BarHistory, bar_at
from core.ports import BarColumns

CAPACITY = 5


def columns(first: int, count: int) -> BarColumns:
    times = np.arange(first, first + count, dtype=np.int64) * 60_000
    return BarColumns("BTCUSDT", 60_000, times, *(times * 0.5 + n for n in range(5)))


@given(pieces=st.lists(st.integers(0, 17), max_size=8))
def test_many_bars_at_once_are_as_one_by_one(pieces: list[int]) -> None:
    at_once, one_by_one = (BarHistory("BTCUSDT", 60_000, CAPACITY, chart_bars=3) for _ in range(2))
    first = 0
    for count in pieces:
        piece = columns(first, count)
        at_once.extend(piece)
        for row in range(count):
            one_by_one.append(bar_at(piece, row))
        first += count
        assert len(at_once) == len(one_by_one) == min(first, CAPACITY)
        assert list(at_once.recent) == list(one_by_one.recent)
        assert at_once.close_before(1) == one_by_one.close_before(1)
        whole, other = (history.window(100, 2**60) for history in (at_once, one_by_one))
        assert whole.open_time_ms.tolist() == other.open_time_ms.tolist()
        assert whole.volume.tolist() == other.volume.tolist()
        assert whole.open.tolist() == other.open.tolist()
