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
from core.learning.lifecycle.change import Change, fold_change, share
from core.learning.lifecycle.evidence import STAKES
from core.learning.lifecycle.outcome import Duel, Terms, at_close

OUTCOMES = st.lists(st.floats(-1.0, 1.0), min_size=1, max_size=40)
MINUTE = 60_000


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


def noticed_after(seed: int, flip_at: int = 1_000, bars: int = 2_000) -> int | None:
    """How many bars after the labels of a planted market turned it is told that the champion is worse than a constant
    that stays out; None where that was told before they turned, or never.

    Every bar is decided and settled by the next close. The next return is the sign that the champion sees, right 80
    times of 100, of 25 bps with as much spread; costs are 11 bps.
    """
    rng = np.random.default_rng(seed)
    signs = rng.choice([-1, 1], bars)
    right = np.where(rng.random(bars) < 0.8, 1, -1)
    right[flip_at:] *= -1
    returns_bps = signs * right * np.abs(rng.normal(25.0, 10.0, bars)) + rng.normal(0.0, 10.0, bars)
    closes = 100.0 * np.cumprod(np.append(1.0, 1.0 + returns_bps / 1e4))
    duel, change = Duel(Terms(MINUTE, 11.0, 100.0)), Change()
    for bar in range(bars):
        duel, ended = at_close(duel, bar * MINUTE, float(closes[bar]), 0, int(signs[bar]))
        if ended is not None:
            change = fold_change(change, ended.scaled)
            if change.has_come:
                return bar - flip_at if bar > flip_at else None
    return None


def test_a_label_flip_is_noticed_within_200_bars_and_not_before_it() -> None:
    """`python -m benchmarks evidence` tells the distribution of more seeds."""
    found = [noticed_after(seed) for seed in range(25)]
    told = [bars for bars in found if bars is not None]
    assert len(told) == len(found)
    assert 20 < min(told) <= max(told) <= 200


def test_a_mean_that_stays_good_is_rarely_taken_for_bad() -> None:
    rng = np.random.default_rng(5)
    wrong = [folded(rng.choice([-0.3, 0.3], 500).tolist()).has_come for _ in range(100)]
    assert sum(wrong) <= 5
