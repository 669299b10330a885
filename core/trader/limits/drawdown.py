"""How far below its highest the equity may fall."""

from __future__ import annotations

import math

from core.domain.operator import LimitEffect, LimitScope
from core.settings.schema import LimitSettings
from core.trader.limits.limit import Ended, Limit, Meter


def drawdown_pct(peak_equity_usdt: float, equity_usdt: float) -> float:
    """How far below its peak the equity is, in percent; 0 of an account from which everything was taken out."""
    if peak_equity_usdt <= 0.0:
        return 0.0 if peak_equity_usdt == equity_usdt == 0.0 else math.inf
    return 100.0 * max(0.0, peak_equity_usdt - equity_usdt) / peak_equity_usdt


def _meter(caps: LimitSettings) -> Meter:
    return Meter(caps.max_drawdown_pct, lambda account, _: drawdown_pct(account.peak_equity_usdt, account.equity_usdt))


DRAWDOWN = Limit(
    "drawdown",
    "%",
    LimitScope.ACCOUNT,
    LimitEffect.FLATTEN,
    "when the operator resumes; the peak then starts anew at the equity of that moment",
    "100 * (peak equity - equity) / peak equity",
    _meter,
    ended=frozenset({Ended.BY_RESUME}),
)
