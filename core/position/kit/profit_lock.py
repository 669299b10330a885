"""A stop that keeps a share of the best profit of the trade."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.position.kit import peak
from core.position.policy import HOLD, MOVE_STOP, Candle, ExitPolicy, Held

if TYPE_CHECKING:
    from core.position.policy import Vector


def profit_lock(from_pct: float, kept_share: float, reason: str = "profit lock") -> ExitPolicy:
    """Once the best price was `from_pct` percent of the entry ahead of it, the stop keeps `kept_share` (0..1) of the
    way from the entry to the best price."""
    return ExitPolicy(reason, step, (from_pct, kept_share), peak.see, peak.STATE_SIZE, says=(MOVE_STOP,))


def step(state: Vector, held: Held, bar: Candle, values: Vector, parameters: Vector) -> tuple[int, float]:
    if 100.0 * held.sign * (state[0] - held.entry_price) < parameters[0] * held.entry_price:
        return HOLD, 0.0
    return MOVE_STOP, held.entry_price + parameters[1] * (state[0] - held.entry_price)
