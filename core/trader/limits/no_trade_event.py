"""Times around something that is known to come, in which nothing is entered."""

from __future__ import annotations

from bisect import bisect_right

from core.domain.instant import instant_text
from core.domain.operator import LimitEffect, LimitScope
from core.settings.hours import utc_ms
from core.settings.schema import LimitSettings
from core.trader.limits.limit import Account, Limit, Meter, Subject, Told

_Event = tuple[int, int, str]
"""From when, inclusive, until when, exclusive, and its name."""


def _told(events: list[_Event], now_ms: int) -> Told:
    inside = [event for event in events if event[0] <= now_ms < event[1]]
    until_ms = max(event[1] for event in inside)
    return Told(f"{', '.join(event[2] for event in inside)}, until {instant_text(until_ms)}", until_ms)


def _spans(events: list[_Event]) -> tuple[list[int], list[int]]:
    """When the times of one or more events begin and end, of events in the order of their begins."""
    begins: list[int] = []
    ends: list[int] = []
    for from_ms, to_ms, _ in events:
        if ends and from_ms <= ends[-1]:
            ends[-1] = max(ends[-1], to_ms)
        else:
            begins.append(from_ms)
            ends.append(to_ms)
    return begins, ends


def _meter(caps: LimitSettings) -> Meter | None:
    events = sorted((utc_ms(event.from_utc), utc_ms(event.to_utc), event.name) for event in caps.events)
    if not events:
        return None
    edges = sorted(edge for event in events for edge in event[:2])
    begins, ends = _spans(events)

    def used(account: Account, _: Subject) -> float:
        place = bisect_right(begins, account.now_ms) - 1
        return float(place >= 0 and account.now_ms < ends[place])

    return Meter(
        1.0,
        used,
        told=lambda account, _: _told(events, account.now_ms),
        edges_ms=lambda from_ms, to_ms: [edge for edge in edges if from_ms <= edge < to_ms],
    )


NO_TRADE_EVENT = Limit(
    "no_trade_event",
    "events",
    LimitScope.ACCOUNT,
    LimitEffect.NO_NEW_ENTRIES,
    "when the event is over",
    "1 while the time lies in one of [limits] events",
    _meter,
    warns=False,
    renews=True,
)
