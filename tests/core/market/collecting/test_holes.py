"""What is missing, told by numbers, periods, times and by when somebody listened."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.market.collecting.holes import MissedNumbers, missed_numbers, missed_periods, silences, unheard

P = 300_000


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def test_numbers_that_were_passed_over_stand_between_the_rows_beside_them() -> None:
    found = missed_numbers(ints(12, 5, 6, 13, 9), ints(120, 50, 60, 130, 90))
    assert found == [MissedNumbers(7, 8, 60, 90), MissedNumbers(10, 11, 90, 120)]
    assert [one.count for one in found] == [2, 2]
    assert missed_numbers(ints(), ints()) == missed_numbers(ints(4), ints(1)) == []


@given(st.sets(st.integers(0, 200), min_size=1))
def test_what_is_there_and_what_is_missing_are_all_numbers(there: set[int]) -> None:
    numbers = ints(*there)
    missing = {n for one in missed_numbers(numbers, numbers) for n in range(one.first, one.last + 1)}
    assert missing | there == set(range(min(there), max(there) + 1))
    assert not missing & there


def test_periods_of_which_none_of_the_times_is_the_beginning_are_told_as_spans() -> None:
    assert missed_periods(ints(P, 2 * P, 5 * P), P, 8 * P, P) == [(3 * P, 5 * P), (6 * P, 8 * P)]
    assert missed_periods(ints(P), 1, 2 * P, P) == []
    assert missed_periods(ints(), P + 1, 3 * P, P) == [(2 * P, 3 * P)]


def test_silences_are_those_that_are_too_long_the_ends_included() -> None:
    assert silences(ints(100, 150, 400), 0, 1_000, 200) == [(150, 400), (400, 1_000)]
    assert silences(ints(5, 100), 0, 110, 100) == []


def test_what_is_in_no_span_was_not_heard() -> None:
    spans = [(100, 200), (150, 300), (500, 600)]
    assert unheard(spans, 0, 1_000) == [(0, 100), (300, 500), (600, 1_000)]
    assert unheard(spans, 120, 550) == [(300, 500)]
    assert unheard([], 0, 10) == [(0, 10)]
    assert unheard(spans, 700, 700) == []
