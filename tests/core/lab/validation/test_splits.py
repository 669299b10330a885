from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from skfolio.model_selection import CombinatorialPurgedCV, WalkForward
from sklearn.model_selection import KFold

from core.domain.errors import BadInputError
from core.lab.validation.splits import (
    Split,
    along_paths,
    combinatorial_purged,
    paths,
    purged_folds,
    training_rows,
    walk_forward,
)

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


def labels(count: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """A row a minute, its label telling of the next `length` minutes."""
    start = np.arange(count, dtype=np.int64) * MINUTE_MS
    return start, start + length * MINUTE_MS


@pytest.mark.parametrize("anchored", [False, True])
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(("train", "test", "purged"), [(10, 5, 0), (7, 3, 2), (20, 20, 1), (48, 1, 0)])
def test_windows_are_those_of_skfolio(train: int, test: int, purged: int, whole: bool, anchored: bool) -> None:
    count = 61
    theirs = WalkForward(
        test_size=test, train_size=train, purged_size=purged, expand_train=anchored, reduce_test=not whole
    )
    found = walk_forward(
        0,
        count * MINUTE_MS,
        train * MINUTE_MS,
        test * MINUTE_MS,
        embargo_ms=purged * MINUTE_MS,
        anchored=anchored,
        whole_tests=whole,
    )
    start, end = labels(count, 1)
    expected = list(theirs.split(np.zeros((count, 1))))
    assert len(found) == len(expected)
    for window, (train_rows, test_rows) in zip(found, expected, strict=True):
        assert training_rows(window, start, end).tolist() == train_rows.tolist()
        tested = np.flatnonzero((start >= window.test_from_ms) & (start < window.test_to_ms))
        assert tested.tolist() == test_rows.tolist()


@given(
    train=st.integers(1, 50),
    test=st.integers(1, 20),
    embargo=st.integers(0, 5),
    length=st.integers(1, 8),
    count=st.integers(60, 200),
    anchored=st.booleans(),
)
def test_no_label_of_a_training_reaches_into_embargo_or_test_and_tests_cover_the_rest_once(
    train: int, test: int, embargo: int, length: int, count: int, anchored: bool
) -> None:
    windows = walk_forward(
        0,
        count * MINUTE_MS,
        train * MINUTE_MS,
        test * MINUTE_MS,
        embargo_ms=embargo * MINUTE_MS,
        anchored=anchored,
    )
    start, end = labels(count, length)
    for window in windows:
        rows = training_rows(window, start, end)
        assert (end[rows] + embargo * MINUTE_MS <= window.test_from_ms).all()
        assert len(rows) == max(0, (window.train_to_ms - window.train_from_ms) // MINUTE_MS - length + 1)
    assert windows[0].test_from_ms == (train + embargo) * MINUTE_MS
    assert windows[-1].test_to_ms == count * MINUTE_MS
    assert all(a.test_to_ms == b.test_from_ms for a, b in itertools.pairwise(windows))


def test_a_model_may_be_renewed_more_often_than_its_test_is_long() -> None:
    found = walk_forward(0, 80 * HOUR_MS, 48 * HOUR_MS, 24 * HOUR_MS, step_ms=HOUR_MS, whole_tests=True)
    assert len(found) == 9
    assert {window.test_to_ms - window.test_from_ms for window in found} == {24 * HOUR_MS}
    assert found[8].train_from_ms == 8 * HOUR_MS


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"train_ms": 0}, "above 0"), ({"step_ms": 0}, "above 0"), ({"embargo_ms": -1}, "above 0"), ({}, "no room")],
)
def test_impossible_windows_are_refused(changed: dict[str, int], said: str) -> None:
    lengths = {"train_ms": HOUR_MS, "test_ms": HOUR_MS, **changed}
    with pytest.raises(BadInputError, match=said):
        walk_forward(0, HOUR_MS, **lengths)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("folds", "tested", "purged", "embargo"),
    [(3, 2, 0, 0), (6, 2, 3, 0), (6, 2, 0, 4), (10, 8, 2, 3), (8, 4, 1, 1), (5, 3, 4, 2)],
)
def test_splits_and_paths_are_those_of_skfolio(folds: int, tested: int, purged: int, embargo: int) -> None:
    count = folds * 12
    theirs = CombinatorialPurgedCV(folds, tested, purged_size=purged, embargo_size=embargo)
    found = combinatorial_purged(*labels(count, purged + 1), folds, tested, embargo * MINUTE_MS)
    expected = list(theirs.split(np.zeros((count, 1))))
    assert len(found) == len(expected) == theirs.n_splits
    for split, (train_rows, test_rows) in zip(found, expected, strict=True):
        assert split.train.tolist() == train_rows.tolist()
        assert [rows.tolist() for rows in split.tests] == [rows.tolist() for rows in test_rows]
    assert paths(folds, tested).tolist() == theirs.recombined_paths.T.tolist()
    assert len(paths(folds, tested)) == theirs.n_test_paths


