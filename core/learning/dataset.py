"""What a learner makes of a window of bars, open to those who judge it: validation and the bias checks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from core.ports import BarColumns

PredictRows = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""features (n, f) -> the part's outputs (n, outputs), or (n,) where there is one."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """One row for each usable bar of a window, oldest first.

    `features` (n, f) as the model is given them, at the close of the bar `bar_index` of the window; the label is the
    return `return_bps` from `start_ms` to `end_ms`.
    """

    bar_index: NDArray[np.int64]
    features: NDArray[np.float64]
    start_ms: NDArray[np.int64]
    end_ms: NDArray[np.int64]
    return_bps: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.return_bps)

    def take(self, chosen: slice | NDArray[np.bool_] | NDArray[np.int64]) -> Dataset:
        return Dataset(
            self.bar_index[chosen],
            self.features[chosen],
            self.start_ms[chosen],
            self.end_ms[chosen],
            self.return_bps[chosen],
        )


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """`values` (n, f) at the closes of the bars `bar_index` of a window, oldest first."""

    bar_index: NDArray[np.int64]
    values: NDArray[np.float64]


@runtime_checkable
class OpenLearner(Protocol):
    """A learner that shows its rows. `fit` of such a learner is `dataset`, `split` and `fit_rows` in turn."""

    @property
    def feature_names(self) -> tuple[str, ...]: ...

    def features(self, window: BarColumns) -> FeatureTable:
        """What a prediction is made of, at every bar that has all it needs, the newest included; maybe none."""
        ...

    def dataset(self, window: BarColumns) -> Dataset:
        """The rows of all bars that have both features, the same as in `features`, and a label; maybe none."""
        ...

    def split(self, rows: Dataset) -> tuple[Dataset, Dataset]:
        """(training, validation) in time order, no training label ending after validation begins."""
        ...

    def fit_rows(self, rows: Dataset, seed: int) -> PredictRows | None:
        """Train on `rows`, splitting them as `split` does; None where they are too few."""
        ...
