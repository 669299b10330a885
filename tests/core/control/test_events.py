"""Events are numbered without gaps, kept for a while, and who is too slow is told how much was missed."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from core.control.codec import encode, read
from core.control.events import Event, EventLog, Events, FillEvent, NoticeEvent
from tests.core.control.made import made


def notice(number: int) -> NoticeEvent:
    return NoticeEvent(number, "info", f"notice {number}")


def numbers(found: Events) -> list[int]:
    return [event.number for event in found.events]


def test_events_come_once_each_in_their_order() -> None:
    log = EventLog()
    assert log.since(0) == Events(0)
    log.tell([notice(1), notice(2)])
    first = log.since(0, 1)
    assert (numbers(first), first.next, first.missed) == ([1], 1, 0)
    log.tell([notice(3)])
    rest = log.since(first.next)
    assert (numbers(rest), rest.next, rest.missed) == ([2, 3], 3, 0)
    assert log.since(rest.next) == Events(3)


def test_who_is_too_slow_is_told_how_much_was_missed() -> None:
    log = EventLog(kept=3)
    log.tell(notice(number) for number in range(1, 11))
    found = log.since(2)
    assert (numbers(found), found.missed, found.next) == ([8, 9, 10], 5, 10)


def test_a_cursor_of_another_engine_waits_for_what_is_new() -> None:
    log = EventLog()
    log.tell([notice(1)])
    assert log.since(99) == Events(1)


@given(steps=st.lists(st.tuples(st.integers(0, 5), st.integers(1, 4)), max_size=12))
def test_a_second_log_gives_what_the_first_gave_and_counts_the_rest_as_missed(steps: list[tuple[int, int]]) -> None:
    first, second = EventLog(kept=4), EventLog(kept=4)
    cursor = seen = missed = 0
    for told, at_most in steps:
        first.tell(map(notice, range(first.last + 1, first.last + 1 + told)))
        second.take(first.since(second.last, at_most))
        found = second.since(cursor)
        assert numbers(found) == sorted(numbers(found))
        missed, seen, cursor = missed + found.missed, seen + len(found.events), found.next
        assert seen + missed == cursor == second.last


@given(event=made(Event, what=made(FillEvent) | made(NoticeEvent)))
def test_an_event_is_known_by_its_tag_and_exact(event: Event) -> None:
    assert read(Event, encode(event)) == event


def test_amounts_travel_as_text() -> None:
    fill = FillEvent(1, "BTCUSDT", "buy", "entry", Decimal("0.10"), Decimal("1e-8"), Decimal("0.1"), "qd1")
    assert b'"event":"fill"' in encode(fill)
    assert b'"qty":"0.10"' in encode(fill)
