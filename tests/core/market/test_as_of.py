"""The join, against a plain loop."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.market.as_of import as_of
from core.ports import NEVER, ObservationColumns

TIMES = st.integers(0, 40)
ROWS = st.lists(st.tuples(TIMES, st.integers(0, 2), st.integers(0, 20)), max_size=12, unique_by=lambda row: row[:2])
"""Time, number, and how much later it was known."""


def told(rows: list[tuple[int, int, int]]) -> ObservationColumns:
    rows = sorted(rows)
    time, number, late = (np.array([row[i] for row in rows], np.int64) for i in range(3))
    values = np.array([[1_000 * t + n, -t] for t, n, _ in rows], np.float64).reshape(-1, 2)
    return ObservationColumns("AUSDT", "funding", time, time + late, number, values)


def by_loop(closes: list[int], rows: list[tuple[int, int, int]], max_age: int) -> tuple[list[list[float]], list[int]]:
    values, ages = [], []
    for close in closes:
        known = [(time, number) for time, number, late in rows if time + late <= close]
        if not known:
            values.append([np.nan, np.nan])
            ages.append(NEVER)
            continue
        time, number = max(known)
        ages.append(close - time)
        values.append([1_000.0 * time + number, -float(time)] if close - time <= max_age else [np.nan, np.nan])
    return values, ages


def same(one: NDArray[np.float64], other: object) -> bool:
    return np.array_equal(one, np.array(other, np.float64).reshape(one.shape), equal_nan=True)


@given(closes=st.lists(st.integers(-5, 70), max_size=10), rows=ROWS, max_age=st.integers(0, 50))
def test_it_is_that_of_a_plain_loop(closes: list[int], rows: list[tuple[int, int, int]], max_age: int) -> None:
    values, ages = as_of(np.array(closes, np.int64), told(rows), max_age)
    wanted, wanted_ages = by_loop(closes, rows, max_age)
    assert same(values, wanted)
    assert ages.tolist() == wanted_ages
    assert values.shape == (len(closes), 2)


@given(rows=ROWS, now=st.integers(0, 60), max_age=st.integers(0, 50))
def test_what_becomes_known_later_changes_nothing(rows: list[tuple[int, int, int]], now: int, max_age: int) -> None:
    closes = np.arange(now + 1)
    known = [row for row in rows if row[0] + row[2] <= now]
    for one, other in zip(as_of(closes, told(rows), max_age), as_of(closes, told(known), max_age), strict=True):
        assert np.array_equal(one, other, equal_nan=True)


@given(rows=ROWS, max_age=st.integers(0, 50))
def test_bar_by_bar_it_is_the_same(rows: list[tuple[int, int, int]], max_age: int) -> None:
    closes = np.arange(61)
    whole = as_of(closes, told(rows), max_age)
    steps = [as_of(closes[i : i + 1], told([r for r in rows if r[0] + r[2] <= i]), max_age) for i in range(61)]
    assert np.array_equal(whole[0], np.concatenate([values for values, _ in steps]), equal_nan=True)
    assert whole[1].tolist() == [int(ages[0]) for _, ages in steps]


def test_stale_is_missing_and_its_age_is_told() -> None:
    values, ages = as_of(np.array([10, 15, 16]), told([(10, 0, 0)]), 5)
    assert values[:, 1].tolist()[:2] == [-10.0, -10.0]
    assert np.isnan(values[2]).all()
    assert ages.tolist() == [0, 5, 6]
