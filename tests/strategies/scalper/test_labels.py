from __future__ import annotations

from dataclasses import replace

import numpy as np

from core.domain.market import MINUTE_MS
from strategies.scalper.labels import forward_returns
from tests.strategies.recorded import cut, recorded, without

HORIZON_MS = 10 * MINUTE_MS
WINDOW = cut(recorded("BTCUSDT"), 0, 100)


def test_a_label_is_the_return_to_the_close_ten_minutes_later() -> None:
    labels = forward_returns(WINDOW, HORIZON_MS)
    assert labels.bar_index.tolist() == list(range(90))
    assert labels.return_bps[7] == 1e4 * (WINDOW.close[17] / WINDOW.close[7] - 1)
    assert labels.start_ms[7] == WINDOW.open_time_ms[8]
    assert (labels.end_ms - labels.start_ms == HORIZON_MS).all()


def test_no_label_ends_after_the_window() -> None:
    labels = forward_returns(WINDOW, HORIZON_MS)
    assert labels.end_ms.max() == WINDOW.open_time_ms[-1] + MINUTE_MS
    assert len(forward_returns(cut(WINDOW, 0, 10), HORIZON_MS).bar_index) == 0
    assert len(forward_returns(cut(WINDOW, 0, 3), HORIZON_MS).bar_index) == 0


def test_a_label_over_a_missing_bar_is_absent() -> None:
    labels = forward_returns(without(WINDOW, 50), HORIZON_MS)
    assert labels.bar_index.tolist() == [*range(40), *range(50, 89)]


def test_a_label_from_or_to_an_impossible_close_is_absent() -> None:
    close = WINDOW.close.copy()
    close[50] = np.nan
    close[60] = 0.0
    labels = forward_returns(replace(WINDOW, close=close), HORIZON_MS)
    assert set(range(90)) - set(labels.bar_index.tolist()) == {40, 50, 60}
