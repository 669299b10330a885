"""Where a stop lies, and when it may move. Pure arithmetic that numba can compile: no function calls another but those
of `core.arithmetic`.

`sign` is +1 for a long and -1 for a short; ticks of 0, and a price of NaN, stand for no stop.
"""

from __future__ import annotations

import math

from core.arithmetic.fills import adverse_ticks

PLACE, LEAVE_PAST, LEAVE_BARE = range(3)
"""What an uncovered position asks for: a stop; to be left, for the price is past it; to be left, for none can rest."""

MAX_LOST_STOPS = 3
"""A trade that lost so many stops is left: somebody at the venue does not want one."""


def remedy(sign: int, mark: float, stop: float, stops_lost: int, is_refused: bool) -> int:
    """What a position whose stop is missing asks for, at a price of `mark`. With `is_refused` the venue takes none."""
    if sign * (mark - stop) <= 0.0:
        return LEAVE_PAST
    return LEAVE_BARE if is_refused or stops_lost >= MAX_LOST_STOPS else PLACE


def moved_ticks(sign: int, ticks: int, wanted: float, price_step: float, tick_step: int, may_loosen: bool) -> int:
    """Where a stop at `ticks` goes that is wanted at the price `wanted`, on the tick that leaves sooner; where it is if
    that would be looser, or no price. `price_step` is that of an order, of `tick_step` ticks."""
    if not 0.0 < wanted < math.inf:
        return ticks
    found = adverse_ticks(wanted, price_step, sign) * tick_step
    if ticks > 0 and not may_loosen and sign * (found - ticks) < 0:
        return ticks
    return found


def loss_price(sign: int, entry_price: float, qty: float, loss_usdt: float, cost_bps: float) -> float:
    """At which price leaving `qty` base units loses `loss_usdt`, with `cost_bps` of the notional paid on either side;
    NaN where no price does."""
    if not qty > 0.0:
        return math.nan
    cost = sign * cost_bps / 10_000.0
    price = (entry_price * (1.0 + cost) - sign * loss_usdt / qty) / (1.0 - cost)
    return price if price > 0.0 else math.nan


def scaled_pct(volatility_pct: float, multiple: float, least_pct: float, most_pct: float) -> float:
    """A distance of so many times the volatility, within bounds; NaN where no volatility is known."""
    if not volatility_pct > 0.0:
        return math.nan
    return min(max(volatility_pct * multiple, least_pct), most_pct)
