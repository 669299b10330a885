"""Whether the exchange takes protective stops."""

from __future__ import annotations

from core.domain.operator import LimitEffect, LimitScope
from core.trader.limits.limit import Ended, Limit

STOP_REFUSED = Limit(
    "stop_refused",
    "refusals",
    LimitScope.SYMBOL,
    LimitEffect.NO_NEW_ENTRIES,
    "when the operator resumes",
    "protective stops that the exchange has refused for good",
    ended=frozenset({Ended.BY_RESUME}),
    warns=False,
    alarms=True,
)
