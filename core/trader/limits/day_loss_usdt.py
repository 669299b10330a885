"""The loss of one UTC day in USDT."""

from __future__ import annotations

from core.domain.operator import LimitEffect, LimitScope
from core.settings.schema import LimitSettings
from core.trader.limits.limit import Ended, Limit, Meter


def loss_usdt(day_start_equity_usdt: float, equity_usdt: float) -> float:
    """Loss since the UTC day began, open positions included; 0 in profit."""
    return max(0.0, day_start_equity_usdt - equity_usdt)


def _meter(caps: LimitSettings) -> Meter:
    return Meter(
        caps.day_loss_usdt,
        lambda account, _: loss_usdt(account.day_start_equity_usdt, account.equity_usdt),
        caps.day_loss_effect,
    )


DAY_LOSS_USDT = Limit(
    "day_loss_usdt",
    "USDT",
    LimitScope.ACCOUNT,
    LimitEffect.NO_NEW_ENTRIES,
    "at 00:00 UTC",
    "equity at 00:00 UTC - equity now, open positions included",
    _meter,
    ended=frozenset({Ended.BY_DAY}),
)
