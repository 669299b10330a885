"""Checks that need no run: does anything a strategy is given change when the future is cut off, or the past?

Truncation is the definition of causality: what is known at the close of bar t must be the same, bit for bit, whether or
not later bars exist.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.domain.forecast import Output
from core.lab.checks.verdict import Status, Verdict
from core.learning.dataset import Dataset, FeatureTable, OpenLearner
from core.ports import BarColumns

Floats = NDArray[np.float64]
RuleValues = Callable[[BarColumns], Floats]
"""A fresh fold over the bars: the outputs at each close (n, outputs), NaN for nothing."""

LOOK_AHEAD = "look-ahead"
SCALING = "scaling"
PURGE = "purged labels"
WARM_UP = "warm-up"

_RELATIVE_TOLERANCE = 1e-9


def cut(window: BarColumns, start: int, stop: int) -> BarColumns:
    """The bars `start` to `stop`, as they would be if no others existed."""
    return window.at(np.arange(start, stop))


def cut_points(bars: int, shortest: int, count: int) -> list[int]:
    """Up to `count` lengths from `shortest` to just below `bars`, spread evenly and never on a round number."""
    if bars <= shortest:
        return []
    return sorted({int(point) | 1 for point in np.linspace(shortest, bars - 2, count)})


def check_rule(values_of: RuleValues, outputs: Sequence[Output], window: BarColumns, count: int = 7) -> Verdict:
    """A rule's outputs with the future cut off at `count` places."""
    whole = values_of(window)
    for stop in cut_points(len(window.close), max(2, len(window.close) // 10), count):
        part = values_of(cut(window, 0, stop))
        place = first_difference(part, whole[:stop])
        if place is not None:
            bar, m = place
            return Verdict(
                LOOK_AHEAD,
                Status.FAULT,
                f"{outputs[m].name} at bar {bar} is {exact(part[place], outputs[m])} while bar {stop - 1} is the "
                f"newest and {exact(whole[place], outputs[m])} once later bars exist",
                "use only bars up to the one whose value is told",
            )
    return Verdict(LOOK_AHEAD, Status.CLEAN, f"{whole.size} values are the same with the future cut off")


def check_rule_warm_up(
    values_of: RuleValues, outputs: Sequence[Output], window: BarColumns, lookback_bars: int
) -> Verdict:
    """A rule's outputs when it is first shown bars later: after `lookback_bars` they must not tell when it began."""
    shifts = [shift for shift in (1, lookback_bars // 2 + 7, lookback_bars + 61) if shift > 0]
    if len(window.close) <= max(shifts) + lookback_bars:
        return Verdict(
            WARM_UP,
            Status.UNKNOWN,
            f"{len(window.close)} bars are too few to warm up over {lookback_bars} from several starts",
            "check over a longer period",
        )
    whole = values_of(window)
    for shift in shifts:
        late = values_of(cut(window, shift, len(window.close)))[lookback_bars:]
        early = whole[shift + lookback_bars :]
        differing = np.argwhere(~_close(late, early))
        if len(differing):
            row, m = (int(place) for place in differing[0])
            output, bar = outputs[m], row + shift + lookback_bars
            return Verdict(
                WARM_UP,
                Status.FAULT,
                f"{output.name} at bar {bar} hangs on where the bars begin: {exact(early[row, m], output)} from the "
                f"first bar on, {exact(late[row, m], output)} from {shift} later, though both saw {lookback_bars} bars "
                "before",
                "use an indicator that forgets its start, or a longer lookback_bars",
            )
    return Verdict(WARM_UP, Status.CLEAN, f"{lookback_bars} bars of warm-up are enough from {len(shifts)} starts")


def first_difference(part: Floats, whole: Floats) -> tuple[int, int] | None:
    """The first bar and output where two tables (n, outputs) differ to the bit; None where they do not."""
    differing = np.argwhere(~_same(part, whole))
    return (int(differing[0, 0]), int(differing[0, 1])) if len(differing) else None


def exact(value: float, output: Output) -> str:
    """A value with as many digits as tell it from its neighbours."""
    return f"{value:.9g} {output.unit}" if output.unit in ("bps", "pct") else f"{value:.9g}"


def check_dataset(learner: OpenLearner, window: BarColumns, count: int = 5) -> list[Verdict]:
    """A learner's features with the future cut off: look-ahead, and columns scaled by what came later.

    Features and not rows with labels are compared: a row has a label only where the future exists, so that a look ahead
    shorter than the label's horizon would be hidden.
    """
    whole = learner.features(window)
    if not len(whole.bar_index):
        return [Verdict(LOOK_AHEAD, Status.UNKNOWN, "the window gives no features", "check over a longer period")]
    names = learner.feature_names
    for stop in cut_points(len(window.close), max(2, 2 * len(window.close) // 3), count):
        part = learner.features(cut(window, 0, stop))
        known = whole.bar_index < stop
        if not np.array_equal(part.bar_index, whole.bar_index[known]):
            bar = int(np.setxor1d(part.bar_index, whole.bar_index[known])[0])
            detail = f"bar {bar} has features only if later bars than {stop - 1} exist, or only if they do not"
            return [Verdict(LOOK_AHEAD, Status.FAULT, detail, "tell the features of a bar from bars up to it")]
        changed = ~_same(part.values, whole.values[known])
        if changed.any():
            return _changed_columns(names, part.values, whole.values[known], changed, stop)
    told = f"{len(whole.bar_index)} rows of {whole.values.shape[1]} features"
    return [
        Verdict(LOOK_AHEAD, Status.CLEAN, f"{told} are the same with the future cut off"),
        _check_rows(learner, window, whole),
    ]


def _check_rows(learner: OpenLearner, window: BarColumns, table: FeatureTable) -> Verdict:
    """The rows learned from hold what a prediction is given: nothing was scaled or filled on the way."""
    rows = learner.dataset(window)
    place = np.searchsorted(table.bar_index, rows.bar_index)
    if not np.array_equal(table.bar_index[np.minimum(place, len(table.bar_index) - 1)], rows.bar_index):
        return Verdict(SCALING, Status.FAULT, "a row is of a bar that has no features", "make rows from `features`")
    changed = ~_same(rows.features, table.values[place])
    if changed.any():
        names = [learner.feature_names[i] for i in np.flatnonzero(changed.any(axis=0))]
        return Verdict(
            SCALING,
            Status.FAULT,
            f"{', '.join(names)}: a row learned from is not what a prediction at its bar is given",
            "fit a scaler on training rows only, inside fit_rows",
        )
    return Verdict(SCALING, Status.CLEAN, "no feature is scaled by later bars")


def _changed_columns(
    names: tuple[str, ...], part: Floats, whole: Floats, changed: NDArray[Any], stop: int
) -> list[Verdict]:
    """A column that is the same but for unit and zero was scaled by later bars; any other looks ahead."""
    scaled: list[str] = []
    ahead: list[str] = []
    for column in np.flatnonzero(changed.any(axis=0)):
        kind = scaled if _is_affine_image(part[:, column], whole[:, column]) else ahead
        kind.append(names[column])
    verdicts = []
    if ahead:
        row = int(np.argmax(changed.T[names.index(ahead[0])]))
        verdicts.append(
            Verdict(
                LOOK_AHEAD,
                Status.FAULT,
                f"{', '.join(ahead)}: row {row} changes once bars after {stop - 1} exist",
                "compute each feature from bars up to its own only",
            )
        )
    if scaled:
        verdicts.append(
            Verdict(
                SCALING,
                Status.FAULT,
                f"{', '.join(scaled)}: scaled with figures of the whole window, later bars included",
                "fit the scaler on training rows only, or scale by figures of past bars",
            )
        )
    return verdicts


def check_split(learner: OpenLearner, window: BarColumns) -> Verdict:
    """No training label may end after validation begins: it would have seen what validation starts with."""
    rows = learner.dataset(window)
    training, validation = learner.split(rows)
    if not len(training) or not len(validation):
        return Verdict(PURGE, Status.UNKNOWN, "the window is too short to split", "check over a longer period")
    early = np.flatnonzero(rows.end_ms <= rows.start_ms)
    if len(early):
        return Verdict(PURGE, Status.FAULT, f"the label of row {early[0]} ends before it starts", "mend the labels")
    late = int(np.count_nonzero(training.end_ms > validation.start_ms[0]))
    if late:
        return Verdict(
            PURGE,
            Status.FAULT,
            f"{late} training labels end after validation begins, the last {_overlap_minutes(training, validation):g} "
            "minutes after",
            "leave out training rows whose label ends after the first validation row's close",
        )
    return Verdict(PURGE, Status.CLEAN, f"{len(training)} training labels all end before validation begins")


def check_dataset_warm_up(learner: OpenLearner, window: BarColumns) -> Verdict:
    """Features of the same bars in a window that begins later must be the same."""
    whole = learner.features(window)
    for shift in (1, 37, len(window.close) // 4):
        late = learner.features(cut(window, shift, len(window.close)))
        _, left, right = np.intersect1d(
            late.bar_index + shift, whole.bar_index, assume_unique=True, return_indices=True
        )
        if not len(left):
            return Verdict(WARM_UP, Status.UNKNOWN, "the window is too short", "check over a longer period")
        changed = ~_close(late.values[left], whole.values[right])
        if changed.any():
            names = [learner.feature_names[i] for i in np.flatnonzero(changed.any(axis=0))]
            return Verdict(
                WARM_UP,
                Status.FAULT,
                f"{', '.join(names)}: the same bar gives another value where the window begins {shift} bars later",
                "use a fixed look-back, or begin rows only where the start is forgotten",
            )
    return Verdict(WARM_UP, Status.CLEAN, "features do not tell where their window begins")


def _overlap_minutes(training: Dataset, validation: Dataset) -> float:
    return float(training.end_ms.max() - validation.start_ms[0]) / 60_000


def _same(left: Floats, right: Floats) -> NDArray[np.bool_]:
    return np.asarray((left == right) | (np.isnan(left) & np.isnan(right)))


def _close(left: Floats, right: Floats) -> NDArray[np.bool_]:
    return np.asarray(np.isclose(left, right, rtol=_RELATIVE_TOLERANCE, atol=1e-9, equal_nan=True))


def _is_affine_image(part: Floats, whole: Floats) -> bool:
    """Whether `whole` = a + b * `part` with one a and one b > 0."""
    there = np.isfinite(part) & np.isfinite(whole)
    if np.count_nonzero(there) < 3 or np.ptp(part[there]) == 0.0:
        return False
    slope, offset = np.polyfit(part[there], whole[there], 1)
    error = np.abs(offset + slope * part[there] - whole[there]).max()
    return bool(slope > 0.0 and error <= 1e-6 * np.ptp(whole[there]))
