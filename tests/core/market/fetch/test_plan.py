"""Which files serve which part of a period."""

from __future__ import annotations

import numpy as np
import pytest

from core.market.fetch.plan import Candles, Period, candle_files, funding_files, instead, whole
from core.market.intervals import INTERVALS_MS
from tui.text.moments import parse_moment

MINUTE_MS, DAY_MS = 60_000, 86_400_000
NONE = np.array([], dtype=np.int64)


def at(text: str) -> int:
    moment = parse_moment(text)
    assert moment is not None
    return moment


def wanted(begin: str, end: str, interval: str = "1m") -> Candles:
    return whole("BTCUSDT", INTERVALS_MS[interval], at(begin), at(end))


def stems(candles: Candles, now: str, stored: np.ndarray = NONE, **more: int) -> list[str]:
    return [file.stem for file in candle_files(candles, stored, at(now), **more)]


def minutes(begin: str, end: str) -> np.ndarray:
    return np.arange(at(begin), at(end), MINUTE_MS, dtype=np.int64)


def test_whole_past_months_and_days() -> None:
    candles = wanted("2025-04-29T12:00", "2025-06-03T05:00")
    found = candle_files(candles, NONE, at("2025-06-03T05:00"))
    assert [file.stem for file in found] == [
        "BTCUSDT-1m-2025-04-30",
        "BTCUSDT-1m-2025-05",
        "BTCUSDT-1m-2025-06-01",
        "BTCUSDT-1m-2025-06-02",
    ]
    assert [file.period for file in found] == [Period.DAY, Period.MONTH, Period.DAY, Period.DAY]
    assert found[1].folder == "monthly/klines/BTCUSDT/1m"
    assert (found[1].from_ms, found[1].to_ms) == (at("2025-05-01"), at("2025-06-01"))
    assert found[2].folder == "daily/klines/BTCUSDT/1m"


def test_a_day_that_is_not_over_has_no_file() -> None:
    assert stems(wanted("2025-06-01", "2025-06-03"), "2025-06-02T23:59") == ["BTCUSDT-1m-2025-06-01"]


def test_a_month_that_is_not_wanted_whole_comes_by_days() -> None:
    found = stems(wanted("2025-05-30T00:01", "2025-06-30T23:59"), "2025-08-01")
    assert found[0] == "BTCUSDT-1m-2025-05-31"
    assert found[-1] == "BTCUSDT-1m-2025-06-29"
    assert len(found) == 30


def test_the_turn_of_a_year() -> None:
    found = candle_files(wanted("2024-12-01", "2025-02-01"), NONE, at("2025-02-01"))
    assert [(file.stem[-7:], file.to_ms - file.from_ms) for file in found] == [
        ("2024-12", 31 * DAY_MS),
        ("2025-01", 31 * DAY_MS),
    ]


@pytest.mark.parametrize(
    ("stored_until", "is_asked"), [("2025-05-01", True), ("2025-05-16T12:00", True), ("2025-05-16T12:01", False)]
)
def test_a_file_of_which_more_than_half_is_stored_is_left_out(stored_until: str, is_asked: bool) -> None:
    stored = minutes("2025-05-01", stored_until)
    assert bool(stems(wanted("2025-05-01", "2025-06-01"), "2025-07-01", stored)) is is_asked


def test_a_file_that_was_not_stored_to_its_end_is_asked_again() -> None:
    stored = minutes("2025-05-01", "2025-05-31")
    candles = wanted("2025-05-01", "2025-06-01")
    assert candle_files(candles, stored, at("2025-07-01"), unfinished=("BTCUSDT-1m-2025-05",))


@pytest.mark.parametrize(("interval", "days", "months"), [("1m", 2, 1), ("5m", 2, 1), ("15m", 0, 1), ("1d", 0, 0)])
def test_small_files_are_left_to_the_exchange(interval: str, days: int, months: int) -> None:
    found = candle_files(wanted("2025-05-01", "2025-06-03", interval), NONE, at("2025-06-03"))
    assert [file.period for file in found] == [Period.MONTH] * months + [Period.DAY] * days


def test_small_files_are_taken_where_nobody_else_has_them() -> None:
    assert len(stems(wanted("2025-05-01", "2025-06-03", "1d"), "2025-06-03", least_bars=1)) == 3


def test_the_days_of_a_month_that_may_not_be_published_yet() -> None:
    candles = wanted("2025-05-01", "2025-06-01")
    month, now_ms = candle_files(candles, NONE, at("2025-06-02"))[0], at("2025-06-02")
    days = instead(month, candles, now_ms)
    assert [day.stem[-10:] for day in (days[0], days[-1])] == ["2025-05-01", "2025-05-31"]
    assert len(days) == 31
    assert instead(days[0], candles, now_ms) == []
    assert instead(month, candles, at("2025-07-02")) == []


def test_funding_comes_by_past_months() -> None:
    found = funding_files("BTCUSDT", at("2025-04-20"), at("2025-06-10"), at("2025-06-20"))
    assert [file.stem for file in found] == ["BTCUSDT-fundingRate-2025-04", "BTCUSDT-fundingRate-2025-05"]
    assert found[0].folder == "monthly/fundingRate/BTCUSDT"


def test_what_is_missing_is_counted_within_the_period() -> None:
    candles = wanted("2025-05-01", "2025-05-02")
    assert candles.missing(NONE) == 1440
    assert candles.missing(minutes("2025-04-30T23:00", "2025-05-01T01:00")) == 1380
