"""The constant forecast, which every model has to beat: it says the same of every bar, and so decides the same side, or
nothing."""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from core.domain.errors import BadInputError
from core.learning.lifecycle.evidence import Evidence, fold
from core.learning.lifecycle.outcome import Terms, exceeds, scaled_difference

Floats = NDArray[np.float64]
Times = NDArray[np.int64]
Sides = NDArray[np.int8]


class Trial(Struct, frozen=True):
    """A model against the constant on rows later than those that it learned from: what speaks for the model, and how
    many outcomes were clipped."""

    evidence: Evidence
    clipped: int = 0


def constant_direction(learned_bps: Floats, cost_bps: float) -> int:
    """What a constant forecast decides that says the mean of the labels (n,) which were learned from: +1, -1, or 0
    where it does not pay the round trip, or nothing was learned from."""
    mean = float(np.mean(learned_bps)) if len(learned_bps) else 0.0
    return int(np.sign(mean)) if abs(mean) > cost_bps else 0


def trial(
    direction: Sides,
    constant: int,
    actual_bps: Floats,
    start_ms: Times,
    end_ms: Times,
    learned_to_ms: int,
    terms: Terms,
    alpha: float,
    embargo_ms: int = 0,
) -> Trial:
    """Of rows (n,), oldest first: the model decided `direction` (+1, -1, 0), and `actual_bps` came from `start_ms` to
    `end_ms`. Rows whose label begins before `learned_to_ms` + `embargo_ms` are left out, and so is what begins before
    the last outcome has ended, and a row at which neither decides. Raises BadInputError for rows that are out of order
    or end before they start.
    """
    if (np.diff(start_ms) < 0).any() or (end_ms <= start_ms).any():
        raise BadInputError("rows of a trial: must be in order of their labels' starts, and end after they start")
    found, clipped, free_ms = Evidence(alpha), 0, learned_to_ms + embargo_ms
    for row in np.flatnonzero((direction != 0) | (constant != 0)).tolist():
        if start_ms[row] < free_ms:
            continue
        free_ms = int(end_ms[row])
        both = [
            float(side * actual_bps[row] - terms.cost_bps) if side else 0.0 for side in (int(direction[row]), constant)
        ]
        found = fold(found, scaled_difference(both[0], both[1], terms.bound_bps))
        clipped += exceeds(both[0], both[1], terms.bound_bps)
    return Trial(found, clipped)
