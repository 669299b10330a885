from __future__ import annotations

import numpy as np
import pytest

from core.market.settlements import Missing, missing_between, missing_in, step_ms

HOUR = 3_600_000
T0 = 1_735_689_600_000  # a UTC midnight


def hours(*values: float) -> np.ndarray:
    return np.array([T0 + round(value * HOUR) for value in values], np.int64)


def listed(times: np.ndarray, interval: float = 8) -> np.ndarray:
    return np.full(len(times), round(interval * HOUR), np.int64)


def test_the_usual_step_is_told_by_the_times() -> None:
    assert step_ms(hours(0, 4, 8, 16, 20) + 3) == 4 * HOUR
    assert step_ms(hours(0, 1, 2, 3) + np.array([0, 12, 3, 7])) == HOUR
    assert step_ms(hours(0)) is None


@pytest.mark.parametrize("interval", [1, 4, 8])
def test_a_gap_is_found_at_any_interval(interval: int) -> None:
    whole = hours(*range(0, 20 * interval, interval)) + 3
    assert missing_between(whole, listed(whole)) == []
    holed = np.delete(whole, [7, 8])
    assert missing_between(holed, listed(holed)) == [Missing(T0 + 7 * interval * HOUR, interval * HOUR, 2)]


def test_an_interval_that_changes_is_no_gap() -> None:
    faster = hours(0, 8, 16, 24, 32, 36, 40, 44, 48)
    assert missing_between(faster, listed(faster)) == []
    assert missing_between(faster[::-1] * -1 + 2 * faster[-1], listed(faster)) == []
    holed = hours(0, 8, 24, 32, 36, 40, 48, 52)
    assert missing_between(holed, listed(holed)) == [
        Missing(T0 + 16 * HOUR, 8 * HOUR, 1),
        Missing(T0 + 44 * HOUR, 4 * HOUR, 1),
    ]


def test_what_is_listed_bounds_what_the_times_tell() -> None:
    every_second = hours(0, 8, 16, 24)
    assert missing_between(every_second, listed(every_second)) == []
    assert [gap.count for gap in missing_between(every_second, listed(every_second, 4))] == [1, 1, 1]


def test_a_long_gap_is_one_finding_with_its_ends() -> None:
    (gap,) = missing_between(hours(0, 8, 16, 64, 72), listed(hours(0, 8, 16, 64, 72)))
    assert (gap.from_ms, gap.to_ms, gap.count) == (T0 + 24 * HOUR, T0 + 56 * HOUR, 5)
    assert gap.text() == "5 settlements are missing, every 8h"


def test_a_period_lacks_what_is_before_between_and_after() -> None:
    times = hours(8, 12, 20, 24) + 3
    assert missing_in(times, listed(times), T0, T0 + 33 * HOUR) == [
        (T0 + hour * HOUR, 4 * HOUR) for hour in (0, 4, 16, 28, 32)
    ]
    assert missing_in(times, listed(times), T0 + 13 * HOUR, T0 + 28 * HOUR) == [(T0 + 16 * HOUR, 4 * HOUR)]
    assert missing_in(times, listed(times), T0 + 100 * HOUR, T0 + 104 * HOUR) == [(T0 + 100 * HOUR, 4 * HOUR)]


def test_one_time_goes_on_with_what_is_listed_and_none_with_eight_hours() -> None:
    assert missing_in(hours(5), listed(hours(5), 4), T0, T0 + 12 * HOUR) == [
        (T0 + HOUR, 4 * HOUR),
        (T0 + 9 * HOUR, 4 * HOUR),
    ]
    none = np.zeros(0, np.int64)
    assert missing_in(none, none, T0 + 1, T0 + 16 * HOUR) == [(T0 + 8 * HOUR, 8 * HOUR)]
    assert missing_in(none, none, T0, T0 + 16 * HOUR) == [(T0, 8 * HOUR), (T0 + 8 * HOUR, 8 * HOUR)]
