"""A model that shows its rows: it forecasts the next bar's return as a multiple of the last one's."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.domain.market import MINUTE_MS
from core.learning.dataset import Dataset, FeatureTable, PredictRows
from core.ports import BarColumns


class LinearLearner:
    feature_names = ("last_return_bps",)

    def __init__(self, min_rows: int) -> None:
        self._min_rows = min_rows

    def features(self, window: BarColumns) -> FeatureTable:
        return FeatureTable(np.arange(1, len(window.close)), _moves_bps(window)[:, None])

    def dataset(self, window: BarColumns) -> Dataset:
        moves = _moves_bps(window)
        index = np.arange(1, len(window.close) - 1)
        closes = window.open_time_ms[index] + MINUTE_MS
        return Dataset(index, moves[:-1, None], closes, closes + MINUTE_MS, moves[1:])

    def split(self, rows: Dataset) -> tuple[Dataset, Dataset]:
        return rows, rows.take(slice(0, 0))

    def fit_rows(self, rows: Dataset, seed: int) -> PredictRows | None:
        if len(rows) < self._min_rows:
            return None
        x = rows.features[:, 0]
        slope = float(x @ rows.return_bps) / float(x @ x)

        def predict(features: NDArray[np.float64]) -> NDArray[np.float64]:
            return slope * features[:, 0]

        return predict


def _moves_bps(window: BarColumns) -> NDArray[np.float64]:
    return np.asarray(1e4 * (window.close[1:] / window.close[:-1] - 1.0))


def create_learner(options: dict[str, Any]) -> LinearLearner:
    return LinearLearner(int(options["min_rows"]))
