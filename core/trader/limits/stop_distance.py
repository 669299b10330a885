"""How near to its entry, and how far from it, a stop may lie."""

from __future__ import annotations

from core.domain.operator import LimitEffect, LimitScope
from core.trader.limits.limit import Limit

STOP_DISTANCE = Limit(
    "stop_distance",
    "%",
    LimitScope.TRADE,
    LimitEffect.NO_NEW_ENTRIES,
    "with the next signal whose stop lies within the limits",
    "100 * |entry - stop| / entry",
    warns=False,
)
