"""A stop that follows the best price of the trade, from the first bar or once a profit has been seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.position.kit import peak
from core.position.policy import HOLD, MOVE_STOP, Candle, ExitPolicy, Held

if TYPE_CHECKING:
    from core.position.policy import Vector


def trailing(trail_pct: float, from_pct: float = 0.0, reason: str = "trailing stop") -> ExitPolicy:
    """`trail_pct` percent behind the best price of the bars that have closed, tested from the next bar on, as soon as
    that price is `from_pct` percent of the entry ahead of it."""
    return ExitPolicy(reason, step, (trail_pct, from_pct), peak.see, peak.STATE_SIZE, says=(MOVE_STOP,))


def step(state: Vector, held: Held, bar: Candle, values: Vector, parameters: Vector) -> tuple[int, float]:
    best = state[0]
    if 100.0 * held.sign * (best - held.entry_price) < parameters[1] * held.entry_price:
        return HOLD, 0.0
    return MOVE_STOP, best * (1.0 - held.sign * parameters[0] / 100.0)
