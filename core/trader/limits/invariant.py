"""Whether orders, positions and money agree with each other."""

from __future__ import annotations

from core.domain.operator import LimitEffect, LimitScope
from core.trader.limits.limit import Limit

INVARIANT = Limit(
    "invariant",
    "faults",
    LimitScope.ACCOUNT,
    LimitEffect.NO_NEW_ENTRIES,
    "when every check of orders, positions and money passes again",
    "checks of orders, positions and money that fail",
    warns=False,
)
