"""What prices do to a trade that rests at a venue with stop, targets and a liquidation price: the pessimistic order.

`stop`, `target` and `liquidation` are prices in USDT; what there is none of is NaN (a liquidation also 0). A bar is met
twice: its first price alone (`first` = `low` = `high`), then its range. Of the range nobody knows what came first, so
the level against the trade did.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from core.arithmetic.fills import is_beyond, stop_is_touched, target_is_touched, worse_price
from core.position.holding import Holding, Plan, reduced, target_lots

NOTHING, STOPPED, LIQUIDATED, REACHED = range(4)
"""What closed: nothing, the stop, a liquidation, a target."""


class Closing(NamedTuple):
    """`lots` leave at `price`, before slippage; `taken` are the targets that are done by then."""

    what: int
    lots: int
    price: float
    taken: int


def next_closing(
    h: Holding, plan: Plan, tick: float, liquidation: float, first: float, low: float, high: float
) -> Closing:
    """What happens first of all that may: liquidation or stop, whichever is nearer, with all that is left; else the
    next target with its part. A stop that the first price is past already fills at that; so does a target, which is
    the better for it. To be asked again of what is left, until it is nothing."""
    if h.lots == 0:
        return Closing(NOTHING, 0, math.nan, h.taken)
    stop = h.stop_ticks * tick
    there = h.stop_ticks > 0 and stop_is_touched(-h.sign, stop, low, high)
    is_liquidated = liquidation > 0.0 and (low <= liquidation if h.sign > 0 else high >= liquidation)
    if is_liquidated and (not there or is_beyond(liquidation, -h.sign, stop)):
        return Closing(LIQUIDATED, h.lots, worse_price(-h.sign, liquidation, first), h.taken)
    if there:
        return Closing(STOPPED, h.lots, worse_price(-h.sign, stop, first), h.taken)
    place = h.taken
    while place < 4 and plan.targets[place] > 0:
        target = plan.targets[place] * tick
        if not target_is_touched(-h.sign, target, low, high):
            break
        lots = target_lots(h.lots, plan.shares, place, plan.least, plan.step)
        place += 1
        if lots > 0:
            return Closing(REACHED, lots, worse_price(h.sign, target, first), place)
    return Closing(NOTHING, 0, math.nan, place)


def after(h: Holding, met: Closing, ticks: int) -> Holding:
    """The trade once what closed was filled at `ticks`."""
    return reduced(h, met.lots, ticks, met.taken)


def quiet_range(sign: int, stop: float, target: float, liquidation: float) -> tuple[float, float]:
    """Between which prices, both ends left out, nothing of a trade is met: -inf and inf where there is no level."""
    against, ahead = -sign * math.inf, sign * math.inf
    if stop == stop:
        against = stop
    if target == target:
        ahead = target
    if sign > 0:
        return (max(against, liquidation) if liquidation > 0.0 else against), ahead
    return ahead, (min(against, liquidation) if liquidation > 0.0 else against)


def bars_until(hold_ms: float, held_ms: int, interval_ms: int) -> int:
    """How many bars later a trade that has been held for `held_ms` at a close has been held for `hold_ms`."""
    return math.ceil(max(0.0, min((hold_ms - held_ms) / interval_ms, 2.0**52)))
