"""Leave when the forecast turns against the trade."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.position.policy import CLOSE, HOLD, Candle, ExitPolicy, Held

if TYPE_CHECKING:
    from core.position.policy import Vector


def reversal(beyond: float, reason: str = "forecast turned") -> ExitPolicy:
    """Once the first output is against the trade by more than `beyond`, in its unit. A bar of which nothing was
    forecast is no reversal."""
    return ExitPolicy(reason, step, (beyond,), says=(CLOSE,))


def step(state: Vector, held: Held, bar: Candle, values: Vector, parameters: Vector) -> tuple[int, float]:
    return (CLOSE if held.sign * values[0] < -parameters[0] else HOLD), 0.0
