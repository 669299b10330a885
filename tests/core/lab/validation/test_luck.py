from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import quantstats.stats as qs
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from skfolio import measures

from core.lab.validation.luck import (
    Moments,
    days_beyond_luck,
    deflated_sharpe,
    expected_max_sharpe,
    luck_of_best,
    minimum_track_record,
    moments,
    probabilistic_sharpe,
    sharpe_variance,
)


def returns_of(seed: int, count: int = 300) -> np.ndarray:
    return np.random.default_rng(seed).standard_t(5, count) * 0.01 + 0.0008


def known(returns: np.ndarray) -> Moments:
    found = moments(returns)
    assert found is not None
    return found


@pytest.mark.parametrize(("skew", "kurtosis", "published"), [(0.0, 3.0, 0.982), (-2.448, 10.164, 0.913)])
def test_the_hedge_fund_of_the_paper_on_the_probabilistic_ratio(skew: float, kurtosis: float, published: float) -> None:
    # Two years of monthly returns with an annual Sharpe ratio of 1.585.
    fund = Moments(24, 1.585 / math.sqrt(12), skew, kurtosis)
    found = probabilistic_sharpe(fund)
    assert found is not None
    assert round(found, 3) == published


@pytest.mark.parametrize(
    ("periods", "skew", "kurtosis", "years"),
    [(250, 0.0, 3.0, 2.73), (52, 0.0, 3.0, 2.83), (12, 0.0, 3.0, 3.24), (12, -0.72, 5.78, 4.99)],
)
def test_the_track_records_of_the_paper(periods: int, skew: float, kurtosis: float, years: float) -> None:
    # An annual Sharpe ratio of 2 against one of 1, with 95 % confidence.
    record = Moments(periods, 2.0 / math.sqrt(periods), skew, kurtosis)
    found = minimum_track_record(record, 1.0 / math.sqrt(periods))
    assert found is not None
    assert round(found / periods, 2) == years


@pytest.mark.parametrize(
    ("trials", "skew", "kurtosis", "published"),
    [(100, -3.0, 10.0, 0.9004), (46, -3.0, 10.0, 0.9505), (88, 0.0, 3.0, 0.9505)],
)
def test_the_strategies_of_the_paper_on_the_deflated_ratio(
    trials: int, skew: float, kurtosis: float, published: float
) -> None:
    # Five years of 250 days, an annual Sharpe ratio of 2.5, an annual variance of the trials of 1/2.
    best = Moments(1250, 2.5 / math.sqrt(250), skew, kurtosis)
    found = deflated_sharpe(best, trials, 0.5 / 250)
    assert found is not None
    assert round(found, 4) == published


def test_the_luck_of_a_hundred_trials_in_the_paper() -> None:
    assert round(expected_max_sharpe(100, 0.5 / 250), 4) == 0.1132


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_moments_and_probabilities_agree_with_scipy_and_skfolio(seed: int) -> None:
    returns = returns_of(seed)
    found = known(returns)
    assert found.skew == pytest.approx(scipy.stats.skew(returns), rel=1e-9)
    assert found.kurtosis == pytest.approx(scipy.stats.kurtosis(returns, fisher=False), rel=1e-9)
    assert found.sharpe == pytest.approx(returns.mean() / returns.std(ddof=1), rel=1e-9)
    theirs = measures.probabilistic_sharpe_ratio(returns, benchmark_sharpe_ratio=0.02)
    assert probabilistic_sharpe(found, 0.02) == pytest.approx(theirs, rel=1e-9)
    trials = np.random.default_rng(seed).normal(0.0, 0.05, 40)
    theirs = measures.deflated_sharpe_ratio(returns, trials)
    assert deflated_sharpe(found, 40, float(np.var(trials, ddof=1))) == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize("trials", [1, 2, 10, 1_000, 1_000_000])
def test_the_expected_best_agrees_with_skfolio(trials: int) -> None:
    theirs = measures.expected_max_sharpe_ratio(trials, math.sqrt(0.002))
    assert expected_max_sharpe(trials, 0.002) == pytest.approx(theirs, rel=1e-9, abs=1e-12)


def test_quantstats_corrects_skew_and_kurtosis_for_the_size_of_the_sample() -> None:
    returns = returns_of(4, 60)
    found = known(returns)
    corrected = Moments(
        60,
        found.sharpe,
        float(scipy.stats.skew(returns, bias=False)),
        float(scipy.stats.kurtosis(returns, bias=False)) + 3.0,
    )
    theirs = qs.probabilistic_sharpe_ratio(pd.Series(returns, pd.date_range("2024-01-01", periods=60)))
    assert probabilistic_sharpe(corrected) == pytest.approx(theirs, rel=1e-9)
    assert probabilistic_sharpe(found) == pytest.approx(theirs, rel=1e-2)
    assert probabilistic_sharpe(found) != pytest.approx(theirs, rel=1e-6)


