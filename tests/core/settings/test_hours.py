"""Windows of hours mean what they say, over midnight and over the week's end; what is none is told with its mend."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.settings.hours import all_hours, ends_ms, parse_hours, utc_ms, utc_text

MONDAY = datetime(2026, 11, 30, tzinfo=UTC)
HOUR_MS = 3_600_000


def at(day: int, clock: str) -> int:
    """A time of the week that begins on MONDAY, day 0."""
    hours, minutes = clock.split(":")
    return int((MONDAY + timedelta(days=day, hours=int(hours), minutes=int(minutes))).timestamp()) * 1_000


@pytest.mark.parametrize(
    ("window", "day", "clock", "until"),
    [
        ("22:00-23:30", 2, "21:59", None),
        ("22:00-23:30", 2, "22:00", (2, "23:30")),
        ("22:00-23:30", 2, "23:29", (2, "23:30")),
        ("22:00-23:30", 2, "23:30", None),
        ("23:30-00:30", 2, "23:45", (3, "00:30")),
        ("23:30-00:30", 3, "00:29", (3, "00:30")),
        ("23:30-00:30", 3, "00:30", None),
        ("sat 00:00-24:00", 4, "23:59", None),
        ("sat 00:00-24:00", 5, "00:00", (5, "24:00")),
        ("sat 00:00-24:00", 6, "00:00", None),
        ("fri 23:00-01:00", 5, "00:59", (5, "01:00")),
        ("fri 23:00-01:00", 4, "00:30", None),
        ("sun 23:00-02:00", 7, "01:00", (7, "02:00")),
        ("sat-mon 08:00-09:00", 0, "08:30", (0, "09:00")),
        ("sat-mon 08:00-09:00", 1, "08:30", None),
        ("SAT 10:00-09:00", 6, "08:59", (6, "09:00")),
    ],
)
def test_a_window_ends_when_it_says(window: str, day: int, clock: str, until: tuple[int, str] | None) -> None:
    assert parse_hours(window).end_ms(at(day, clock)) == (None if until is None else at(*until))


def test_windows_that_hang_together_end_with_the_last() -> None:
    windows = all_hours(["fri 22:00-24:00", "sat-sun 00:00-24:00", "mon 00:00-06:00", "mon 07:00-08:00"])
    assert ends_ms(windows, at(4, "23:00")) == at(7, "06:00")
    assert ends_ms(windows, at(4, "21:00")) is None


@given(st.sampled_from(["22:00-23:30", "23:30-00:30", "sat 10:00-09:00", "tue-thu 01:00-02:00"]), st.integers(0, 500))
def test_the_edges_are_where_it_begins_and_ends(window: str, half_hours: int) -> None:
    hours, from_ms = parse_hours(window), at(0, "00:00") + half_hours * HOUR_MS // 2
    step_ms = 60_000
    inside = [hours.end_ms(ms) is not None for ms in range(from_ms - step_ms, from_ms + 48 * HOUR_MS, step_ms)]
    changes = [from_ms + n * step_ms for n, pair in enumerate(pairwise(inside)) if pair[0] != pair[1]]
    assert sorted(hours.edges_ms(from_ms, from_ms + 48 * HOUR_MS)) == changes


@pytest.mark.parametrize(
    ("window", "told"),
    [
        ("22", "'22' is no window of hours; write \"22:00-23:30\""),
        ("10pm-11pm", "is no window of hours"),
        ("22:00-25:00", "names no time of a day"),
        ("24:00-01:00", "names no time of a day"),
        ("22:60-23:00", "names no time of a day"),
        ("caturday 00:00-24:00", "is no window of hours"),
        ("cat 00:00-24:00", "names no day; days are mon, tue"),
        ("22:00-22:00", "begins when it ends"),
        ("00:00-24:00", "leaves no time to trade; name its days, or pause"),
    ],
)
def test_what_is_no_window_is_told_with_the_mend(window: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        parse_hours(window)


def test_windows_that_leave_no_time_are_refused_together() -> None:
    with pytest.raises(ValueError, match="the windows leave no time to trade; shorten one, or pause"):
        all_hours(["mon-thu 00:00-24:00", "fri-sun 00:00-24:00"])


@pytest.mark.parametrize(
    "text",
    ["2026-12-10T13:00Z", "2026-12-10T13:00:00", "2026-12-10 14:00+01:00", datetime(2026, 12, 10, 13, tzinfo=UTC)],
)
def test_a_time_is_utc_where_it_names_no_zone(text: object) -> None:
    assert utc_text(text) == "2026-12-10T13:00:00Z"
    assert utc_ms(utc_text(text)) == 1_796_907_600_000


@pytest.mark.parametrize("value", ["tomorrow", 7, None, True])
def test_what_is_no_time_is_told_with_the_mend(value: object) -> None:
    with pytest.raises(ValueError, match="is no time; write 2026-12-10T13:00Z"):
        utc_text(value)
