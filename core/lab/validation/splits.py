"""Training and test periods that keep what is tested unseen: walk-forward, purged k-fold and combinatorial.

A label of a row tells of the time [start, end): what lies at `end` itself is not in it. Lopez de Prado (2018),
"Advances in Financial Machine Learning", chapters 7 and 12.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import BadInputError
from core.lab.run.result import Floats, Times
from core.lab.statistics.figures import duration_text

Rows = NDArray[np.int64]

MAX_SPLITS = 10_000


@dataclass(frozen=True, slots=True)
class Window:
    """One step of a walk forward: learn from [train_from_ms, train_to_ms), trade [test_from_ms, test_to_ms)."""

    train_from_ms: int
    train_to_ms: int
    test_from_ms: int
    test_to_ms: int


@dataclass(frozen=True, slots=True)
class Split:
    """Rows to learn from and, for each of the folds `test_folds`, the rows of `tests` to predict, all ascending."""

    train: Rows
    test_folds: tuple[int, ...]
    tests: tuple[Rows, ...]


def walk_forward(
    from_ms: int,
    to_ms: int,
    train_ms: int,
    test_ms: int,
    *,
    step_ms: int | None = None,
    embargo_ms: int = 0,
    anchored: bool = False,
    whole_tests: bool = False,
) -> tuple[Window, ...]:
    """Windows over [from_ms, to_ms), each `step_ms` (by default `test_ms`, so that tests follow without gap) on.

    The first test starts `train_ms` + `embargo_ms` after `from_ms`. A training ends `embargo_ms` before its test and
    has `train_ms`, or starts at `from_ms` where `anchored`. A test that `to_ms` cuts short is kept, or left out with
    `whole_tests`. Raises BadInputError where a length is impossible or not one window fits.
    """
    step = test_ms if step_ms is None else step_ms
    if min(train_ms, test_ms, step) <= 0 or embargo_ms < 0:
        raise BadInputError(
            f"train {train_ms} ms, test {test_ms} ms, step {step} ms, embargo {embargo_ms} ms: "
            "the first three must be above 0, the embargo not below"
        )
    windows = []
    for test_from in range(from_ms + train_ms + embargo_ms, to_ms, step):
        if whole_tests and test_from + test_ms > to_ms:
            break
        train_to = test_from - embargo_ms
        train_from = from_ms if anchored else train_to - train_ms
        windows.append(Window(train_from, train_to, test_from, min(test_from + test_ms, to_ms)))
    if not windows:
        raise BadInputError(
            f"a period of {duration_text(to_ms - from_ms)} has no room for {duration_text(train_ms)} of training "
            f"{'and a whole test' if whole_tests else 'and a test'}; "
            "lengthen the period or shorten the training"
        )
    return tuple(windows)


def training_rows(window: Window, label_start_ms: Times, label_end_ms: Times) -> Rows:
    """Rows whose labels lie wholly in the training of `window`: none reaches into its embargo or test."""
    return np.flatnonzero((label_start_ms >= window.train_from_ms) & (label_end_ms <= window.train_to_ms))


def purged_folds(label_start_ms: Times, label_end_ms: Times, folds: int, embargo_ms: int = 0) -> tuple[Split, ...]:
    """K-fold cross-validation: each fold is the test once, learned from the other folds' rows as far as those of
    `combinatorial_purged` may be."""
    return combinatorial_purged(label_start_ms, label_end_ms, folds, 1, embargo_ms)


def combinatorial_purged(
    label_start_ms: Times, label_end_ms: Times, folds: int, test_folds: int, embargo_ms: int = 0
) -> tuple[Split, ...]:
    """Every choice of `test_folds` of `folds` runs of rows (as equal as they can be) as the test, in order.

    Rows (n,) are in order of `label_start_ms`. Of the other folds' rows those are left out whose labels overlap the
    time from the first start to the last end of a test fold's labels, or start within `embargo_ms` after it. Raises
    BadInputError where the folds or the embargo are impossible, the rows out of order, a label without length, or a
    split without a row to learn from.
    """
    _check(label_start_ms, label_end_ms, folds, test_folds, embargo_ms)
    rows = np.arange(len(label_start_ms))
    parts = np.array_split(rows, folds)
    free = np.array(
        [
            (label_end_ms <= label_start_ms[part[0]]) | (label_start_ms >= label_end_ms[part].max() + embargo_ms)
            for part in parts
        ]
    )
    splits = []
    for chosen in itertools.combinations(range(folds), test_folds):
        kept = np.logical_and.reduce(free[list(chosen)])
        for fold in chosen:
            kept[parts[fold]] = False
        train = rows[kept]
        if not len(train):
            raise BadInputError(
                f"{folds} folds with {test_folds} of them tested: purging and embargo leave no row to learn from; "
                "use fewer folds or a shorter embargo"
            )
        splits.append(Split(train, chosen, tuple(parts[fold] for fold in chosen)))
    return tuple(splits)


def paths(folds: int, test_folds: int) -> Rows:
    """Which split predicts which fold on which path, (paths, folds); splits by their place in `combinatorial_purged`.

    Each of the C(folds, test_folds) * test_folds / folds paths has every fold once, and every prediction of a fold is
    on one path only.
    """
    by_fold: list[list[int]] = [[] for _ in range(folds)]
    for number, chosen in enumerate(itertools.combinations(range(folds), test_folds)):
        for fold in chosen:
            by_fold[fold].append(number)
    return np.array(by_fold, np.int64).T


def along_paths(splits: Sequence[Split], values: Sequence[Sequence[Floats]]) -> Floats:
    """The values of every path over all rows, (paths, n, ...): `values[i][j]` are of the rows `splits[i].tests[j]`."""
    found: dict[int, list[tuple[Rows, Floats]]] = {}
    for split, per_fold in zip(splits, values, strict=True):
        for fold, rows, part in zip(split.test_folds, split.tests, per_fold, strict=True):
            found.setdefault(fold, []).append((rows, part))
    rows_in_all = sum(len(parts[0][0]) for parts in found.values())
    out = np.full((len(found[0]), rows_in_all, *found[0][0][1].shape[1:]), np.nan)
    for parts in found.values():
        for path, (rows, part) in enumerate(parts):
            out[path, rows] = part
    return out


def _check(label_start_ms: Times, label_end_ms: Times, folds: int, test_folds: int, embargo_ms: int) -> None:
    if not 1 <= test_folds < folds <= len(label_start_ms) or embargo_ms < 0:
        raise BadInputError(
            f"{folds} folds with {test_folds} tested on {len(label_start_ms)} rows, embargo {embargo_ms} ms: "
            "at least one fold must be tested, one learned from, each with a row, and the embargo not below 0"
        )
    if math.comb(folds, test_folds) > MAX_SPLITS:
        raise BadInputError(
            f"{folds} folds with {test_folds} tested give more than {MAX_SPLITS} splits; use fewer folds"
        )
    if (np.diff(label_start_ms) < 0).any() or (label_end_ms <= label_start_ms).any():
        raise BadInputError("rows must be in order of their labels' starts, and every label must end after it starts")
