"""Position size as pure arithmetic that numba can compile."""

from __future__ import annotations

import math

MAX_EXIT_PARTS = 8
"""Into no more orders than these a position is closed at once, whatever an order may be."""


def target_notional_usdt(equity_usdt: float, stop_pct: float, position_pct: float, risk_per_trade_pct: float) -> float:
    """The smaller of a share of equity and the notional that loses `risk_per_trade_pct` of equity at the stop."""
    return equity_usdt * min(position_pct / 100.0, risk_per_trade_pct / stop_pct)


def lots_for_notional(notional_usdt: float, price: float, lot_qty: float) -> int:
    """Whole lots of `lot_qty` base units that `notional_usdt` buys at `price`; never rounds up."""
    return math.floor(notional_usdt / (price * lot_qty) + 1e-9)


def exit_parts(lots: int, most_lots: int, min_lots: int) -> int:
    """How many orders close `lots`: none of them larger than `most_lots` nor smaller than `min_lots`, where that can
    be."""
    parts = -(-lots // max(1, most_lots))
    return max(1, min(parts, lots // max(1, min_lots), MAX_EXIT_PARTS))


def exit_part_lots(left_lots: int, parts: int) -> int:
    """The next of `parts` orders that close `left_lots` between them."""
    return -(-left_lots // parts)


def stop_ticks(entry_ticks: float, side_sign: int, stop_pct: float) -> int:
    """The stop's trigger for an entry at `entry_ticks`, to the nearest tick."""
    return math.floor(entry_ticks * (1.0 - side_sign * stop_pct / 100.0) + 0.5)


def target_ticks(entry_ticks: float, side_sign: int, target_pct: float) -> int:
    """The target's trigger for an entry at `entry_ticks`, to the nearest tick."""
    return math.floor(entry_ticks * (1.0 + side_sign * target_pct / 100.0) + 0.5)
