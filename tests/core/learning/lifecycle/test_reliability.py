from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from core.domain.errors import BadInputError
from core.learning.lifecycle.reliability import Bin, reliability, told


def test_the_curve_is_of_rows_of_which_about_the_same_was_said() -> None:
    found = reliability(np.array([0.2, 0.2, 0.6, 0.8]), np.array([False, True, True, True]), bins=2)
    assert found is not None
    assert found.bins == (Bin(2, 0.2, 0.5), Bin(2, pytest.approx(0.7), 1.0))
    assert found.brier == pytest.approx((0.04 + 0.64 + 0.16 + 0.04) / 4)
    assert found.base_brier == pytest.approx(0.1875)
    assert found.calibration_error == pytest.approx(0.3)


def test_curve_and_score_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    said = rng.random(5_000)
    won = rng.random(5_000) < said**2
    found = reliability(said, won, bins=10)
    assert found is not None
    share, mean = calibration_curve(won, said, n_bins=10, strategy="quantile")
    np.testing.assert_allclose([one.won for one in found.bins], share, atol=3e-3)
    np.testing.assert_allclose([one.said for one in found.bins], mean, atol=3e-3)
    assert found.brier == pytest.approx(brier_score_loss(won, said))
    assert {one.rows for one in found.bins} <= {499, 500, 501}


def test_what_chance_leaves_of_the_error_is_what_the_docstring_says() -> None:
    rng = np.random.default_rng(2)
    errors = []
    for _ in range(200):
        said = rng.uniform(0.3, 0.7, 1_000)
        found = reliability(said, rng.random(1_000) < said)
        assert found is not None
        errors.append(found.calibration_error)
    assert np.mean(errors) * math.sqrt(100) == pytest.approx(0.4, abs=0.05)


def test_ties_fall_into_one_bin() -> None:
    found = reliability(np.array([0.5] * 90 + [0.9] * 10), np.array([True] * 100), bins=10)
    assert found is not None
    assert [(one.rows, one.won) for one in found.bins] == [(90, 1.0), (10, 1.0)]


def test_all_rows_and_those_that_were_decided_are_told_apart() -> None:
    said = np.array([0.5, 0.5, 0.9, 0.9])
    won = np.array([True, False, False, False])
    both = told(said, won, said > 0.8)
    assert both.all is not None
    assert both.decided is not None
    assert (both.all.rows, both.decided.rows) == (4, 2)
    assert both.decided.calibration_error == pytest.approx(0.9)
    assert both.all.calibration_error == pytest.approx(0.45)
    assert told(said, won, said > 0.95).decided is None


def test_rows_of_which_nothing_was_said_are_left_out() -> None:
    found = reliability(np.array([np.nan, 0.7]), np.array([True, True]))
    assert found is not None
    assert found.rows == 1
    assert reliability(np.array([np.nan]), np.array([True])) is None


def test_what_is_no_probability_is_refused() -> None:
    for said, bins in ((1.2, 10), (0.5, 0)):
        with pytest.raises(BadInputError, match="bins of what was said"):
            reliability(np.array([said]), np.array([True]), bins)
