"""Notional of positions and entries together, in percent of equity."""

from __future__ import annotations

import math

from core.domain.operator import LimitEffect, LimitScope
from core.settings.schema import LimitSettings
from core.trader.limits.limit import Limit, Meter


def exposure_pct(gross_notional_usdt: float, equity_usdt: float) -> float:
    """Gross notional of positions and pending entries in percent of equity."""
    return 100.0 * gross_notional_usdt / equity_usdt if equity_usdt > 0.0 else math.inf


def room_usdt(gross_notional_usdt: float, equity_usdt: float, max_pct: float) -> float:
    """Notional that may still be added below `max_pct` of equity."""
    return max(0.0, equity_usdt * max_pct / 100.0 - gross_notional_usdt)


def _meter(caps: LimitSettings) -> Meter:
    return Meter(
        caps.max_exposure_pct, lambda account, _: exposure_pct(account.gross_notional_usdt, account.equity_usdt)
    )


EXPOSURE = Limit(
    "exposure",
    "% of equity",
    LimitScope.ACCOUNT,
    LimitEffect.REDUCE,
    "when open and pending notional fall below the limit",
    "100 * (open + pending notional) / equity",
    _meter,
    forbids=True,
)
