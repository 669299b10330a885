"""How many entries one UTC day may have."""

from __future__ import annotations

from core.domain.operator import LimitEffect, LimitScope
from core.settings.schema import LimitSettings
from core.trader.limits.limit import Limit, Meter


def _meter(caps: LimitSettings) -> Meter:
    return Meter(float(caps.max_trades_per_day), lambda account, _: float(account.entries))


DAY_TRADES = Limit(
    "day_trades",
    "entries",
    LimitScope.ACCOUNT,
    LimitEffect.NO_NEW_ENTRIES,
    "at 00:00 UTC",
    "entry orders placed since 00:00 UTC",
    _meter,
)
