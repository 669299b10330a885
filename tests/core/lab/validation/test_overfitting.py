from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats

from core.domain.errors import BadInputError
from core.lab.validation.overfitting import overfitting


def by_the_book(returns: np.ndarray, blocks: int) -> list[tuple[float, float, float]]:
    """The algorithm of the paper, split by split: in sample, out of sample and logit of the best."""
    parts = np.split(returns[len(returns) % blocks :], blocks)
    found = []
    for chosen in itertools.combinations(range(blocks), blocks // 2):
        inside = np.concatenate([parts[i] for i in chosen])
        outside = np.concatenate([parts[i] for i in range(blocks) if i not in chosen])
        before = inside.mean(axis=0) / inside.std(axis=0, ddof=1)
        after = outside.mean(axis=0) / outside.std(axis=0, ddof=1)
        best = int(np.argmax(before))
        rank = scipy.stats.rankdata(after)[best] / (returns.shape[1] + 1)
        found.append((before[best], after[best], math.log(rank / (1 - rank))))
    return found


@pytest.mark.parametrize(("blocks", "rows", "trials"), [(2, 40, 3), (6, 103, 10), (8, 160, 25)])
def test_every_split_is_that_of_the_paper(blocks: int, rows: int, trials: int) -> None:
    returns = np.random.default_rng(blocks).normal(0.0005, 0.01, (rows, trials))
    found = overfitting(returns, blocks)
    inside, outside, logits = (np.array(column) for column in zip(*by_the_book(returns, blocks), strict=True))
    assert found.in_sample == pytest.approx(inside, rel=1e-9)
    assert found.out_of_sample == pytest.approx(outside, rel=1e-9, abs=1e-12)
    assert found.logits == pytest.approx(logits, rel=1e-9, abs=1e-12)
    assert found.pbo == np.mean(logits <= 0)
    assert found.loss_probability == np.mean(outside < 0)
    line = scipy.stats.linregress(inside, outside)
    assert found.slope == pytest.approx(line.slope, rel=1e-9)
    assert found.intercept == pytest.approx(line.intercept, rel=1e-9)
    assert found.r_squared == pytest.approx(line.rvalue**2, rel=1e-9)


def test_trials_without_skill_that_sum_to_nothing_are_always_overfitted() -> None:
    # With every trial's mean taken out, what is gained inside is lost outside.
    returns = np.random.default_rng(1).normal(0.0, 0.01, (1_000, 100))
    found = overfitting(returns - returns.mean(axis=0), 8)
    assert found.pbo == 1.0
    assert found.loss_probability == 1.0
    assert found.slope is not None
    assert found.slope < -0.9


def test_one_skilled_trial_among_many_is_not_overfitted() -> None:
    returns = np.random.default_rng(2).normal(0.0, 0.01, (1_000, 100))
    returns[:, 7] += 0.003
    found = overfitting(returns, 10)
    assert found.pbo == 0.0
    assert found.loss_probability == 0.0


def test_luck_alone_is_worse_than_the_median_about_half_the_time() -> None:
    rng = np.random.default_rng(3)
    found = [overfitting(rng.normal(0.0, 0.01, (240, 20)), 6).pbo for _ in range(100)]
    assert 0.4 < np.mean(found) < 0.65


def test_trials_cut_into_parts_give_what_they_give_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    returns = np.random.default_rng(4).normal(0.0, 0.01, (200, 12))
    at_once = overfitting(returns, 10)
    monkeypatch.setattr("core.lab.validation.overfitting.CELLS_AT_ONCE", 60)
    in_parts = overfitting(returns, 10)
    assert in_parts.logits == pytest.approx(at_once.logits)
    assert in_parts.in_sample == pytest.approx(at_once.in_sample)


def test_trials_that_never_traded_count_as_nothing() -> None:
    returns = np.zeros((40, 3))
    idle = overfitting(returns, 4)
    assert idle.logits == pytest.approx(np.zeros(6))
    assert (idle.slope, idle.intercept, idle.r_squared) == (None, None, None)
    returns[:, 1] = np.random.default_rng(5).normal(0.01, 0.001, 40)
    assert overfitting(returns, 4).pbo == 0.0


@pytest.mark.parametrize(("rows", "trials", "blocks"), [(100, 5, 3), (100, 5, 22), (100, 5, 0), (100, 1, 4), (7, 5, 4)])
def test_what_cannot_be_cut_is_refused(rows: int, trials: int, blocks: int) -> None:
    with pytest.raises(BadInputError, match="overfitting test needs"):
        overfitting(np.random.default_rng(0).normal(size=(rows, trials)), blocks)


def test_a_missing_return_is_refused() -> None:
    returns = np.zeros((40, 3))
    returns[3, 1] = np.nan
    with pytest.raises(BadInputError, match="lacks the return"):
        overfitting(returns, 4)
