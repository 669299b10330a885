"""The crossings of two exponential moving averages of the close. Kept apart so that only who scans imports numba."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.arithmetic.compiler import kept

Floats = NDArray[np.float64]


def scan(
    state: Floats, opens: Floats, highs: Floats, lows: Floats, closes: Floats, volumes: Floats, parameters: Floats
) -> Floats:
    """By how many bps the fast average lies above the slow one, at the bars where it has come to its other side.

    `state` are the bars seen, the fast average, the slow average, and the side of the fast one: +1 above the slow one,
    -1 below, 0 never apart yet. `parameters` are the bars of the fast average, those of the slow one, and the index of
    the first bar that may signal; every other bar is NaN. An average of n bars starts at the first close and moves by
    2 / (n + 1) of its distance to each further one. Averages that are equal are on the side where they were.
    """
    values = np.full(len(closes), np.nan)
    _scan(state, closes, parameters, values)
    return values


@kept()
def _scan(state: Floats, closes: Floats, parameters: Floats, values: Floats) -> None:
    fast_weight = 2.0 / (parameters[0] + 1.0)
    slow_weight = 2.0 / (parameters[1] + 1.0)
    first_signal = parameters[2]
    seen, fast, slow, side = state[0], state[1], state[2], state[3]
    if seen == 0.0 and len(closes):
        fast = slow = closes[0]
    for i in range(len(closes)):
        fast += fast_weight * (closes[i] - fast)
        slow += slow_weight * (closes[i] - slow)
        now = 1.0 if fast > slow else -1.0 if fast < slow else side
        if now == -side and side != 0.0 and seen >= first_signal:
            values[i] = 1e4 * (fast / slow - 1.0)
        side = now
        seen += 1.0
    state[0], state[1], state[2], state[3] = seen, fast, slow, side
