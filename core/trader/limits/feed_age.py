"""How old the newest bar of a symbol may be."""

from __future__ import annotations

from core.domain.market import MINUTE_MS
from core.domain.operator import LimitEffect, LimitScope
from core.settings.schema import LimitSettings
from core.trader.limits.limit import Account, Limit, Meter, Subject


def allowed_ms(interval_ms: int) -> int:
    """How much older than one of a minute the newest bar of an interval becomes before the next one closes."""
    return max(0, interval_ms - MINUTE_MS)


def feed_age_s(now_ms: int, close_ms: int, interval_ms: int) -> float:
    """The age of a feed whose newest bar closed at `close_ms`: one bar that stays away makes it as old, whatever the
    interval."""
    return max(0, now_ms - close_ms - max(0, interval_ms - MINUTE_MS)) / 1000.0


def _used(account: Account, subject: Subject) -> float | None:
    if not subject.bar_close_ms:
        return None
    return feed_age_s(account.now_ms, subject.bar_close_ms, account.interval_ms)


def _meter(caps: LimitSettings) -> Meter:
    return Meter(caps.max_feed_age_seconds, _used)


FEED_AGE = Limit(
    "feed_age",
    "s",
    LimitScope.SYMBOL,
    LimitEffect.NO_NEW_ENTRIES,
    "with the next closed bar of the symbol",
    "now - close of the symbol's newest bar; of bars longer than a minute, less what they are longer by",
    _meter,
    warns=False,
)
