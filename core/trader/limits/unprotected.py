"""How long a position may be without a stop that is known to rest."""

from __future__ import annotations

from core.domain.operator import LimitEffect, LimitScope
from core.trader.limits.limit import Limit

UNPROTECTED = Limit(
    "unprotected",
    "s",
    LimitScope.TRADE,
    LimitEffect.NO_NEW_ENTRIES,
    "when stops that rest at the venue cover the position, or it is closed",
    "now - since when no stop is known to rest that covers the position; at the limit it is closed at market",
    warns=False,
)
