from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.lab.run.result import EquityCurve
from core.lab.statistics.series import drawdown_pct, month_returns, thin_indices, thinned
from tests.core.lab.sample_report import T0_MS, sample_report

DAY_MS = 86_400_000
series = st.integers(0, 400).flatmap(lambda n: arrays(np.float64, n, elements=st.floats(-1e6, 1e6)))
equities = st.integers(1, 60).flatmap(lambda n: arrays(np.float64, n, elements=st.floats(1.0, 1e6)))


@given(series, st.integers(4, 120))
def test_thinning_keeps_ends_and_extremes_and_its_promise_of_size(values: np.ndarray, most: int) -> None:
    kept = thin_indices(values, most)
    assert len(kept) <= most or len(kept) == len(values)
    assert (np.diff(kept) > 0).all()
    if len(values):
        assert {0, len(values) - 1} <= set(kept.tolist())
        assert values[kept].min() == values.min()
        assert values[kept].max() == values.max()


def test_thinning_keeps_a_spike_of_one_slot_in_each_stretch() -> None:
    values = np.zeros(100_000)
    values[12_345], values[77_777], values[77_780] = 5.0, -4.0, 9.0
    kept = set(thin_indices(values, 1_000).tolist())
    assert {12_345, 77_777, 77_780} <= kept


def test_thinning_leaves_undefined_values_to_the_rest_of_their_stretch() -> None:
    values = np.full(1_000, np.nan)
    values[::10] = np.arange(100)
    kept = thin_indices(values, 100)
    assert np.nanmax(values[kept]) == 99
    assert np.nanmin(values[kept]) == 0


@given(equities, st.floats(1.0, 1e6))
def test_drawdown_is_measured_from_the_highest_equity_so_far(equity: np.ndarray, initial: float) -> None:
    depth = drawdown_pct(equity, initial)
    expected = [(value / max(initial, *equity[: index + 1]) - 1) * 100 for index, value in enumerate(equity)]
    assert depth == pytest.approx(expected, abs=1e-9)


@settings(max_examples=50)
@given(st.integers(1, 3_000), st.sampled_from([60_000, 3_600_000, 86_400_000]))
def test_month_returns_compound_to_the_whole_return(slots: int, interval_ms: int) -> None:
    result = sample_report(slots=slots, trades=0, interval_ms=interval_ms).result
    months, returns = month_returns(result)
    assert np.prod(1 + returns) == pytest.approx(result.final_usdt / result.initial_usdt, rel=1e-9)
    assert (np.diff(months.astype(np.int64)) == 1).all()


def test_a_close_at_midnight_ends_its_month() -> None:
    result = sample_report(slots=32 * 24, trades=0, interval_ms=3_600_000).result
    months, returns = month_returns(result)
    assert months.astype(str).tolist() == ["2025-01", "2025-02"]
    assert int(result.curve.time_ms[31 * 24 - 1]) == T0_MS + 31 * DAY_MS
    assert returns[0] == result.curve.equity_usdt[31 * 24 - 1] / result.initial_usdt - 1


def test_a_run_without_slots_has_no_months() -> None:
    months, returns = month_returns(sample_report(slots=0, trades=0).result)
    assert (len(months), len(returns)) == (0, 0)


@given(st.integers(0, 2**32 - 1), st.integers(8, 60))
def test_a_thinned_curve_has_the_same_ends_extremes_and_drawdown(seed: int, most: int) -> None:
    equity = 10_000.0 * np.exp(np.random.default_rng(seed).normal(0.0, 0.01, 500).cumsum())
    curve = EquityCurve(np.arange(500, dtype=np.int64), equity, equity, equity)
    thin = thinned(curve, 10_000.0, most)
    assert len(thin) <= most + 2
    assert (thin.equity_usdt[0], thin.equity_usdt[-1]) == (equity[0], equity[-1])
    assert (thin.equity_usdt.min(), thin.equity_usdt.max()) == (equity.min(), equity.max())
    assert drawdown_pct(thin.equity_usdt, 10_000.0).min() == drawdown_pct(equity, 10_000.0).min()
