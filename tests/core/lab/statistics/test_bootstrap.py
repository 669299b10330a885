from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import quantstats.stats as qs
from hypothesis import given
from hypothesis import strategies as st

from core.domain.errors import BadInputError
from core.lab.statistics.bootstrap import Blocks, likely_drawdown_pct, resampled_rows

KINDS: list[Blocks] = ["stationary", "circular"]


def returns_of(seed: int, count: int = 120) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.001, 0.02, count)


def drawdown_pct(returns: np.ndarray) -> float:
    """By quantstats, which counts from the first day's opening."""
    daily = pd.Series(returns, pd.date_range("2024-01-01", periods=len(returns)))
    return float(-qs.max_drawdown(daily) * 100)


@pytest.mark.parametrize("blocks", KINDS)
def test_it_is_a_quantile_of_the_drawdowns_of_every_resampling(blocks: Blocks) -> None:
    returns = returns_of(1)
    found = likely_drawdown_pct(returns, np.random.default_rng(7), 300, 0.9, 5, blocks)
    drawn = [returns[rows] for rows in resampled_rows(120, 300, 5, np.random.default_rng(7), blocks)]
    assert found == pytest.approx(np.quantile([drawdown_pct(row) for row in drawn], 0.9), rel=1e-9)


def test_a_circular_block_as_long_as_the_series_only_turns_it() -> None:
    returns = returns_of(2)
    found = likely_drawdown_pct(returns, np.random.default_rng(1), 50, 0.999, block_days=120, blocks="circular")
    turned = [drawdown_pct(np.roll(returns, shift)) for shift in range(120)]
    assert found is not None
    assert min(turned) <= found <= max(turned)


def test_blocks_keep_what_hangs_together() -> None:
    """Losses that come in runs go deeper; single days, drawn by themselves, hide it."""
    rng = np.random.default_rng(4)
    returns = np.convolve(rng.normal(0.0, 0.002, 2_000), np.ones(10), "valid")
    single = likely_drawdown_pct(returns, np.random.default_rng(1), 300, block_days=1)
    blocks = likely_drawdown_pct(returns, np.random.default_rng(1), 300, block_days=40)
    assert single is not None
    assert blocks is not None
    assert blocks > 1.3 * single


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
    once, again, other = (likely_drawdown_pct(returns_of(6), np.random.default_rng(seed), 50) for seed in (1, 1, 2))
    assert once == again != other


def test_a_block_has_the_cube_root_of_the_days() -> None:
    plain = likely_drawdown_pct(returns_of(6), np.random.default_rng(1), 50)
    assert plain == likely_drawdown_pct(
        returns_of(6), np.random.default_rng(1), 50, block_days=math.ceil(120 ** (1 / 3))
    )


def test_what_is_undefined_is_missing_and_what_is_impossible_refused() -> None:
    rng = np.random.default_rng(0)
    assert likely_drawdown_pct(np.array([0.1]), rng) is None
    assert likely_drawdown_pct(np.zeros(27), rng, 10) == 0.0
    for changed in ({"samples": 0}, {"level": 1.0}, {"block_days": 0}, {"block_days": 28}):
        with pytest.raises(BadInputError, match="bootstrap needs"):
            likely_drawdown_pct(np.zeros(27), rng, **changed)  # type: ignore[arg-type]
