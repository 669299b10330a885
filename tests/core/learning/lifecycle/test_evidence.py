from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.errors import BadInputError
from core.learning.lifecycle.evidence import STAKES, Evidence, fold

OUTCOMES = st.lists(st.floats(-1.0, 1.0), min_size=1, max_size=60)


def folded(outcomes: Sequence[float], alpha: float = 0.05) -> Evidence:
    return reduce(fold, outcomes, Evidence(alpha))


@given(OUTCOMES)
def test_the_wealth_is_the_mean_of_products(outcomes: list[float]) -> None:
    wealths = [math.prod(1.0 + stake * x for x in outcomes) for stake in STAKES]
    assert folded(outcomes).log_e == pytest.approx(math.log(sum(wealths) / len(wealths)), abs=1e-9)


def bound_of_the_paper(outcomes: Sequence[float], alpha: float) -> float:
    """Theorem 2, with arrays."""
    y = (np.array(outcomes) + 1.0) / 2.0
    count = np.arange(1, len(y) + 1)
    mean = (0.5 + np.cumsum(y)) / (count + 1)
    mean_before = np.append(0.5, mean[:-1])
    variance = (0.25 + np.cumsum((y - mean) ** 2)) / (count + 1)
    variance_before = np.append(0.25, variance[:-1])
    weight = np.minimum(0.75, np.sqrt(2.0 * np.log(1.0 / alpha) / (variance_before * count * np.log(1.0 + count))))
    psi = (-np.log(1.0 - weight) - weight) / 4.0
    low = (weight @ y - np.log(1.0 / alpha) - (4.0 * (y - mean_before) ** 2) @ psi) / weight.sum()
    return max(-1.0, 2.0 * float(low) - 1.0)


@given(OUTCOMES, st.sampled_from([0.01, 0.05, 0.2]))
def test_the_bound_is_that_of_the_paper_computed_at_once(outcomes: list[float], alpha: float) -> None:
    assert folded(outcomes, alpha).lower_bound == pytest.approx(bound_of_the_paper(outcomes, alpha), abs=1e-9)


def test_the_bound_of_many_outcomes_is_that_of_the_paper_too() -> None:
    outcomes = np.random.default_rng(10).choice([-0.2, 0.3], 1_000).tolist()
    found = folded(outcomes).lower_bound
    assert found == pytest.approx(bound_of_the_paper(outcomes, 0.05), abs=1e-12)
    assert found is not None
    assert found > 0.0


@given(OUTCOMES, st.integers(0, 59), st.floats(0.001, 1.0))
def test_a_better_outcome_is_never_less_evidence(outcomes: list[float], at: int, by: float) -> None:
    better = list(outcomes)
    place = at % len(outcomes)
    better[place] = min(1.0, better[place] + by)
    assert folded(better).log_wealth >= folded(outcomes).log_wealth
    assert folded([0.1] * 10 + better).log_e >= folded([0.1] * 10 + outcomes).log_e


def test_every_stake_is_on_the_candidate_and_loses_no_wealth_for_good() -> None:
    assert all(0.0 < stake < 1.0 for stake in STAKES)


@given(OUTCOMES, st.integers(0, 60))
def test_it_goes_on_from_its_bytes_to_the_bit(outcomes: list[float], at: int) -> None:
    half = msgspec.json.decode(msgspec.json.encode(folded(outcomes[:at])), type=Evidence)
    assert reduce(fold, outcomes[at:], half) == folded(outcomes)


@given(OUTCOMES)
def test_an_expected_wealth_does_not_grow_without_an_effect(outcomes: list[float]) -> None:
    """Whatever came before, of a fair outcome x or -x."""
    before = folded(outcomes[:-1])
    size = outcomes[-1]
    after = (math.exp(fold(before, size).log_e) + math.exp(fold(before, -size).log_e)) / 2.0
    assert after == pytest.approx(math.exp(before.log_e), rel=1e-9)


def test_before_the_first_outcome_nothing_is_known() -> None:
    empty = Evidence()
    assert (empty.mean, empty.lower_bound, empty.is_enough) == (None, None, False)
    assert empty.log_e == pytest.approx(0.0)


def test_a_mean_is_of_the_outcomes() -> None:
    assert folded([0.5, -0.25, 0.5]).mean == pytest.approx(0.25)


@pytest.mark.parametrize("outcome", [math.nan, 1.0000001, -1.0000001, math.inf])
def test_what_is_not_bounded_is_refused(outcome: float) -> None:
    with pytest.raises(BadInputError, match=r"not in -1\.\.1"):
        fold(Evidence(), outcome)


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, math.nan])
def test_a_level_lies_between_0_and_1(alpha: float) -> None:
    with pytest.raises(BadInputError, match="alpha"):
        Evidence(alpha)


def looked_at_always(outcomes: Sequence[float]) -> tuple[bool, bool]:
    """Whether the test ever said yes, and whether the bound was ever above the mean 0."""
    evidence, promoted, missed = Evidence(), False, False
    for outcome in outcomes:
        evidence = fold(evidence, outcome)
        promoted |= evidence.is_enough
        missed |= (evidence.lower_bound or -1.0) > 0.0
    return promoted, missed


def test_without_an_effect_it_says_yes_to_no_more_than_alpha_however_often_one_looks() -> None:
    """Half of the outcomes are 0 on average only by rare gains, half by rare losses. `python -m benchmarks evidence`
    draws 2,000."""
    rng = np.random.default_rng(11)
    runs = 240
    drawn = [np.where(rng.random(400) < 0.2, 0.8, -0.2) * (1 if run % 2 else -1) for run in range(runs)]
    said = [looked_at_always(outcomes.tolist()) for outcomes in drawn]
    assert sum(promoted for promoted, _ in said) <= 0.05 * runs
    assert sum(missed for _, missed in said) <= 0.05 * runs


def test_an_edge_is_found_and_its_bound_is_below_it() -> None:
    rng = np.random.default_rng(12)
    for _ in range(20):
        evidence = folded(rng.choice([-0.2, 0.3], 2_000).tolist())
        assert evidence.is_enough
        assert evidence.lower_bound is not None
        assert 0.01 < evidence.lower_bound < 0.05
