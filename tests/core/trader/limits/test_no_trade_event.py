from __future__ import annotations

from typing import Any

from core.domain.market import MINUTE_MS
from core.domain.operator import LimitEffect
from core.domain.records import SignalRecord
from core.settings.schema import EventSettings
from tests.core.trader.desk import DAY0_MS, Desk, records
from tests.core.trader.limits.kit import assert_cleared, assert_fired, entry_lots, make_desk

HOUR_MS = 60 * MINUTE_MS
RATES = EventSettings(name="rate decision", from_utc="2024-10-04T18:30Z", to_utc="2024-10-04T20:00Z")
SPEECH = EventSettings(name="speech", from_utc="2024-10-04T19:00Z", to_utc="2024-10-04T21:00Z")


def desk_with(*events: EventSettings) -> Desk:
    given: dict[str, Any] = {"events": events}
    return make_desk(**given)


def at(desk: Desk, hours: float) -> None:
    desk.to(DAY0_MS + int(hours * HOUR_MS) - MINUTE_MS)
    desk.minute()


def test_no_trade_event_blocks_from_its_begin_on_with_its_name() -> None:
    desk = desk_with(RATES)
    at(desk, 18.5 - 1 / 60)
    assert desk.limits("no_trade_event") == []
    at(desk, 18.5)
    event = assert_fired(desk, "no_trade_event", LimitEffect.NO_NEW_ENTRIES)
    assert event.until_ms == DAY0_MS + 20 * HOUR_MS
    (signal,) = (record.signal for record in records(desk.predict(20), SignalRecord))
    assert signal.reason == (
        "limit no_trade_event (rate decision, until 2024-10-04T20:00Z); clears when the event is over"
    )


def test_no_trade_event_blocks_with_the_words_of_what_lies_in_the_way_now() -> None:
    desk = desk_with(SPEECH, RATES)
    for hours in (18.5, 19, 20):
        at(desk, hours)
    assert [event.note for event in desk.limits("no_trade_event")] == [
        "rate decision, until 2024-10-04T20:00Z",
        "rate decision, speech, until 2024-10-04T21:00Z",
        "speech, until 2024-10-04T21:00Z",
    ]


def test_no_trade_event_blocks_between_its_own_times_alone_however_many_there_are() -> None:
    days = range(1, 29)
    many = [
        EventSettings(name=f"n{day}", from_utc=f"2024-10-{day:02}T18:30Z", to_utc=f"2024-10-{day:02}T20:00Z")
        for day in days
    ]
    desk = desk_with(*many, SPEECH)
    for hours, stands in (
        (18, False),
        (18.5, True),
        (20.5, True),
        (21, False),
        (42.4, False),
        (42.5, True),
        (44, False),
    ):
        at(desk, hours)
        assert bool(desk.trader.guard.halts()) is stands, hours


def test_no_trade_event_clears_when_it_is_over() -> None:
    desk = desk_with(RATES)
    at(desk, 19)
    at(desk, 20)
    assert_cleared(desk, "no_trade_event")
    assert entry_lots(desk.predict(20)) > 0
