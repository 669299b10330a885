"""Every limit, in the order in which they are measured, shown, and asked what forbids an entry."""

from __future__ import annotations

from core.trader.limits.books import BOOKS
from core.trader.limits.connection import CONNECTION
from core.trader.limits.contract import CONTRACT
from core.trader.limits.day_loss_pct import DAY_LOSS_PCT
from core.trader.limits.day_loss_usdt import DAY_LOSS_USDT
from core.trader.limits.day_trades import DAY_TRADES
from core.trader.limits.drawdown import DRAWDOWN
from core.trader.limits.exposure import EXPOSURE
from core.trader.limits.feed_age import FEED_AGE
from core.trader.limits.funding_quiet import FUNDING_QUIET
from core.trader.limits.invariant import INVARIANT
from core.trader.limits.leverage import LEVERAGE
from core.trader.limits.limit import Limit
from core.trader.limits.lock import LOCK
from core.trader.limits.losses_in_row import LOSSES_IN_ROW
from core.trader.limits.no_trade_event import NO_TRADE_EVENT
from core.trader.limits.no_trade_hours import NO_TRADE_HOURS
from core.trader.limits.open_positions import OPEN_POSITIONS
from core.trader.limits.order_notional import ORDER_NOTIONAL
from core.trader.limits.second_engine import SECOND_ENGINE
from core.trader.limits.stop_distance import STOP_DISTANCE
from core.trader.limits.stop_refused import STOP_REFUSED
from core.trader.limits.symbol_losses import SYMBOL_LOSSES
from core.trader.limits.unprotected import UNPROTECTED

CATALOGUE: tuple[Limit, ...] = (
    DAY_LOSS_USDT,
    DAY_LOSS_PCT,
    DAY_TRADES,
    LOSSES_IN_ROW,
    DRAWDOWN,
    EXPOSURE,
    OPEN_POSITIONS,
    FEED_AGE,
    NO_TRADE_HOURS,
    NO_TRADE_EVENT,
    FUNDING_QUIET,
    ORDER_NOTIONAL,
    LEVERAGE,
    STOP_DISTANCE,
    UNPROTECTED,
    CONNECTION,
    CONTRACT,
    STOP_REFUSED,
    SECOND_ENGINE,
    BOOKS,
    INVARIANT,
    LOCK,
    SYMBOL_LOSSES,
)

RULES: dict[str, Limit] = {limit.name: limit for limit in CATALOGUE}
"""By name."""

ALARMS = frozenset(limit.name for limit in CATALOGUE if limit.alarms)
"""Names of the limits that fire by an alarm."""
