"""A stop that follows the best price by so many times the average range of the trade's own bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.position.policy import HOLD, MOVE_STOP, Candle, ExitPolicy, Held

if TYPE_CHECKING:
    from core.position.policy import Vector

_STATE_SIZE = 4


def atr_stop(bars: int, multiple: float, reason: str = "ATR stop") -> ExitPolicy:
    """`multiple` times Wilder's average true range over `bars`, behind the best price since the entry. It says nothing
    before it has seen a bar more than `bars`: until then the stop of the entry stands."""
    return ExitPolicy(reason, step, (float(bars), multiple), see, _STATE_SIZE, says=(MOVE_STOP,))


def see(state: Vector, sign: int, bar: Candle, parameters: Vector) -> None:
    """`state`: bars seen, the close before, the average true range so far, the best price. The first `bars` ranges have
    the same weight, each later one 1 / bars (Wilder 1978, "New Concepts in Technical Trading Systems")."""
    seen = state[0]
    best = bar.high if sign > 0 else bar.low
    if seen == 0.0:
        state[3] = best
    else:
        before = state[1]
        reach = max(bar.high, before) - min(bar.low, before)
        state[2] += (reach - state[2]) / min(seen, parameters[0])
        if sign * (best - state[3]) > 0.0:
            state[3] = best
    state[0], state[1] = seen + 1.0, bar.close


def step(state: Vector, held: Held, bar: Candle, values: Vector, parameters: Vector) -> tuple[int, float]:
    if state[0] <= parameters[0]:
        return HOLD, 0.0
    return MOVE_STOP, state[3] - held.sign * parameters[1] * state[2]
