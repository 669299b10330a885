"""Risk limits: how much of each is used, what reaching it does, and what clears it.

The readings are pure arithmetic over floats (numba can compile them); the catalogue below gives each limit its words.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from core.domain.market import MINUTE_MS
from core.domain.operator import LimitEffect
from core.domain.quick import quick

WELL_AGAIN_S = 20
"""So long must the way to the venue have been well before it counts as well again. A stream that is silent is cut and
opened anew, and an account that cannot be read is asked for again, more often than that."""

Level = Literal["ok", "warn", "blocked"]


def loss_usdt(day_start_equity_usdt: float, equity_usdt: float) -> float:
    """Loss since the UTC day began, open positions included; 0 in profit."""
    return max(0.0, day_start_equity_usdt - equity_usdt)


def loss_pct(day_start_equity_usdt: float, equity_usdt: float) -> float:
    """The same in percent; 0 of an account that has nothing and began the day with nothing."""
    if day_start_equity_usdt <= 0.0:
        return 0.0 if day_start_equity_usdt == equity_usdt == 0.0 else math.inf
    return 100.0 * max(0.0, day_start_equity_usdt - equity_usdt) / day_start_equity_usdt


def drawdown_pct(peak_equity_usdt: float, equity_usdt: float) -> float:
    """How far below its peak the equity is, in percent; 0 of an account from which everything was taken out."""
    if peak_equity_usdt <= 0.0:
        return 0.0 if peak_equity_usdt == equity_usdt == 0.0 else math.inf
    return 100.0 * max(0.0, peak_equity_usdt - equity_usdt) / peak_equity_usdt


def exposure_pct(gross_notional_usdt: float, equity_usdt: float) -> float:
    """Gross notional of positions and pending entries in percent of equity."""
    return 100.0 * gross_notional_usdt / equity_usdt if equity_usdt > 0.0 else math.inf


def room_usdt(gross_notional_usdt: float, equity_usdt: float, max_pct: float) -> float:
    """Notional that may still be added below `max_pct` of equity."""
    return max(0.0, equity_usdt * max_pct / 100.0 - gross_notional_usdt)


def allowed_ms(interval_ms: int) -> int:
    """How much older than one of a minute the newest bar of an interval becomes before the next one closes."""
    return max(0, interval_ms - MINUTE_MS)


def feed_age_s(now_ms: int, close_ms: int, interval_ms: int) -> float:
    """The age of a feed whose newest bar closed at `close_ms`: one bar that stays away makes it as old, whatever the
    interval."""
    return max(0, now_ms - close_ms - max(0, interval_ms - MINUTE_MS)) / 1000.0


def level(used: float, limit: float, warn_at_pct: float) -> Level:
    """`blocked` from the limit on, `warn` from `warn_at_pct` of it on."""
    if used >= limit:
        return "blocked"
    return "warn" if used >= limit * warn_at_pct / 100.0 else "ok"


@dataclass(frozen=True, slots=True)
class LimitRule:
    """A limit's words. `warns` is False where nearing the limit is normal use and deserves no warning."""

    name: str
    unit: str
    effect: LimitEffect
    clears: str
    formula: str
    warns: bool = True


