"""The best price of a trade so far, which several exits go by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.position.policy import Candle

if TYPE_CHECKING:
    from core.position.policy import Vector

STATE_SIZE = 1


def see(state: Vector, sign: int, bar: Candle, parameters: Vector) -> None:
    """`state[0]` is the highest high of a long, the lowest low of a short, since the bar that it was entered in."""
    best = bar.high if sign > 0 else bar.low
    if state[0] == 0.0 or sign * (best - state[0]) > 0.0:
        state[0] = best
