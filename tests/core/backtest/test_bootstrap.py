from __future__ import annotations

import math
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
import quantstats.stats as qs
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from core.backtest.bootstrap import Blocks, Interval, bootstrap_intervals, resampled_rows
from core.backtest.statistics import drawdown_of_returns_pct, sharpe
from core.domain.errors import BadInputError

KINDS: list[Blocks] = ["stationary", "circular"]


def returns_of(seed: int, count: int = 120) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.001, 0.02, count)


@pytest.mark.parametrize("blocks", KINDS)
def test_intervals_are_the_quantiles_of_the_figures_of_every_resampling(blocks: Blocks) -> None:
    returns = returns_of(1)
    found = bootstrap_intervals(returns, np.random.default_rng(7), 300, 0.9, 5, blocks)
    drawn = [returns[rows] for rows in resampled_rows(120, 300, 5, np.random.default_rng(7), blocks)]
    assert found is not None
    for interval, values in (
        (found.mean_daily_pct, [row.mean() * 100 for row in drawn]),
        (found.sharpe, [sharpe(row) for row in drawn]),
        (found.max_drawdown_pct, [drawdown_of_returns_pct(row) for row in drawn]),
    ):
        assert interval is not None
        assert (interval.low, interval.high) == pytest.approx(np.quantile(values, [0.05, 0.95]), rel=1e-9)


def test_a_circular_block_as_long_as_the_series_only_turns_it() -> None:
    returns = returns_of(2)
    found = bootstrap_intervals(returns, np.random.default_rng(1), 50, block_days=120, blocks="circular")
    daily = pd.Series(returns, pd.date_range("2024-01-01", periods=120))
    assert found is not None
    assert found.sharpe is not None
    mean = returns.mean() * 100
    assert (found.mean_daily_pct.low, found.mean_daily_pct.high) == pytest.approx((mean, mean), rel=1e-9)
    assert found.sharpe.low == pytest.approx(qs.sharpe(daily, periods=365), rel=1e-9)


def test_blocks_of_a_day_are_the_plain_bootstrap_of_scipy() -> None:
    returns = returns_of(3)
    found = bootstrap_intervals(returns, np.random.default_rng(1), 20_000, block_days=1)
    theirs = scipy.stats.bootstrap(
        (returns * 100,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    assert found is not None
    width = theirs.high - theirs.low
    assert found.mean_daily_pct.low == pytest.approx(theirs.low, abs=0.02 * width)
    assert found.mean_daily_pct.high == pytest.approx(theirs.high, abs=0.02 * width)


def test_blocks_keep_what_hangs_together() -> None:
    # With days that follow on each other, blocks find the wider scatter that single days hide.
    rng = np.random.default_rng(4)
    steps = rng.normal(0.0, 0.01, 2_000)
    returns = np.convolve(steps, np.ones(10), "valid")
    single = bootstrap_intervals(returns, np.random.default_rng(1), 500, block_days=1)
    blocks = bootstrap_intervals(returns, np.random.default_rng(1), 500, block_days=40)
    assert single is not None
    assert blocks is not None
    ratio = (blocks.mean_daily_pct.high - blocks.mean_daily_pct.low) / (
        single.mean_daily_pct.high - single.mean_daily_pct.low
    )
    assert 2.0 < ratio < 4.0  # the root of 10 for endless blocks


@given(count=st.integers(2, 60), length=st.integers(1, 60), seed=st.integers(0, 99), blocks=st.sampled_from(KINDS))
def test_rows_run_on_within_blocks(count: int, length: int, seed: int, blocks: Blocks) -> None:
    length = min(length, count)
    rows = resampled_rows(count, 8, length, np.random.default_rng(seed), blocks)
    assert rows.shape == (8, count)
    assert ((rows >= 0) & (rows < count)).all()
    if blocks == "circular":
        inside = np.arange(1, count) % length != 0
        assert ((rows[:, 1:] - rows[:, :-1]) % count == 1)[:, inside].all()


def test_stationary_blocks_have_their_length_on_average() -> None:
    rows = resampled_rows(1_000, 200, 8, np.random.default_rng(5), "stationary")
    breaks = ((rows[:, 1:] - rows[:, :-1]) % 1_000 != 1).mean()
    assert breaks == pytest.approx(1 / 8, rel=0.03)


def test_a_seed_gives_the_same_again() -> None:
    once, again, other = (bootstrap_intervals(returns_of(6), np.random.default_rng(seed), 50) for seed in (1, 1, 2))
    assert once is not None
    assert other is not None
    assert once == again
    assert asdict(once) != asdict(other)
    assert once.block_days == math.ceil(120 ** (1 / 3))


def test_what_is_undefined_is_missing_and_what_is_impossible_refused() -> None:
    rng = np.random.default_rng(0)
    assert bootstrap_intervals(np.array([0.1]), rng) is None
    idle = bootstrap_intervals(np.zeros(27), rng, 10)
    assert idle is not None
    assert (idle.sharpe, idle.max_drawdown_pct, idle.block_days) == (None, Interval(0.0, 0.0), 3)
    for changed in ({"samples": 0}, {"level": 1.0}, {"block_days": 0}, {"block_days": 28}):
        with pytest.raises(BadInputError, match="bootstrap needs"):
            bootstrap_intervals(np.zeros(27), rng, **changed)  # type: ignore[arg-type]