@given(
    sharpe=st.floats(0.01, 0.5),
    skew=st.floats(-1.5, 1.5),
    kurtosis=st.floats(4.0, 20.0),
    benchmark=st.floats(-0.2, 0.0),
    confidence=st.floats(0.6, 0.999),
)
def test_a_record_of_the_minimum_length_has_just_the_confidence(
    sharpe: float, skew: float, kurtosis: float, benchmark: float, confidence: float
) -> None:
    length = minimum_track_record(Moments(2, sharpe, skew, kurtosis), benchmark, confidence)
    assert length is not None
    spread = sharpe_variance(Moments(2, sharpe, skew, kurtosis))
    assert spread is not None
    score = (sharpe - benchmark) / math.sqrt(spread / (length - 1.0))
    assert scipy.stats.norm.cdf(score) == pytest.approx(confidence, rel=1e-9)


def test_the_mean_of_the_trials_is_what_their_best_starts_from() -> None:
    assert expected_max_sharpe(20, 0.002, 0.03) == 0.03 + expected_max_sharpe(20, 0.002)
    best = known(returns_of(1))
    shifted = deflated_sharpe(best, 20, 0.002, 0.03)
    assert shifted == probabilistic_sharpe(best, expected_max_sharpe(20, 0.002, 0.03))


def test_neither_trials_alike_nor_sure_losers_make_the_best_look_rare() -> None:
    best = known(returns_of(1))
    alone = expected_max_sharpe(20, sharpe_variance(best) or 0.0)
    assert luck_of_best(best, 20, None, None) == alone
    assert luck_of_best(best, 20, 1e-9, 0.0) == alone
    assert luck_of_best(best, 20, 0.01, -0.5) == alone
    assert luck_of_best(best, 20, 0.01, 0.02) == expected_max_sharpe(20, 0.01, 0.02) > alone


@pytest.mark.parametrize("expected", [0.0, 0.05])
def test_a_record_of_that_length_would_be_beyond_luck(expected: float) -> None:
    best = Moments(200, 0.08, -0.3, 5.0)
    days = days_beyond_luck(best, expected, 0.95)
    assert days is not None
    longer = Moments(round(days), 0.08, -0.3, 5.0)
    luck_then = expected * math.sqrt(199 / (days - 1))
    assert probabilistic_sharpe(longer, luck_then) == pytest.approx(0.95, abs=1e-3)
    assert days_beyond_luck(Moments(200, -0.01, 0.0, 3.0), expected, 0.95) is None


def test_more_trials_deflate_more() -> None:
    best = known(returns_of(1))
    found = [deflated_sharpe(best, trials, 0.002) for trials in (1, 2, 5, 50, 5_000)]
    assert found == sorted(found, key=lambda value: -(value or 0.0))
    assert found[0] == probabilistic_sharpe(best)
    assert len(set(found)) == 5


def test_the_best_of_many_coin_tossers_is_seldom_taken_for_skilled() -> None:
    rng = np.random.default_rng(8)
    passed = undeflated = 0
    for _ in range(200):
        trials = rng.normal(0.0, 0.01, (365, 20))
        ratios = trials.mean(axis=0) / trials.std(axis=0, ddof=1)
        best = known(trials[:, np.argmax(ratios)])
        passed += (deflated_sharpe(best, 20, float(np.var(ratios, ddof=1))) or 0.0) > 0.95
        undeflated += (probabilistic_sharpe(best) or 0.0) > 0.95
    assert passed <= 10
    assert undeflated > 100


def test_what_is_undefined_is_missing() -> None:
    assert moments(np.array([0.1, 0.2])) is None
    assert moments(np.full(10, 0.1)) is None
    assert moments(np.zeros(0)) is None
    assert minimum_track_record(Moments(100, 0.05, 0.0, 3.0), 0.05) is None
    assert probabilistic_sharpe(Moments(100, 1.0, 3.0, 2.0)) is None
    with pytest.raises(ValueError, match="at least 1"):
        expected_max_sharpe(0, 0.1)
    with pytest.raises(ValueError, match="confidence"):
        minimum_track_record(Moments(100, 0.05, 0.0, 3.0), 0.0, 1.0)
