"""The loss of one UTC day in percent of what it began with."""

from __future__ import annotations

import math

from core.domain.operator import LimitEffect, LimitScope
from core.settings.schema import LimitSettings
from core.trader.limits.limit import Ended, Limit, Meter


def loss_pct(day_start_equity_usdt: float, equity_usdt: float) -> float:
    """Loss since the UTC day began in percent; 0 of an account that has nothing and began the day with nothing."""
    if day_start_equity_usdt <= 0.0:
        return 0.0 if day_start_equity_usdt == equity_usdt == 0.0 else math.inf
    return 100.0 * max(0.0, day_start_equity_usdt - equity_usdt) / day_start_equity_usdt


def _meter(caps: LimitSettings) -> Meter:
    return Meter(
        caps.day_loss_pct,
        lambda account, _: loss_pct(account.day_start_equity_usdt, account.equity_usdt),
        caps.day_loss_effect,
    )


DAY_LOSS_PCT = Limit(
    "day_loss_pct",
    "%",
    LimitScope.ACCOUNT,
    LimitEffect.NO_NEW_ENTRIES,
    "at 00:00 UTC",
    "100 * (equity at 00:00 UTC - equity now) / equity at 00:00 UTC",
    _meter,
    ended=frozenset({Ended.BY_DAY}),
)
