"""What was known of a stream at a time: the one join of observations to bars, for live, lab and training."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.ports import NEVER, ObservationColumns


def as_of(
    closes_ms: NDArray[np.int64], observations: ObservationColumns, max_age_ms: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Values (n, fields) and ages (n,) in milliseconds at each of the n closes, in whatever order they are.

    At a close stands the observation of the latest time among those with known_ms <= close; its age counts from its
    time. One older than `max_age_ms` is missing: NaN, with its age told; nothing is ever filled in for it. Where none
    was known the values are NaN and the age is NEVER. What becomes known later changes nothing.
    """
    values = np.full((len(closes_ms), observations.values.shape[1]), np.nan)
    ages = np.full(len(closes_ms), NEVER, np.int64)
    if not len(observations.time_ms):
        return values, ages
    by_known = np.argsort(observations.known_ms, kind="stable")
    # What is told late, of an earlier time, does not stand in for what is known of a later one.
    newest = np.maximum.accumulate(by_known)
    count = np.searchsorted(observations.known_ms[by_known], closes_ms, side="right")
    is_known = count > 0
    rows = newest[count[is_known] - 1]
    ages[is_known] = closes_ms[is_known] - observations.time_ms[rows]
    is_fresh = is_known & (ages <= max_age_ms)
    values[is_fresh] = observations.values[rows[is_fresh[is_known]]]
    return values, ages
