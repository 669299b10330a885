"""The interval of a Sharpe ratio: it holds its level where there is no skill, and where there is some."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.coverage import KINDS, LENGTHS, RUNS, allowed_pct, excluded_pct
from core.arithmetic.days import DAYS_PER_YEAR
from core.arithmetic.ratios import sharpe
from core.lab.statistics.intervals import dependence_factor, sharpe_interval, student_quantile


def returns_of(seed: int, days: int, mean: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 0.02, days)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("days", LENGTHS)
def test_without_skill_it_seldom_excludes_nothing(kind: str, days: int) -> None:
    """Today's percentile bootstrap excluded 0 in 11 % of such runs at 29 days and in all of them at 2."""
    least, most = allowed_pct(kind, days)
    found = excluded_pct(kind, days)
    assert RUNS == 2_000
    assert (least or 0.0) <= found <= most


@pytest.mark.parametrize("annual", [1.0, 3.0])
def test_it_holds_a_true_ratio_as_often_as_it_says(annual: float) -> None:
    mean = annual / math.sqrt(DAYS_PER_YEAR) * 0.02
    intervals = [sharpe_interval(returns_of(seed, 120, mean)) for seed in range(1_000)]
    held = sum(found is not None and found.low <= annual <= found.high for found in intervals)
    assert 930 <= held <= 968


@pytest.mark.parametrize("seed", range(5))
def test_zero_is_in_it_where_the_t_test_of_the_mean_does_not_reject(seed: int) -> None:
    """Of days that tell nothing of each other, as the formula measures it."""
    returns = returns_of(seed, 90, 0.004)
    spread = math.sqrt(dependence_factor(returns))
    level = 1.0 - 2.0 * scipy.stats.t.sf(abs(scipy.stats.ttest_1samp(returns, 0.0).statistic) / spread, 89)
    inside, outside = sharpe_interval(returns, level + 1e-4), sharpe_interval(returns, level - 1e-4)
    assert inside is not None
    assert outside is not None
    assert inside.low < 0.0 < outside.low


def test_it_holds_the_ratio_itself_and_narrows_with_the_root_of_the_length() -> None:
    widths = []
    for days in (100, 1_600):
        returns = returns_of(3, days, 0.001)
        found, ratio = sharpe_interval(returns), sharpe(returns)
        assert found is not None
        assert ratio is not None
        assert found.low < ratio < found.high
        widths.append((found.high - found.low) / math.sqrt(dependence_factor(returns)))
    assert widths[0] / widths[1] == pytest.approx(4.0, rel=0.05)


def test_days_that_follow_on_each_other_widen_it() -> None:
    rng = np.random.default_rng(5)
    steps = rng.normal(0.0, 0.01, 4_001)
    assert dependence_factor(steps[1:]) == pytest.approx(1.0, abs=0.1)
    assert dependence_factor(steps[1:] + steps[:-1]) == pytest.approx(3.0, abs=0.3)  # an r of a half


@given(freedom=st.integers(29, 5_000), probability=st.floats(0.005, 0.995))
def test_the_quantile_is_that_of_student(freedom: int, probability: float) -> None:
    assert student_quantile(probability, freedom) == pytest.approx(scipy.stats.t.ppf(probability, freedom), abs=1e-5)


def test_what_cannot_be_told_is_missing() -> None:
    assert sharpe_interval(returns_of(1, 29)) is None
    assert sharpe_interval(np.full(60, 0.01)) is None
    # One day that outweighs all others bounds nothing.
    assert sharpe_interval(np.append(np.zeros(29), 1.0)) is None
