"""The stop to the entry, once the trade has been in profit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.position.kit import peak
from core.position.policy import HOLD, MOVE_STOP, Candle, ExitPolicy, Held

if TYPE_CHECKING:
    from core.position.policy import Vector


def break_even(from_pct: float, beyond_bps: float = 0.0, reason: str = "break-even stop") -> ExitPolicy:
    """Once the best price was `from_pct` percent of the entry ahead of it, the stop lies at the entry, or `beyond_bps`
    in favour of it: what a round trip costs, for a trade that is to lose nothing."""
    return ExitPolicy(reason, step, (from_pct, beyond_bps), peak.see, peak.STATE_SIZE, says=(MOVE_STOP,))


def step(state: Vector, held: Held, bar: Candle, values: Vector, parameters: Vector) -> tuple[int, float]:
    if 100.0 * held.sign * (state[0] - held.entry_price) < parameters[0] * held.entry_price:
        return HOLD, 0.0
    return MOVE_STOP, held.entry_price * (1.0 + held.sign * parameters[1] / 10_000.0)
