"""Whether the way to the venue is well."""

from __future__ import annotations

from core.domain.operator import LimitEffect, LimitScope
from core.trader.limits.limit import Limit

WELL_AGAIN_S = 20
"""So long must the way to the venue have been well before it counts as well again. A stream that is silent is cut and
opened anew, and an account that cannot be read is asked for again, more often than that."""

CONNECTION = Limit(
    "connection",
    "problems",
    LimitScope.ACCOUNT,
    LimitEffect.NO_NEW_ENTRIES,
    f"when streams, requests and clock have been well for {WELL_AGAIN_S} s",
    "1 while anything between this engine and the venue is not well",
    warns=False,
)
