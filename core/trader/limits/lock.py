"""An operator's lock on a symbol."""

from __future__ import annotations

from core.domain.operator import LimitEffect, LimitScope
from core.trader.limits.limit import Ended, Limit

LOCK = Limit(
    "lock",
    "locks",
    LimitScope.SYMBOL,
    LimitEffect.NO_NEW_ENTRIES,
    "when the operator unlocks the symbol, or its time is over",
    "1 while the operator has locked the symbol",
    ended=frozenset({Ended.BY_UNLOCK}),
    warns=False,
)
