"""Minutes before funding is settled in which nothing is entered in that contract."""

from __future__ import annotations

import math

from core.domain.instant import instant_text
from core.domain.market import MINUTE_MS
from core.domain.operator import LimitEffect, LimitScope
from core.settings.schema import LimitSettings
from core.trader.limits.limit import Account, Limit, Meter, Subject, Told


def _meter(caps: LimitSettings) -> Meter | None:
    quiet_ms = caps.funding_quiet_minutes * MINUTE_MS
    if not quiet_ms:
        return None

    def used(account: Account, subject: Subject) -> float:
        left_ms = subject.funding_due_ms - account.now_ms
        return float(left_ms <= quiet_ms) if left_ms > 0 else math.nan

    def told(account: Account, subject: Subject) -> Told:
        return Told(f"funding is settled at {instant_text(subject.funding_due_ms)}", subject.funding_due_ms)

    return Meter(1.0, used, told=told)


FUNDING_QUIET = Limit(
    "funding_quiet",
    "settlements",
    LimitScope.SYMBOL,
    LimitEffect.NO_NEW_ENTRIES,
    "when funding is settled",
    "1 from [limits] funding_quiet_minutes before the next settlement on; not known where nothing tells when that is",
    _meter,
    warns=False,
    renews=True,
    by_timer=True,
)