def test_folds_without_purge_are_those_of_sklearn() -> None:
    found = purged_folds(*labels(43, 1), 5)
    expected = KFold(5).split(np.zeros((43, 1)))
    for split, (train_rows, test_rows) in zip(found, expected, strict=True):
        assert split.train.tolist() == train_rows.tolist()
        assert split.tests[0].tolist() == test_rows.tolist()


@st.composite
def rows_with_labels(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    steps = draw(st.lists(st.integers(0, 5), min_size=8, max_size=60))
    start = np.cumsum(np.array(steps, np.int64))
    lengths = draw(st.lists(st.integers(1, 12), min_size=len(steps), max_size=len(steps)))
    return start, start + np.array(lengths, np.int64)


def splits_or_none(start: np.ndarray, end: np.ndarray, folds: int, tested: int, embargo: int) -> tuple[Split, ...]:
    try:
        return combinatorial_purged(start, end, folds, tested, embargo)
    except BadInputError as error:
        assume("leave no row" not in str(error))
        raise


@given(rows_with_labels(), st.integers(2, 6), st.data())
def test_no_label_of_a_training_overlaps_that_of_a_test(
    rows: tuple[np.ndarray, np.ndarray], folds: int, data: st.DataObject
) -> None:
    start, end = rows
    tested = data.draw(st.integers(1, folds - 1))
    embargo = data.draw(st.integers(0, 6))
    for split in splits_or_none(start, end, folds, tested, embargo):
        test = np.concatenate(split.tests)
        assert not np.intersect1d(test, split.train).size
        for row in split.train:
            assert not ((start[row] < end[test]) & (end[row] > start[test])).any()
        for part in split.tests:
            after = split.train[split.train > part[-1]]
            assert (start[after] >= end[part].max() + embargo).all()


@given(rows_with_labels(), st.integers(2, 6), st.data())
def test_what_is_left_out_has_a_reason(rows: tuple[np.ndarray, np.ndarray], folds: int, data: st.DataObject) -> None:
    start, end = rows
    tested = data.draw(st.integers(1, folds - 1))
    for split in splits_or_none(start, end, folds, tested, 0):
        kept = np.concatenate((split.train, *split.tests))
        for row in np.setdiff1d(np.arange(len(start)), kept):
            assert any(start[row] < end[part].max() and end[row] > start[part[0]] for part in split.tests)


@given(st.integers(2, 7), st.data())
def test_every_path_has_every_row_once_and_every_prediction_one_path(folds: int, data: st.DataObject) -> None:
    tested = data.draw(st.integers(1, folds - 1))
    count = data.draw(st.integers(folds, 40))
    splits = [
        Split(np.zeros(0, np.int64), split.test_folds, split.tests)
        for split in combinatorial_purged(*labels(count, 1), folds, tested)
    ]
    # A value that names both the split and the row it predicts.
    values = [[1_000.0 * i + rows for rows in split.tests] for i, split in enumerate(splits)]
    found = along_paths(splits, values)
    assert found.shape == (math.comb(folds, tested) * tested // folds, count)
    assert (found % 1_000 == np.arange(count)).all()
    everything = np.sort(np.concatenate([part for split in values for part in split]))
    assert np.sort(found.ravel()).tolist() == everything.tolist()
    by_split = np.array(
        [
            np.repeat(row, [len(part) for part in np.array_split(np.arange(count), folds)])
            for row in paths(folds, tested)
        ]
    )
    assert (found // 1_000 == by_split).all()


@pytest.mark.parametrize(("folds", "tested", "embargo"), [(3, 3, 0), (3, 0, 0), (30, 2, 0), (3, 1, -1), (20, 10, 0)])
def test_impossible_folds_are_refused(folds: int, tested: int, embargo: int) -> None:
    with pytest.raises(BadInputError, match="folds with"):
        combinatorial_purged(*labels(20, 1), folds, tested, embargo)


def test_rows_out_of_order_and_labels_without_length_are_refused() -> None:
    start, end = labels(20, 1)
    with pytest.raises(BadInputError, match="in order"):
        combinatorial_purged(start[::-1], end[::-1], 3, 1)
    with pytest.raises(BadInputError, match="in order"):
        combinatorial_purged(start, start, 3, 1)
    with pytest.raises(BadInputError, match="no row to learn from"):
        combinatorial_purged(*labels(20, 30), 3, 2)
