from __future__ import annotations

from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.learning.lifecycle.showing import Moments, Showing, after, forecast_made, outcome_came

VALUES = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=50)


@given(VALUES)
def test_moments_are_those_of_all_values_at_once(values: list[float]) -> None:
    found = reduce(after, values, Moments())
    assert found.count == len(values)
    assert found.mean == pytest.approx(np.mean(values), abs=1e-9)
    assert found.variance == pytest.approx(np.var(values), abs=1e-6)


def test_a_ratio_needs_two_values_that_differ() -> None:
    assert reduce(after, [1.0, 2.0, 6.0], Moments()).ratio == pytest.approx(3.0 / np.std([1, 2, 6], ddof=1))
    assert (Moments().ratio, after(Moments(), 1.0).ratio) == (None, None)
    assert reduce(after, [0.1, 0.1, 0.1], Moments()).ratio is None


def test_what_was_never_shown_is_no_number() -> None:
    empty = Showing()
    assert (empty.high_share, empty.rmse_bps, empty.sure.variance, empty.net.ratio) == (None, None, None, None)
    silent = outcome_came(forecast_made(empty, None, None), None, None)
    assert silent == Showing(forecasts=1)


def test_figures_are_of_what_was_said_and_what_came() -> None:
    shown = Showing(high_confidence=0.65)
    for confidence, said in [(0.6, 3.0), (0.65, -3.0), (0.8, None), (None, 0.0)]:
        shown = forecast_made(shown, confidence, said)
    for error, net in [(3.0, 10.0), (-4.0, None), (None, -20.0)]:
        shown = outcome_came(shown, error, net)
    assert (shown.forecasts, shown.sure.count, shown.said.count) == (4, 3, 3)
    assert shown.high_share == pytest.approx(2 / 3)
    assert shown.sure.mean == pytest.approx(2.05 / 3)
    assert shown.rmse_bps == pytest.approx(np.sqrt(12.5))
    assert (shown.net.count, shown.net.mean) == (2, -5.0)
