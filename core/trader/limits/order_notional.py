"""The most that one order may be worth."""

from __future__ import annotations

from core.domain.operator import LimitEffect, LimitScope
from core.trader.limits.limit import Limit

ORDER_NOTIONAL = Limit(
    "order_notional",
    "USDT",
    LimitScope.TRADE,
    LimitEffect.REDUCE,
    "with the next order that fits",
    "notional of the order wanted, before it is cut",
    warns=False,
)
