"""Whether another engine trades by this account's ids."""

from __future__ import annotations

from core.domain.operator import LimitEffect, LimitScope
from core.trader.limits.limit import Ended, Limit

SECOND_ENGINE = Limit(
    "second_engine",
    "orders",
    LimitScope.ACCOUNT,
    LimitEffect.NO_NEW_ENTRIES,
    "when the operator resumes, once no other engine trades on this key",
    "orders on the account with ids of ours that this journal does not hold",
    ended=frozenset({Ended.BY_RESUME}),
    warns=False,
    alarms=True,
)
