"""The scalper's model: LightGBM regression of the forward return. Runs in worker processes only.

A training window's rows are split in time. Training rows whose label ends after the first validation row's close are
purged, so no training label sees what validation begins with. Validation chooses the number of trees (early stopping)
and then reports the metrics, so these are a little too good: they serve to refuse a broken model, not as evidence.
"""

from __future__ import annotations

import math
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from core.domain.errors import ModelError
from core.domain.forecast import Contribution
from core.domain.market import MINUTE_MS
from core.home.memory_limit import memory_limit
from core.learning.dataset import Dataset, FeatureTable, PredictRows
from core.learning.lightgbm_text import PARSE_MEMORY_BYTES, check_model_text
from core.learning.outcomes import days_lacking_bars
from core.learning.protocol import Fit, SavedModel
from core.ports import BarColumns
from strategies.scalper.features import FEATURE_NAMES, LOOKBACK_BARS
from strategies.scalper.kernel import feature_rows
from strategies.scalper.labels import forward_returns
from strategies.scalper.metrics import validation_metrics
from strategies.scalper.settings import ScalperSettings
from strategies.scalper.signals import entry_threshold_bps

MODEL_FILE = "model.txt"
MIN_VALIDATION_ROWS = 20


def labelled_rows(window: BarColumns, horizon_ms: int) -> Dataset:
    """The bars of `window` that have both a feature row and a label, oldest first."""
    features = feature_rows(window)
    labels = forward_returns(window, horizon_ms)
    _, left, right = np.intersect1d(features.bar_index, labels.bar_index, assume_unique=True, return_indices=True)
    return Dataset(
        features.bar_index[left],
        features.values[left],
        labels.start_ms[right],
        labels.end_ms[right],
        labels.return_bps[right],
    )


def split(rows: Dataset, validation_pct: float) -> tuple[Dataset, Dataset]:
    """(training, validation) in time order, purged by label end."""
    first = len(rows) - int(len(rows) * validation_pct / 100.0)
    training, validation = rows.take(slice(None, first)), rows.take(slice(first, None))
    if len(validation):
        training = training.take(training.end_ms <= validation.start_ms[0])
    return training, validation


def parameters(settings: ScalperSettings, seed: int) -> dict[str, Any]:
    """One thread: more spin against each other on busy cores, and the sum order stays fixed."""
    return {
        "objective": "regression",
        "metric": "rmse",
        "num_leaves": settings.num_leaves,
        "max_depth": settings.max_depth,
        "learning_rate": settings.learning_rate,
        "bagging_fraction": settings.subsample,
        "bagging_freq": 1,
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "seed": seed,
        "verbosity": -1,
    }


class ScalperLearner:
    feature_names = FEATURE_NAMES

    def __init__(self, settings: ScalperSettings, round_trip_cost_bps: float) -> None:
        self._settings = settings
        self._cost_bps = round_trip_cost_bps
        self._threshold_bps = entry_threshold_bps(
            round_trip_cost_bps, settings.min_edge_bps, settings.edge_over_cost_bps
        )

    def features(self, window: BarColumns) -> FeatureTable:
        rows = feature_rows(window)
        return FeatureTable(rows.bar_index, rows.values)

    def dataset(self, window: BarColumns) -> Dataset:
        return labelled_rows(window, self._settings.horizon_minutes * MINUTE_MS)

    def split(self, rows: Dataset) -> tuple[Dataset, Dataset]:
        return split(rows, self._settings.validation_pct)

    def fit_rows(self, rows: Dataset, seed: int) -> PredictRows | None:
        training, validation = self.split(rows)
        if self._are_too_few(training, validation):
            return None
        booster = _boost(parameters(self._settings, seed), self._settings, training, validation)
        errors_bps = _predict(booster, validation.features) - validation.return_bps
        residual_rmse_bps = math.sqrt(float(np.mean(errors_bps * errors_bps)))
        return lambda features: _outputs(_predict(booster, features), residual_rmse_bps)

    def _are_too_few(self, training: Dataset, validation: Dataset) -> bool:
        return len(validation) < MIN_VALIDATION_ROWS or len(training) < self._settings.num_leaves

    def fit(self, window: BarColumns, seed: int) -> Fit:
        settings = self._settings
        training, validation = self.split(self.dataset(window))
        if self._are_too_few(training, validation):
            note = f"{len(training)} training and {len(validation)} validation rows are too few: the window has gaps"
            return Fit(model=None, passed=False, note=note)
        params = parameters(settings, seed)
        booster = _boost(params, settings, training, validation)
        forecast = _predict(booster, validation.features)
        metrics = validation_metrics(
            forecast,
            validation.return_bps,
            validation.start_ms,
            validation.end_ms,
            self._threshold_bps,
            self._cost_bps,
            days_lacking_bars(window.open_time_ms, window.interval_ms),
        )
        if not all(math.isfinite(value) for value in metrics.values()) or metrics["rmse_bps"] == 0.0:
            return Fit(model=None, passed=False, note="validation errors are not finite and above zero")
        metrics |= {"best_iteration": float(booster.best_iteration), "training_rows": float(len(training))}
        note = _objection(forecast, metrics, settings.max_rmse_ratio)
        return Fit(
            model=ScalperModel(booster, metrics["rmse_bps"]),
            passed=not note,
            note=note,
            metrics=metrics,
            parameters={**params, "max_trees": settings.max_trees, "early_stopping": settings.early_stopping_rounds},
        )

    def load(self, saved: SavedModel) -> ScalperModel:
        try:
            text = check_model_text(saved.files[MODEL_FILE], len(FEATURE_NAMES))
            with memory_limit(PARSE_MEMORY_BYTES):
                booster = lgb.Booster(model_str=text)
            residual_rmse_bps = saved.calibration["residual_rmse_bps"]
        except (lgb.basic.LightGBMError, ModelError, MemoryError, KeyError) as error:
            raise ModelError(f"{MODEL_FILE}: is not a model of the scalper: {error}") from error
        return ScalperModel(booster, residual_rmse_bps)

    def warm_up(self) -> None:
        """Compiles the kernel for a window of LOOKBACK_BARS equal bars."""
        ones = np.ones(LOOKBACK_BARS)
        times = np.arange(LOOKBACK_BARS, dtype=np.int64) * MINUTE_MS
        feature_rows(BarColumns("", MINUTE_MS, times, ones, ones, ones, ones, ones))


