"""How a forecast did on rows it was not fitted on."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from core.learning.outcomes import day_sharpe, trade_returns, whole_days


def validation_metrics(
    forecast_bps: NDArray[np.float64],
    actual_bps: NDArray[np.float64],
    start_ms: NDArray[np.int64],
    end_ms: NDArray[np.int64],
    threshold_bps: float,
    cost_bps: float,
    holed_ms: NDArray[np.int64],
) -> dict[str, float]:
    """Metrics of forecasts against the labels from `start_ms` to `end_ms`; all arrays of one length, oldest first.
    `holed_ms` are the starts of the UTC days that lack bars.

    baseline_rmse_bps: of the forecast zero. hit_rate_pct: right signs among `hit_count` rows where neither is zero.
    trades, net_bps, sharpe: see `trade_returns`; net_bps is the mean. return_days: the whole UTC days without holes
    that sharpe stands on.
    A figure that does not exist is left out: hit_rate_pct of no rows, net_bps of no trades, sharpe of fewer than
    30 such days or of equal ones, rmse_ratio when nothing moved.
    """
    rmse = _rms(forecast_bps - actual_bps)
    baseline = _rms(actual_bps)
    signs = np.sign(forecast_bps) * np.sign(actual_bps)
    hit_count = int(np.count_nonzero(signs))
    metrics = {
        "validation_rows": float(len(actual_bps)),
        "rmse_bps": rmse,
        "baseline_rmse_bps": baseline,
        "hit_count": float(hit_count),
    }
    if baseline > 0.0:
        metrics["rmse_ratio"] = rmse / baseline
    if hit_count:
        metrics["hit_rate_pct"] = 100.0 * int(np.count_nonzero(signs > 0)) / hit_count
    direction = np.where(np.abs(forecast_bps) > threshold_bps, np.sign(forecast_bps), 0.0).astype(np.int8)
    returns = trade_returns(direction, actual_bps, start_ms, end_ms, cost_bps)
    metrics["trades"] = float(len(returns))
    if len(returns):
        metrics["net_bps"] = float(np.mean(returns.net_bps))
    days_ms = whole_days(int(start_ms[0]), int(end_ms[-1]), holed_ms)
    metrics["return_days"] = float(len(days_ms))
    sharpe = day_sharpe(returns, days_ms)
    if sharpe is not None:
        metrics["sharpe"] = sharpe
    return metrics


def _rms(values: NDArray[np.float64]) -> float:
    return math.sqrt(float(np.mean(values * values)))
