"""Positions and entries together, as a multiple of equity."""

from __future__ import annotations

from core.domain.operator import LimitEffect, LimitScope
from core.trader.limits.limit import Limit

LEVERAGE = Limit(
    "leverage",
    "x",
    LimitScope.TRADE,
    LimitEffect.REDUCE,
    "with the next order that fits",
    "(open + pending + wanted notional) / equity",
    warns=False,
)