ORDER_NOTIONAL = LimitRule(
    "order_notional",
    "USDT",
    LimitEffect.REDUCE,
    "with the next order that fits",
    "notional of the order wanted, before it is cut",
    warns=False,
)
LEVERAGE = LimitRule(
    "leverage",
    "x",
    LimitEffect.REDUCE,
    "with the next order that fits",
    "(open + pending + wanted notional) / equity",
    warns=False,
)
EXPOSURE = LimitRule(
    "exposure",
    "% of equity",
    LimitEffect.REDUCE,
    "when open and pending notional fall below the limit",
    "100 * (open + pending notional) / equity",
)
STOP_DISTANCE = LimitRule(
    "stop_distance",
    "%",
    LimitEffect.NO_NEW_ENTRIES,
    "with the next signal whose stop lies within the limits",
    "100 * |entry - stop| / entry",
    warns=False,
)
DAY_LOSS_USDT = LimitRule(
    "day_loss_usdt",
    "USDT",
    LimitEffect.NO_NEW_ENTRIES,
    "at 00:00 UTC",
    "equity at 00:00 UTC - equity now, open positions included",
)
DAY_LOSS_PCT = LimitRule(
    "day_loss_pct",
    "%",
    LimitEffect.NO_NEW_ENTRIES,
    "at 00:00 UTC",
    "100 * (equity at 00:00 UTC - equity now) / equity at 00:00 UTC",
)
DAY_TRADES = LimitRule(
    "day_trades", "entries", LimitEffect.NO_NEW_ENTRIES, "at 00:00 UTC", "entry orders placed since 00:00 UTC"
)
LOSSES_IN_ROW = LimitRule(
    "losses_in_row",
    "trades",
    LimitEffect.NO_NEW_ENTRIES,
    "at 00:00 UTC or when the operator resumes",
    "losing trades since the last winner of this UTC day",
)
DRAWDOWN = LimitRule(
    "drawdown",
    "%",
    LimitEffect.FLATTEN,
    "when the operator resumes; the peak then starts anew at the equity of that moment",
    "100 * (peak equity - equity) / peak equity",
)
OPEN_POSITIONS = LimitRule(
    "open_positions",
    "positions",
    LimitEffect.NO_NEW_ENTRIES,
    "when a position closes",
    "open positions + pending entries",
    warns=False,
)
FEED_AGE = LimitRule(
    "feed_age",
    "s",
    LimitEffect.NO_NEW_ENTRIES,
    "with the next closed bar of the symbol",
    "now - close of the symbol's newest bar; of bars longer than a minute, less what they are longer by",
    warns=False,
)

UNPROTECTED = LimitRule(
    "unprotected",
    "s",
    LimitEffect.NO_NEW_ENTRIES,
    "when stops that rest at the venue cover the position, or it is closed",
    "now - since when no stop is known to rest that covers the position; at the limit it is closed at market",
    warns=False,
)
CONNECTION = LimitRule(
    "connection",
    "problems",
    LimitEffect.NO_NEW_ENTRIES,
    f"when streams, requests and clock have been well for {WELL_AGAIN_S} s",
    "1 while anything between this engine and the venue is not well",
    warns=False,
)
CONTRACT = LimitRule(
    "contract",
    "problems",
    LimitEffect.NO_NEW_ENTRIES,
    "when what is wrong with the contract has passed",
    "1 while the exchange, its rules or others on the account forbid entries in this contract",
    warns=False,
)
STOP_REFUSED = LimitRule(
    "stop_refused",
    "refusals",
    LimitEffect.NO_NEW_ENTRIES,
    "when the operator resumes",
    "protective stops that the exchange has refused for good",
    warns=False,
)
SECOND_ENGINE = LimitRule(
    "second_engine",
    "orders",
    LimitEffect.NO_NEW_ENTRIES,
    "when the operator resumes, once no other engine trades on this key",
    "orders on the account with ids of ours that this journal does not hold",
    warns=False,
)
BOOKS = LimitRule(
    "books",
    "fills",
    LimitEffect.NO_NEW_ENTRIES,
    "when the operator resumes",
    "fills that were not booked, because no order of ours explains them",
    warns=False,
)
INVARIANT = LimitRule(
    "invariant",
    "faults",
    LimitEffect.NO_NEW_ENTRIES,
    "when every check of orders, positions and money passes again",
    "checks of orders, positions and money that fail",
    warns=False,
)

ALARMS = frozenset({STOP_REFUSED.name, SECOND_ENGINE.name})
"""Limits that fire by an alarm."""

RULES: dict[str, LimitRule] = {
    rule.name: rule
    for rule in (
        DAY_LOSS_USDT,
        DAY_LOSS_PCT,
        DAY_TRADES,
        LOSSES_IN_ROW,
        DRAWDOWN,
        EXPOSURE,
        OPEN_POSITIONS,
        FEED_AGE,
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
    )
}


@quick
@dataclass(frozen=True, slots=True)
class Reading:
    """One limit measured: `symbol` is empty for the whole account."""

    rule: LimitRule
    symbol: str
    used: float
    limit: float
    level: Level
    effect: LimitEffect
