from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.errors import BadInputError, ModelError
from core.domain.forecast import words
from core.learning.lifecycle.conformal import SignSet, fit_signs, possible_signs, undecided


def drawn(rng: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that are too sure, and what came."""
    chance = rng.uniform(0.1, 0.9, rows)
    return np.clip(0.5 + 1.25 * (chance - 0.5), 0.0, 1.0), rng.random(rows) < chance


def test_the_set_holds_the_sign_that_comes_as_often_as_it_says() -> None:
    """The mean over many small fits is at least the coverage, and at most 1 / (rows + 1) above it."""
    rng = np.random.default_rng(1)
    held = []
    for _ in range(1_500):
        signs = fit_signs(*drawn(rng, 39), coverage=0.9)
        said, came = drawn(rng, 20)
        held += [(1 if up else -1) in possible_signs(signs, p) for p, up in zip(said.tolist(), came, strict=True)]
    assert 0.895 < np.mean(held) < 0.93


def test_the_bound_is_the_rank_of_few_rows_by_hand() -> None:
    p_up = np.array([0.9, 0.8, 0.3, 0.6, 0.7, 0.2, 0.9, 0.8, 0.6])
    went_up = np.array([True, True, False, False, True, False, True, True, True])
    # Of what came: 0.9 0.9 0.8 0.8 0.8 0.7 0.7 0.6 0.4; the 8th of 9 is at 80 % of 10.
    assert fit_signs(p_up, went_up, coverage=0.8) == SignSet(0.6, 0.8, 9)
    with pytest.raises(ModelError, match="8 later rows are too few"):
        fit_signs(p_up[:8], went_up[:8], coverage=0.9)


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.sampled_from([1, -1]))
def test_a_direction_passes_where_its_sign_alone_is_possible(p_up: float, least: float, direction: int) -> None:
    signs = SignSet(least, 0.9, 100)
    refused = undecided(signs, p_up, direction)
    assert (refused is None) == (possible_signs(signs, p_up) == (direction,))


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_what_is_needed_is_what_would_pass(said: float, least: float) -> None:
    refused = undecided(SignSet(least, 0.9, 100), said, 1)
    if refused is not None and refused.needed is not None:
        assert said <= refused.needed


def test_it_says_why() -> None:
    wide, narrow = SignSet(0.4, 0.9, 100), SignSet(0.7, 0.9, 100)
    told = [
        words([refused])
        for signs, p_up, direction in [(wide, 0.55, 1), (narrow, 0.2, 1), (narrow, 0.6, -1), (narrow, None, 1)]
        if (refused := undecided(signs, p_up, direction)) is not None
    ]
    assert told == [
        "p_direction 0.55, needed 0.60 (both signs are possible at 90 %)",
        "p_direction 0.20, needed 0.70 (the other sign alone is possible at 90 %)",
        "p_direction 0.40, needed 0.70 (neither sign is possible at 90 %)",
        "p_direction nothing, needed 0.70 (nothing was said)",
    ]
    assert undecided(narrow, math.nan, 1) == undecided(narrow, None, 1)


def test_more_coverage_leaves_more_signs_possible() -> None:
    said, came = drawn(np.random.default_rng(2), 500)
    least = [fit_signs(said, came, coverage).least_probability for coverage in (0.5, 0.7, 0.9, 0.99)]
    assert all(one > other for one, other in pairwise(least))


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ModelError, match="no probability"):
        fit_signs(np.array([1.2]), np.array([True]))
    with pytest.raises(BadInputError, match="coverage 1"):
        fit_signs(np.array([0.5]), np.array([True]), coverage=1.0)