def _boost(params: dict[str, Any], settings: ScalperSettings, training: Dataset, validation: Dataset) -> lgb.Booster:
    names = list(FEATURE_NAMES)
    learn = lgb.Dataset(training.features, training.return_bps, feature_name=names, free_raw_data=True)
    check = lgb.Dataset(validation.features, validation.return_bps, reference=learn)
    stopping = lgb.early_stopping(settings.early_stopping_rounds, verbose=False)
    return lgb.train(params, learn, settings.max_trees, valid_sets=[check], callbacks=[stopping])


def _predict(booster: lgb.Booster, features: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(booster.predict(features, num_threads=1))


def _outputs(forecast_bps: NDArray[np.float64], residual_rmse_bps: float) -> NDArray[np.float64]:
    """The outputs (n, 2); p_sign is Phi(|forecast| / residual rmse): its probability if errors were normal."""
    sizes = (np.abs(forecast_bps) / residual_rmse_bps / math.sqrt(2.0)).tolist()
    p_sign = [0.5 * (1.0 + math.erf(size)) for size in sizes]
    return np.column_stack([forecast_bps, p_sign])


def _objection(forecast: NDArray[np.float64], metrics: dict[str, float], max_rmse_ratio: float) -> str:
    """Why validation does not let the model trade; empty when it does."""
    if np.ptp(forecast) == 0.0:
        return "predictions are constant"
    if "rmse_ratio" not in metrics:
        return "the price never moved during validation"
    if metrics["rmse_ratio"] > max_rmse_ratio:
        return f"rmse_ratio {metrics['rmse_ratio']:.4f} is above scalper.max_rmse_ratio {max_rmse_ratio:g}"
    return ""


class ScalperModel:
    """A booster and the root mean square of its validation errors, which scales confidence."""

    def __init__(self, booster: lgb.Booster, residual_rmse_bps: float) -> None:
        self._booster = booster
        self._residual_rmse_bps = residual_rmse_bps
        self._newest: tuple[BarColumns, NDArray[np.float64] | None] | None = None

    def _row(self, window: BarColumns) -> NDArray[np.float64] | None:
        """The newest feature row, kept for the next question: a window is predicted from and then explained."""
        if self._newest is None or self._newest[0] is not window:
            self._newest = (window, _newest_row(window))
        return self._newest[1]

    def predict(self, window: BarColumns) -> tuple[float, ...] | None:
        row = self._row(window)
        if row is None:
            return None
        return tuple(_outputs(_predict(self._booster, row), self._residual_rmse_bps)[0].tolist())

    def explain(self, window: BarColumns, top: int) -> tuple[Contribution, ...]:
        """SHAP values of the trees (Lundberg et al. 2018, arXiv:1802.03888)."""
        row = self._row(window)
        if row is None:
            return ()
        shares = np.asarray(self._booster.predict(row, pred_contrib=True, num_threads=1))[0, :-1]
        order = np.argsort(-np.abs(shares), kind="stable")[:top]
        return tuple(Contribution(FEATURE_NAMES[i], float(row[0, i]), float(shares[i])) for i in order)

    def save(self) -> SavedModel:
        text = self._booster.model_to_string(num_iteration=self._booster.best_iteration)
        return SavedModel({MODEL_FILE: text.encode()}, {"residual_rmse_bps": self._residual_rmse_bps})


def _newest_row(window: BarColumns) -> NDArray[np.float64] | None:
    rows = feature_rows(window)
    newest = len(window.close) - 1
    return rows.values[-1:] if len(rows.bar_index) and rows.bar_index[-1] == newest else None


def create_learner(options: dict[str, Any]) -> ScalperLearner:
    return ScalperLearner(ScalperSettings.model_validate(options["scalper"]), float(options["round_trip_cost_bps"]))
