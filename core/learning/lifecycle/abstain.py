"""When a model had better say nothing: what it is shown lies far from all that it learned from."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from core.domain.errors import BadInputError, ModelError
from core.domain.forecast import Because

Floats = NDArray[np.float64]

_FLAT = 1e-6
"""A direction in which the training set spreads less than this share of its widest has nothing to be far in."""


class Neighbourhood(Struct, frozen=True):
    """Where the training set lay: features less `mean` (f,), by `whitening` (f, k), have a spread of 1 in each of k
    directions, and the length of that is their distance. `threshold` is the quantile `level` of its own `rows` rows.

    The distance of Mahalanobis (1936), of features that are scaled first, without the directions in which the training
    set is flat.
    """

    features: tuple[str, ...]
    mean: tuple[float, ...]
    whitening: tuple[tuple[float, ...], ...]
    threshold: float
    level: float
    rows: int


def neighbourhood(names: Sequence[str], features: Floats, level: float = 0.999) -> Neighbourhood:
    """Of the training rows `features` (n, names), rows with a missing value left out. Raises ModelError where the rows
    are too few for as many features or do not differ, BadInputError for a level that is not between 0 and 1."""
    if not 0.0 < level < 1.0:
        raise BadInputError(f"level {level}: must lie between 0 and 1")
    rows = features[~np.isnan(features).any(axis=1)]
    if len(rows) < 10 * len(names):
        raise ModelError(f"distance: {len(rows)} whole rows for {len(names)} features, 10 a feature are needed")
    mean, scale = rows.mean(axis=0), rows.std(axis=0)
    scale = np.where(scale > 0.0, scale, 1.0)
    spread, directions = np.linalg.eigh(np.cov((rows - mean) / scale, rowvar=False).reshape(len(names), len(names)))
    wide = spread > _FLAT * spread.max()
    if spread.max() <= 0.0 or not wide.any():
        raise ModelError(f"distance: {len(rows)} rows that are all the same; retrain it")
    whitening = directions[:, wide] / np.sqrt(spread[wide]) / scale[:, None]
    own = np.linalg.norm((rows - mean) @ whitening, axis=1)
    return Neighbourhood(
        features=tuple(names),
        mean=tuple(mean.tolist()),
        whitening=tuple(map(tuple, whitening.tolist())),
        threshold=float(np.quantile(own, level, method="higher")),
        level=level,
        rows=len(rows),
    )


def distance(known: Neighbourhood, row: Floats) -> float:
    """Of one row (f,) of features from the middle of the training set; NaN where one of them is missing."""
    return float(np.linalg.norm((row - np.array(known.mean)) @ np.array(known.whitening)))


def too_far(known: Neighbourhood, row: Floats) -> Because | None:
    """Why nothing should be decided on what a model says of this row (f,); None where it lies among the training set. A
    row of which the distance is not known is too far."""
    away = distance(known, row)
    if away <= known.threshold:
        return None
    note = f"farther than {100.0 * known.level:g} % of the {known.rows} training rows"
    if math.isnan(away):
        return Because("distance from training", None, known.threshold, "", "a feature is missing")
    return Because("distance from training", away, known.threshold, "", note)
