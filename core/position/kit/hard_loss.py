"""A loss in USDT that no trade is to exceed, resting at the venue as a stop at the price where it is reached."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.position.policy import MOVE_STOP, Candle, ExitPolicy, Held
from core.position.stops import loss_price

if TYPE_CHECKING:
    from core.position.policy import Vector


def hard_loss(loss_usdt: float, cost_bps: float = 0.0, reason: str = "largest loss") -> ExitPolicy:
    """From the first fill on; what is added later counts from the next close on, and what has left does not loosen it.
    `cost_bps` are the costs of one side that the loss is to hold, too. A gap goes through it, as through any stop."""
    return ExitPolicy(reason, step, (loss_usdt, cost_bps), at_entry=at_entry, says=(MOVE_STOP,))


def at_entry(sign: int, entry_price: float, qty: float, parameters: Vector) -> float:
    return loss_price(sign, entry_price, qty, parameters[0], parameters[1])


def step(state: Vector, held: Held, bar: Candle, values: Vector, parameters: Vector) -> tuple[int, float]:
    return MOVE_STOP, loss_price(held.sign, held.entry_price, held.qty, parameters[0], parameters[1])
