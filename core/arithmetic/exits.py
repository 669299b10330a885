"""Exit rules as pure arithmetic that numba can compile: all of `core.strategy.declaration.ExitFunction`.

(side_sign, entry_price, price, values, held_ms, parameter) -> leave now. `side_sign` is +1 long and -1 short, `price`
the price at hand, `values` (outputs,) what is said of the bar and NaN where nothing is, `held_ms` that of `held_ms`;
NaN for a figure that is not there never leaves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]


def held_ms(entry_time_ms: int, bar_close_ms: int, interval_ms: int) -> int:
    """How long a position is held at the close of a bar, in whole bars: from the opening of the bar that it was entered
    in, so that one which is to be held for N bars is left at the first price after the Nth."""
    return bar_close_ms - entry_time_ms // interval_ms * interval_ms


def reversal(side_sign: int, entry_price: float, price: float, values: Vector, held_ms: int, parameter: float) -> bool:
    """The first output is against the position by more than `parameter`, in its unit."""
    return bool(side_sign * values[0] < -parameter)


def stop_loss(side_sign: int, entry_price: float, price: float, values: Vector, held_ms: int, parameter: float) -> bool:
    """The price is against the position by `parameter` percent of the entry or more."""
    return 100.0 * side_sign * (price - entry_price) <= -parameter * entry_price


def take_profit(
    side_sign: int, entry_price: float, price: float, values: Vector, held_ms: int, parameter: float
) -> bool:
    """The price is in favour of the position by `parameter` percent of the entry or more."""
    return 100.0 * side_sign * (price - entry_price) >= parameter * entry_price


def time_stop(side_sign: int, entry_price: float, price: float, values: Vector, held_ms: int, parameter: float) -> bool:
    """The position has been held for `parameter` milliseconds or longer."""
    return held_ms >= parameter
