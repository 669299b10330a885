"""Whether what a model is shown still looks like what it learned from: the population stability index of each feature.

PSI = sum over bins of (now - then) ln(now / then), of the shares of rows in bins that are quantiles of the training set
(Siddiqi 2006, "Credit risk scorecards": below 0.1 little changed, above 0.25 much did). It is told of features that are
scale-free alone: a price level drifts with the price and says nothing of the model.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from core.domain.errors import BadInputError
from core.features.column import Column

Floats = NDArray[np.float64]

LEAST_SHARE = 1e-4
"""What an empty bin counts as."""


class Baseline(Struct, frozen=True):
    """One feature in the training set: `shares` of its rows in the bins between `edges`, one more than those; a value
    that is an edge lies below it."""

    feature: str
    edges: tuple[float, ...]
    shares: tuple[float, ...]
    rows: int


class Stability(Struct, frozen=True):
    """The `psi` of a feature over `rows` rows. Where nothing changed chance alone leaves about `by_chance` of it: bins
    less one, times 1 / rows of then + 1 / rows of now (Yurdakul 2018)."""

    feature: str
    psi: float
    rows: int
    by_chance: float


def scale_free(columns: Sequence[Column]) -> tuple[str, ...]:
    """The names of the columns of which drift may be told."""
    return tuple(column.name for column in columns if column.is_scale_free)


def baseline(names: Sequence[str], features: Floats, bins: int = 10) -> tuple[Baseline, ...]:
    """Of the training set `features` (n, names), missing values (NaN) left out. Values that are frequent make fewer
    bins; a feature of one value has none, and is left out. Raises BadInputError for a table of another width or fewer
    than two bins."""
    if features.ndim != 2 or features.shape[1] != len(names) or bins < 2:
        raise BadInputError(f"a baseline of {len(names)} features in {bins} bins: needs as many columns, and 2 bins")
    told = (_binned(name, column[~np.isnan(column)], bins) for name, column in zip(names, features.T, strict=True))
    return tuple(one for one in told if one is not None)


def stability(
    then: Sequence[Baseline], names: Sequence[str], features: Floats, least_rows: int = 200
) -> tuple[Stability, ...]:
    """Of each feature of the baseline in the rows `features` (n, names), the least stable first.

    One with fewer than `least_rows` values is left out: it is not known, and neither drifted nor stable. Raises
    BadInputError where a feature of the baseline is not among `names`."""
    lacking = [one.feature for one in then if one.feature not in names]
    if lacking:
        raise BadInputError(f"feature {lacking[0]}: is in the baseline and not in the rows; give it, or train anew")
    told = []
    for one in then:
        column = features[:, names.index(one.feature)]
        values = column[~np.isnan(column)]
        if len(values) >= least_rows:
            chance = (len(one.shares) - 1) * (1.0 / one.rows + 1.0 / len(values))
            told.append(Stability(one.feature, _psi(one, values), len(values), chance))
    return tuple(sorted(told, key=lambda found: (-found.psi, found.feature)))


def _binned(name: str, values: Floats, bins: int) -> Baseline | None:
    if not len(values):
        return None
    edges = np.unique(np.quantile(values, np.arange(1, bins) / bins, method="inverted_cdf"))
    # An edge at the greatest value would have nothing above it.
    edges = edges[edges < values.max()]
    if not len(edges):
        return None
    return Baseline(name, tuple(edges.tolist()), tuple(_shares(edges, values).tolist()), len(values))


def _psi(then: Baseline, values: Floats) -> float:
    was = np.maximum(np.array(then.shares), LEAST_SHARE)
    now = np.maximum(_shares(np.array(then.edges), values), LEAST_SHARE)
    return float(np.sum((now - was) * np.log(now / was)))


def _shares(edges: Floats, values: Floats) -> Floats:
    return np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1) / len(values)
