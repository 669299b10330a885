"""Hours of the day, or of the week, in which nothing is entered."""

from __future__ import annotations

from core.domain.instant import instant_text
from core.domain.operator import LimitEffect, LimitScope
from core.settings.hours import Hours, all_hours, ends_ms
from core.settings.schema import LimitSettings
from core.trader.limits.limit import Limit, Meter, Told


def _told(windows: tuple[Hours, ...], now_ms: int) -> Told:
    inside = ", ".join(window.text for window in windows if window.end_ms(now_ms) is not None)
    until_ms = ends_ms(windows, now_ms)
    assert until_ms is not None
    return Told(f"{inside} UTC, until {instant_text(until_ms)}", until_ms)


def _meter(caps: LimitSettings) -> Meter | None:
    windows = all_hours(caps.no_trade_hours)
    if not windows:
        return None
    return Meter(
        1.0,
        lambda account, _: float(any(window.end_ms(account.now_ms) is not None for window in windows)),
        told=lambda account, _: _told(windows, account.now_ms),
        edges_ms=lambda from_ms, to_ms: [edge for window in windows for edge in window.edges_ms(from_ms, to_ms)],
    )


NO_TRADE_HOURS = Limit(
    "no_trade_hours",
    "windows",
    LimitScope.ACCOUNT,
    LimitEffect.NO_NEW_ENTRIES,
    "when the window ends",
    "1 while the time lies in one of [limits] no_trade_hours",
    _meter,
    warns=False,
)
