"""How many trades in a row may lose on one UTC day."""

from __future__ import annotations

from core.domain.operator import LimitEffect, LimitScope
from core.settings.schema import LimitSettings
from core.trader.limits.limit import Ended, Limit, Meter


def _meter(caps: LimitSettings) -> Meter:
    return Meter(float(caps.max_losses_in_row), lambda account, _: float(account.losses_in_row))


LOSSES_IN_ROW = Limit(
    "losses_in_row",
    "trades",
    LimitScope.ACCOUNT,
    LimitEffect.NO_NEW_ENTRIES,
    "at 00:00 UTC or when the operator resumes",
    "losing trades since the last winner of this UTC day",
    _meter,
    ended=frozenset({Ended.BY_DAY, Ended.BY_RESUME}),
)
