"""When and where a resting order fills, as pure arithmetic: one definition for simulated venue and sweep.

Each function stands alone, over ints, floats and bools, so that numba can compile it as it is. `side_sign` is +1 for
a buy and -1 for a sell, `position_sign` +1 for a long and -1 for a short; prices are USDT. `low` and `high` are the
range that an order saw; for a single price both are that price.
"""

from __future__ import annotations

import math


def stop_is_touched(side_sign: int, trigger: float, low: float, high: float) -> bool:
    """A buy stop triggers at or above its trigger, a sell stop at or below it."""
    if side_sign > 0:
        return high >= trigger
    return low <= trigger


def target_is_touched(side_sign: int, trigger: float, low: float, high: float) -> bool:
    """A buying take-profit triggers at or below its trigger, a selling one at or above it."""
    if side_sign > 0:
        return low <= trigger
    return high >= trigger


def is_beyond(liquidation: float, stop_sign: int, trigger: float) -> bool:
    """Whether the market reaches the liquidation price of a position before the trigger of its stop, whose side is
    `stop_sign`; false where nothing liquidates it."""
    if liquidation <= 0.0:
        return False
    if stop_sign > 0:
        return trigger > liquidation
    return trigger < liquidation


def limit_trades_through(side_sign: int, limit: float, low: float, high: float) -> bool:
    """Only a trade strictly beyond the limit proves that an order resting there was filled."""
    if side_sign > 0:
        return low < limit
    return high > limit


def limit_is_marketable(side_sign: int, limit: float, price: float) -> bool:
    """Whether an order may take at `price`: a buy at or below its limit, a sell at or above it."""
    if side_sign > 0:
        return price <= limit
    return price >= limit


def worse_price(side_sign: int, price: float, first: float) -> float:
    """The price of an order triggered at `price` when the market was first seen at `first`: never the better one."""
    if side_sign > 0:
        return max(price, first)
    return min(price, first)


def adverse_ticks(price: float, tick_size: float, side_sign: int) -> int:
    """`price` in ticks, rounded against the order: up for a buy, down for a sell; at least one tick.

    A price within a millionth of a tick of the grid is on it, which absorbs the error of the division.
    """
    exact = price / tick_size
    nearest = math.floor(exact + 0.5)
    if abs(exact - nearest) <= 1e-6:
        return max(1, nearest)
    if side_sign > 0:
        return max(1, math.ceil(exact))
    return max(1, math.floor(exact))


def participation_cap_lots(volume: float, lot_qty: float, max_participation_pct: float) -> int:
    """Most lots that may trade against `volume` base units: a percentage of it, at least one lot, none of nothing.

    A percentage of 0 stands for no cap.
    """
    if volume <= 0.0:
        return 0
    if max_participation_pct <= 0.0:
        return 1 << 62
    return max(1, math.floor(volume * max_participation_pct / 100.0 / lot_qty + 1e-9))


def participation_share(lots: int, lot_qty: float, volume: float) -> float:
    """Share of `volume` base units that `lots` take, 0..1; 1 where no volume is known (the worst case)."""
    if volume <= 0.0:
        return 1.0
    return min(1.0, lots * lot_qty / volume)


def liquidation_price(
    position_sign: int, entry_price: float, leverage: float, maintenance_margin_fraction: float
) -> float:
    """Price at which an isolated position's margin and loss leave only the maintenance margin; 0 where none does.

    The margin is entry notional / leverage. Solved from margin + sign * qty * (P - entry) = fraction * qty * P:
    long P = entry * (1 - 1/leverage) / (1 - fraction), short P = entry * (1 + 1/leverage) / (1 + fraction).
    Source: Binance, "How to Calculate Liquidation Price of USDT-M Futures Contracts", isolated one-way mode in the
    first bracket (maintenance amount 0).
    """
    return entry_price * (1.0 - position_sign / leverage) / (1.0 - position_sign * maintenance_margin_fraction)
