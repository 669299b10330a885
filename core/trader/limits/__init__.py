"""Risk limits, a file each: how much of it is used, what reaching it does, and what clears it.

Here stand those that the trader meets by name; `catalogue` has all of them.
"""

from __future__ import annotations

from core.trader.limits.books import BOOKS
from core.trader.limits.catalogue import ALARMS, RULES
from core.trader.limits.connection import CONNECTION, WELL_AGAIN_S
from core.trader.limits.contract import CONTRACT
from core.trader.limits.day_loss_pct import DAY_LOSS_PCT, loss_pct
from core.trader.limits.day_loss_usdt import DAY_LOSS_USDT, loss_usdt
from core.trader.limits.day_trades import DAY_TRADES
from core.trader.limits.drawdown import DRAWDOWN, drawdown_pct
from core.trader.limits.exposure import EXPOSURE, exposure_pct, room_usdt
from core.trader.limits.feed_age import FEED_AGE, allowed_ms, feed_age_s
from core.trader.limits.invariant import INVARIANT
from core.trader.limits.leverage import LEVERAGE
from core.trader.limits.limit import Reading, level
from core.trader.limits.lock import LOCK
from core.trader.limits.losses_in_row import LOSSES_IN_ROW
from core.trader.limits.open_positions import OPEN_POSITIONS
from core.trader.limits.order_notional import ORDER_NOTIONAL
from core.trader.limits.second_engine import SECOND_ENGINE
from core.trader.limits.stop_distance import STOP_DISTANCE
from core.trader.limits.stop_refused import STOP_REFUSED
from core.trader.limits.unprotected import UNPROTECTED

__all__ = [
    "ALARMS",
    "BOOKS",
    "CONNECTION",
    "CONTRACT",
    "DAY_LOSS_PCT",
    "DAY_LOSS_USDT",
    "DAY_TRADES",
    "DRAWDOWN",
    "EXPOSURE",
    "FEED_AGE",
    "INVARIANT",
    "LEVERAGE",
    "LOCK",
    "LOSSES_IN_ROW",
    "OPEN_POSITIONS",
    "ORDER_NOTIONAL",
    "RULES",
    "SECOND_ENGINE",
    "STOP_DISTANCE",
    "STOP_REFUSED",
    "UNPROTECTED",
    "WELL_AGAIN_S",
    "Reading",
    "allowed_ms",
    "drawdown_pct",
    "exposure_pct",
    "feed_age_s",
    "level",
    "loss_pct",
    "loss_usdt",
    "room_usdt",
]
