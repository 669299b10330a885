"""Whether every fill could be booked."""

from __future__ import annotations

from core.domain.operator import LimitEffect, LimitScope
from core.trader.limits.limit import Ended, Limit

BOOKS = Limit(
    "books",
    "fills",
    LimitScope.ACCOUNT,
    LimitEffect.NO_NEW_ENTRIES,
    "when the operator resumes",
    "fills that were not booked, because no order of ours explains them",
    ended=frozenset({Ended.BY_RESUME}),
    warns=False,
)
