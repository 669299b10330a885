"""Leave what has been held for long enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.position.policy import CLOSE, HOLD, Candle, ExitPolicy, Held

if TYPE_CHECKING:
    from core.position.policy import Vector


def time_limit(hold_ms: float, reason: str = "time limit") -> ExitPolicy:
    """Left at the first price `hold_ms` after the opening of the bar that was entered in."""
    return ExitPolicy(reason, step, (hold_ms,), says=(CLOSE,))


def step(state: Vector, held: Held, bar: Candle, values: Vector, parameters: Vector) -> tuple[int, float]:
    return (CLOSE if held.held_ms >= parameters[0] else HOLD), 0.0
