from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.evidence import WITHIN_BARS, demoted_after
from core.domain.errors import BadInputError
from core.learning.lifecycle.change import Change, fold_change, share
from core.learning.lifecycle.evidence import STAKES

OUTCOMES = st.lists(st.floats(-1.0, 1.0), min_size=1, max_size=40)


def folded(outcomes: Sequence[float], alpha: float = 0.05) -> Change:
    return reduce(fold_change, outcomes, Change(alpha))


@given(OUTCOMES)
def test_the_wealth_is_what_was_begun_before_each_outcome_and_what_is_kept(outcomes: list[float]) -> None:
    shares = [share(k + 1) for k in range(len(outcomes))]
    grown = [
        sum(math.prod(1.0 + stake * x for x in outcomes[k:]) for stake in STAKES) / len(STAKES)
        for k in range(len(outcomes))
    ]
    whole = sum(begun * wealth for begun, wealth in zip(shares, grown, strict=True)) + 1.0 - sum(shares)
    assert folded(outcomes).log_e == pytest.approx(math.log(whole), abs=1e-9)


def test_the_shares_never_come_to_more_than_one() -> None:
    """What is left of a sum of 1 / (j ln^2 j) beyond j lies below 1 / ln(j)."""
    count = 200_000
    begun = math.fsum(share(k) for k in range(1, count + 1))
    assert 0.99999 < begun + 0.47399 / math.log(count + 1.5) < 1.0
    assert 0.0 < folded([0.0] * 3_000).kept < 1.0


@given(OUTCOMES)
def test_an_expected_wealth_does_not_grow_without_an_effect(outcomes: list[float]) -> None:
    before, size = folded(outcomes[:-1]), outcomes[-1]
    after = (math.exp(fold_change(before, size).log_e) + math.exp(fold_change(before, -size).log_e)) / 2.0
    assert after == pytest.approx(math.exp(before.log_e), rel=1e-9)


@given(OUTCOMES, st.integers(0, 40))
def test_it_goes_on_from_its_bytes_to_the_bit(outcomes: list[float], at: int) -> None:
    half = msgspec.json.decode(msgspec.json.encode(folded(outcomes[:at])), type=Change)
    assert reduce(fold_change, outcomes[at:], half) == folded(outcomes)


def test_what_is_not_bounded_is_refused() -> None:
    for outcome in (math.nan, 1.5):
        with pytest.raises(BadInputError, match=r"not in -1\.\.1"):
            fold_change(Change(), outcome)
    assert (Change().log_e, Change().has_come) == (0.0, False)


def test_a_label_flip_is_noticed_within_200_bars_and_not_before_it() -> None:
    """Of a champion that decides every bar and that the next close settles; `python -m benchmarks evidence` has more
    seeds, and longer horizons."""
    flip_at = 1_000
    found = [demoted_after((9, seed), flip_at + WITHIN_BARS + 1, flip_at) for seed in range(12)]
    noticed = [bar - flip_at for bar in found if bar is not None]
    assert len(noticed) == len(found)
    assert 20 < min(noticed) <= max(noticed) <= WITHIN_BARS


def test_a_mean_that_stays_good_is_rarely_taken_for_bad() -> None:
    rng = np.random.default_rng(5)
    wrong = [folded(rng.choice([-0.3, 0.3], 500).tolist()).has_come for _ in range(100)]
    assert sum(wrong) <= 5
