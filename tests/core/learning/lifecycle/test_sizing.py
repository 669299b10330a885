from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.errors import BadInputError
from core.learning.lifecycle.gates import break_even_probability
from core.learning.lifecycle.sizing import KellyTerms, kelly_share, wanted_share


@given(st.floats(0.05, 0.95), st.floats(5.0, 500.0), st.floats(20.0, 500.0), st.floats(0.0, 15.0))
def test_no_other_share_grows_more(chance: float, stop: float, target: float, cost: float) -> None:
    win, loss = (target - cost) / 1e4, (stop + cost) / 1e4

    def growth(share: np.ndarray | float) -> np.ndarray:
        return chance * np.log1p(share * win) + (1.0 - chance) * np.log1p(-share * loss)

    found = kelly_share(chance, stop, target, cost)
    others = np.linspace(0.0, 0.999 / loss, 2_001)
    assert growth(found) >= growth(others).max() - 1e-12


@given(st.floats(0.0, 1.0), st.floats(5.0, 500.0), st.floats(20.0, 500.0), st.floats(0.0, 15.0))
def test_something_is_wanted_above_break_even_and_nothing_below(
    chance: float, stop: float, target: float, cost: float
) -> None:
    even = break_even_probability(stop, target, cost)
    if abs(chance - even) > 1e-9:
        assert (kelly_share(chance, stop, target, cost) > 0.0) == (chance > even)


def test_a_share_is_a_fraction_and_bounded() -> None:
    whole = kelly_share(0.65, 50.0, 50.0, 11.0)
    assert whole == pytest.approx(0.65 / 0.0061 - 0.35 / 0.0039)
    assert wanted_share(KellyTerms(0.25, 100.0), 0.65, 50.0, 50.0, 11.0) == pytest.approx(whole / 4)
    assert wanted_share(KellyTerms(0.25, 1.5), 0.65, 50.0, 50.0, 11.0) == 1.5
    assert wanted_share(KellyTerms(), 0.6, 50.0, 50.0, 11.0) == 0.0, "below the break-even of 0.61"
    assert kelly_share(1.0, 50.0, 10.0, 11.0) == 0.0, "a win that does not pay the costs"


@pytest.mark.parametrize("unknown", [(math.nan, 50.0), (1.1, 50.0), (-0.1, 50.0), (0.6, 0.0), (0.6, math.nan)])
def test_what_is_not_known_wants_nothing(unknown: tuple[float, float]) -> None:
    chance, stop = unknown
    assert math.isnan(kelly_share(chance, stop, 100.0, 11.0))
    assert math.isnan(wanted_share(KellyTerms(), chance, stop, 100.0, 11.0))


@pytest.mark.parametrize("terms", [(0.0, 1.0), (1.1, 1.0), (0.5, 0.0), (math.nan, 1.0), (0.5, math.inf)])
def test_more_than_all_of_it_is_refused(terms: tuple[float, float]) -> None:
    with pytest.raises(BadInputError, match="Kelly"):
        KellyTerms(*terms)
