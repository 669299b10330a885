from __future__ import annotations

import math

import numpy as np
import pytest

from strategies.scalper.metrics import validation_metrics

MINUTE = 60_000
STARTS = np.arange(30, dtype=np.int64) * MINUTE
ENDS = STARTS + 10 * MINUTE
NOTHING = np.zeros(30)
NO_DAYS = np.zeros(0, np.int64)
HOUR, DAY = 3_600_000, 86_400_000


def test_figures_that_do_not_exist_are_left_out() -> None:
    metrics = validation_metrics(NOTHING, NOTHING, STARTS, ENDS, 12.0, 11.0, NO_DAYS)
    assert metrics == {
        "validation_rows": 30.0,
        "rmse_bps": 0.0,
        "baseline_rmse_bps": 0.0,
        "hit_count": 0.0,
        "trades": 0.0,
        "return_days": 0.0,
    }


def test_errors_and_hits_are_measured_against_the_forecast_zero() -> None:
    actual = np.tile([3.0, -4.0, 0.0], 10)
    forecast = np.tile([3.0, 4.0, 1.0], 10)
    metrics = validation_metrics(forecast, actual, STARTS, ENDS, 12.0, 11.0, NO_DAYS)
    assert metrics["rmse_bps"] == pytest.approx(math.sqrt(65 / 3))
    assert metrics["baseline_rmse_bps"] == pytest.approx(math.sqrt(25 / 3))
    assert metrics["rmse_ratio"] == pytest.approx(math.sqrt(65 / 25))
    assert (metrics["hit_count"], metrics["hit_rate_pct"]) == (20.0, 50.0)


def test_only_a_forecast_above_the_threshold_is_traded() -> None:
    forecast = NOTHING.copy()
    forecast[[3, 8, 21]] = [12.0, -12.1, 12.1]
    metrics = validation_metrics(forecast, np.ones(30), STARTS, ENDS, 12.0, 11.0, NO_DAYS)
    assert (metrics["trades"], metrics["net_bps"]) == (2.0, pytest.approx((-12.0 - 10.0) / 2))


@pytest.mark.parametrize(("holes", "told"), [(0, True), (1, False)])
def test_a_ratio_of_a_year_needs_thirty_whole_days_however_many_trades_there_are(holes: int, told: bool) -> None:
    starts = np.arange(12, 12 + 31 * 24, dtype=np.int64) * HOUR
    actual = np.random.default_rng(3).normal(5.0, 40.0, len(starts))
    holed = np.arange(5, 5 + holes, dtype=np.int64) * DAY
    metrics = validation_metrics(np.full(len(starts), 50.0), actual, starts, starts + HOUR, 12.0, 2.0, holed)
    assert (metrics["trades"], metrics["return_days"]) == (31 * 24, 30.0 - holes)
    assert ("sharpe" in metrics) is told
    if told:
        daily = (actual[12 : 12 + 30 * 24] - 2.0).reshape(30, 24).sum(axis=1)
        assert metrics["sharpe"] == pytest.approx(daily.mean() / daily.std(ddof=1) * math.sqrt(365))
