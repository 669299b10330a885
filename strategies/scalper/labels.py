"""What the model learns to forecast: the return over the horizon that follows a bar's close."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.ports import BarColumns


@dataclass(frozen=True, slots=True)
class Labels:
    """Forward returns of the bars `bar_index` of a window.

    A label starts at its bar's close, `start_ms`, and ends at the close `end_ms`; `return_bps` is
    1e4 (C_end / C_start - 1).
    """

    bar_index: NDArray[np.int64]
    start_ms: NDArray[np.int64]
    end_ms: NDArray[np.int64]
    return_bps: NDArray[np.float64]


def forward_returns(window: BarColumns, horizon_ms: int) -> Labels:
    """A label for each bar whose horizon ends inside the window with no bar missing on the way; maybe none.

    A close that is not finite and positive starts and ends no label.
    """
    steps = horizon_ms // window.interval_ms
    times = window.open_time_ms
    starts = np.arange(max(len(times) - steps, 0), dtype=np.int64)
    priced = np.isfinite(window.close) & (window.close > 0.0)
    whole = times[starts + steps] - times[starts] == horizon_ms
    starts = starts[whole & priced[starts] & priced[starts + steps]]
    ends = starts + steps
    return Labels(
        bar_index=starts,
        start_ms=times[starts] + window.interval_ms,
        end_ms=times[ends] + window.interval_ms,
        return_bps=1e4 * (window.close[ends] / window.close[starts] - 1.0),
    )
