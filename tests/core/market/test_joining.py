from __future__ import annotations

import numpy as np
import pytest

from core.domain.market import MINUTE_MS
from core.market.joining import joined
from core.ports import BarColumns


def bars(minutes: list[int]) -> BarColumns:
    rng = np.random.default_rng(4)
    closes = 100.0 + rng.normal(0.0, 1.0, len(minutes)).cumsum()
    opens = closes + rng.normal(0.0, 0.3, len(minutes))
    high, low = np.maximum(opens, closes) + 0.2, np.minimum(opens, closes) - 0.2
    times = np.array(minutes, np.int64) * MINUTE_MS
    return BarColumns("BTCUSDT", MINUTE_MS, times, opens, high, low, closes, rng.random(len(minutes)))


@pytest.mark.parametrize("minutes", [list(range(3, 40)), [3, 4, 9, 10, 11, 30, 34], [7], []])
def test_joined_candles_are_those_of_their_bars(minutes: list[int]) -> None:
    given = bars(minutes)
    found = joined(given, 5 * MINUTE_MS)
    fives = sorted({minute // 5 for minute in minutes})
    assert found.open_time_ms.tolist() == [five * 5 * MINUTE_MS for five in fives]
    assert found.interval_ms == 5 * MINUTE_MS
    for place, five in enumerate(fives):
        mine = [i for i, minute in enumerate(minutes) if minute // 5 == five]
        assert (found.open[place], found.close[place]) == (given.open[mine[0]], given.close[mine[-1]])
        assert (found.high[place], found.low[place]) == (given.high[mine].max(), given.low[mine].min())
        assert found.volume[place] == pytest.approx(given.volume[mine].sum())


def test_an_interval_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="no multiple"):
        joined(bars([1, 2]), 90_000)
