"""A model that shows its rows: it forecasts the return of the next bars, by default of one, as a multiple of the last
one's. `most_rows` it fails beyond."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.domain.market import MINUTE_MS
from core.learning.dataset import Dataset, FeatureTable, PredictRows
from core.ports import BarColumns


class LinearLearner:
    feature_names = ("last_return_bps",)

    def __init__(self, min_rows: int, ahead: int, most_rows: int) -> None:
        self._min_rows, self._ahead, self._most_rows = min_rows, ahead, most_rows

    def features(self, window: BarColumns) -> FeatureTable:
        return FeatureTable(np.arange(1, len(window.close)), _moves_bps(window)[:, None])

    def dataset(self, window: BarColumns) -> Dataset:
        ahead, moves = self._ahead, _moves_bps(window)
        index = np.arange(1, len(window.close) - ahead)
        closes = window.open_time_ms[index] + MINUTE_MS
        returns_bps = 1e4 * (window.close[index + ahead] / window.close[index] - 1.0)
        return Dataset(index, moves[: len(index), None], closes, closes + ahead * MINUTE_MS, returns_bps)

    def split(self, rows: Dataset) -> tuple[Dataset, Dataset]:
        return rows, rows.take(slice(0, 0))

    def fit_rows(self, rows: Dataset, seed: int) -> PredictRows | None:
        if len(rows) < self._min_rows:
            return None
        assert len(rows) <= self._most_rows
        x = rows.features[:, 0]
        slope = float(x @ rows.return_bps) / float(x @ x)

        def predict(features: NDArray[np.float64]) -> NDArray[np.float64]:
            return slope * features[:, 0]

        return predict


def _moves_bps(window: BarColumns) -> NDArray[np.float64]:
    return np.asarray(1e4 * (window.close[1:] / window.close[:-1] - 1.0))


def create_learner(options: dict[str, Any]) -> LinearLearner:
    return LinearLearner(options["min_rows"], options.get("ahead", 1), options.get("most_rows", 1 << 30))
