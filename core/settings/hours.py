"""Times in which nothing is entered, as an operator writes them: "22:00-23:30", "sat-sun 00:00-24:00", all UTC."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MINUTE_MS, _DAY_MS = 60_000, 86_400_000
_WEEK_MS = 7 * _DAY_MS
_MONDAY_MS = 4 * _DAY_MS
"""The first Monday after 1970-01-01, which was a Thursday."""

_FORM = re.compile(r"(?:([a-z]{3})(?:-([a-z]{3}))? )?([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})")
_MEND = 'write "22:00-23:30", or with its days "sat-sun 00:00-24:00", in UTC'


@dataclass(frozen=True, slots=True)
class Hours:
    """Once a day on `days` (0 is Monday), from `from_minute` of the day on, for `minutes`: over midnight where it ends
    earlier than it begins."""

    text: str
    days: tuple[int, ...]
    from_minute: int
    minutes: int

    def end_ms(self, now_ms: int) -> int | None:
        """When it ends; None where `now_ms` does not lie in it."""
        since_ms = now_ms - _MONDAY_MS - self.from_minute * _MINUTE_MS
        length_ms, into_ms = self.minutes * _MINUTE_MS, since_ms % _DAY_MS
        is_its_day = len(self.days) == 7 or since_ms // _DAY_MS % 7 in self.days
        return now_ms - into_ms + length_ms if is_its_day and into_ms < length_ms else None

    def edges_ms(self, from_ms: int, to_ms: int) -> list[int]:
        """When it begins and ends in [from_ms, to_ms)."""
        found = []
        first_day = from_ms // _DAY_MS - 2
        for day in range(first_day, to_ms // _DAY_MS + 1):
            if (day - _MONDAY_MS // _DAY_MS) % 7 in self.days:
                begin_ms = day * _DAY_MS + self.from_minute * _MINUTE_MS
                found += [begin_ms, begin_ms + self.minutes * _MINUTE_MS]
        return [edge for edge in found if from_ms <= edge < to_ms]


def parse_hours(text: str) -> Hours:
    """Raises ValueError with what is wrong and the mend."""
    told = _FORM.fullmatch(text.strip().lower())
    if told is None:
        raise ValueError(f"{text!r} is no window of hours; {_MEND}")
    first, last, *clock = told.groups()
    if not {first, last} - {None} <= set(_DAYS):
        raise ValueError(f"{text!r} names no day; days are {', '.join(_DAYS)}")
    from_minute, to_minute = (int(clock[n]) * 60 + int(clock[n + 1]) for n in (0, 2))
    if int(clock[1]) > 59 or int(clock[3]) > 59 or from_minute >= 1440 or to_minute > 1440:
        raise ValueError(f"{text!r} names no time of a day; {_MEND}")
    if from_minute == to_minute % 1440 and (from_minute or to_minute != 1440):
        raise ValueError(f"{text!r} begins when it ends; {_MEND}")
    if first is None:
        days = tuple(range(7))
    else:
        begin, end = _DAYS.index(first), _DAYS.index(last or first)
        days = tuple((begin + n) % 7 for n in range((end - begin) % 7 + 1))
    minutes = (to_minute - from_minute) % 1440 or 1440
    if minutes == 1440 and len(days) == 7:
        raise ValueError(f"{text!r} leaves no time to trade; name its days, or pause")
    return Hours(text, days, from_minute, minutes)


def all_hours(texts: Sequence[str]) -> tuple[Hours, ...]:
    """Raises ValueError as `parse_hours`, and where they leave no time at all."""
    windows = tuple(parse_hours(text) for text in texts)
    if windows and (ends_ms(windows, 0) or 0) >= _WEEK_MS:
        raise ValueError("the windows leave no time to trade; shorten one, or pause")
    return windows


def ends_ms(windows: Sequence[Hours], now_ms: int) -> int | None:
    """When the last of those ends that hang together around `now_ms`; None where it lies in none."""
    end_ms = now_ms
    while end_ms < now_ms + _WEEK_MS:
        further = max((end for window in windows if (end := window.end_ms(end_ms)) is not None), default=None)
        if further is None:
            break
        end_ms = further
    return end_ms if end_ms > now_ms else None


def utc_text(value: object) -> str:
    """A time of a settings file, which is UTC where it names no zone, in its one form. Raises ValueError."""
    moment = value
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            moment = None
    if not isinstance(moment, datetime):
        raise ValueError(f"{value!s} is no time; write 2026-12-10T13:00Z")
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def utc_ms(text: str) -> int:
    """Of a time as `utc_text` gives it."""
    return int(datetime.fromisoformat(text).timestamp()) * 1_000
