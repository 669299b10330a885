from __future__ import annotations

import subprocess
import sys

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit

from core.domain.errors import ModelError
from core.learning.lifecycle.calibration import Calibration, Method, apply, fit, later_rows
from core.learning.lifecycle.reliability import reliability

METHODS: tuple[Method, ...] = ("isotonic", "platt")
ROWS = 6_000
TIMES = np.arange(2 * ROWS, dtype=np.int64) * 60_000


def overconfident(seed: int, rows: int = ROWS) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """What is said has twice the logit of the chance."""
    rng = np.random.default_rng(seed)
    chance = rng.uniform(0.2, 0.8, rows)
    return expit(2.0 * logit(chance)), rng.random(rows) < chance


def fitted(method: Method, said: NDArray[np.float64], won: NDArray[np.bool_]) -> Calibration:
    return fit(method, said, won, TIMES[: len(said)], TIMES[: len(said)] + 600_000)


@pytest.mark.parametrize("method", METHODS)
def test_what_is_said_too_surely_is_put_right_on_rows_that_it_never_saw(method: Method) -> None:
    calibration = fitted(method, *overconfident(1))
    said, won = overconfident(2)
    before, after = reliability(said, won), reliability(apply(calibration, said), won)
    assert before is not None
    assert after is not None
    assert before.calibration_error > 0.08
    assert after.calibration_error < 0.03
    assert after.brier < before.brier


def test_platt_is_the_maximum_of_its_likelihood() -> None:
    said, won = overconfident(3, 500)
    wins = int(won.sum())
    target = np.where(won, (wins + 1) / (wins + 2), 1 / (500 - wins + 2))

    def loss(line: NDArray[np.float64]) -> float:
        score = line[0] * logit(said) + line[1]
        return float(np.sum(np.logaddexp(0.0, score) - target * score))

    best = minimize(loss, [1.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10}).x
    np.testing.assert_allclose(fitted("platt", said, won).means, best, atol=1e-4)


def test_isotonic_is_the_nearest_rising_curve() -> None:
    """Of the mean over rows from i to j: the largest over i of the least over j (Barlow et al. 1972)."""
    said, won = overconfident(4, 1_000)
    order = np.argsort(said)
    sums = np.append(0.0, np.cumsum(won[order]))
    places = np.arange(1_000)
    for place in range(0, 1_000, 97):
        means = (sums[place + 1 :][None, :] - sums[: place + 1][:, None]) / (
            places[place:][None, :] + 1 - places[: place + 1][:, None]
        )
        expected = means.min(axis=1).max()
        assert apply(fitted("isotonic", said, won), said[order][[place]])[0] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_a_curve_keeps_the_order_stays_in_bounds_and_survives_its_bytes(method: Method) -> None:
    calibration = fitted(method, *overconfident(5))
    asked = np.array([0.0, 1e-9, 0.1, 0.5, 0.9, 1.0, np.nan])
    told = apply(calibration, asked)
    assert (np.diff(told[:-1]) >= 0.0).all()
    assert ((told[:-1] >= 0.0) & (told[:-1] <= 1.0)).all()
    assert np.isnan(told[-1]), "nothing said means nothing"
    again = msgspec.json.decode(msgspec.json.encode(calibration), type=Calibration)
    assert again == calibration
    assert (calibration.rows, calibration.from_ms, calibration.to_ms) == (ROWS, 0, int(TIMES[ROWS - 1]) + 600_000)


@pytest.mark.parametrize("method", METHODS)
def test_the_same_rows_give_the_same_curve(method: Method) -> None:
    assert fitted(method, *overconfident(6)) == fitted(method, *overconfident(6))


@pytest.mark.parametrize("method", METHODS)
def test_a_model_that_is_wrong_the_more_the_surer_it_is_is_refused(method: Method) -> None:
    said, won = overconfident(7)
    with pytest.raises(ModelError, match="no more was said of the wins"):
        fitted(method, 1.0 - said, won)


def test_too_few_rows_and_one_kind_alone_are_refused() -> None:
    said, won = overconfident(8)
    with pytest.raises(ModelError, match="99 later rows, platt needs 100"):
        fitted("platt", said[:99], won[:99])
    with pytest.raises(ModelError, match="999 later rows, isotonic needs 1000"):
        fitted("isotonic", said[:999], won[:999])
    with pytest.raises(ModelError, match="0 wins of 6000"):
        fitted("platt", said, np.zeros(ROWS, np.bool_))
    with pytest.raises(ModelError, match="no probability"):
        fitted("platt", said * 2.0, won)


def test_only_rows_later_than_what_was_learned_from_calibrate() -> None:
    starts = np.array([0, 10, 20, 30], np.int64)
    assert later_rows(starts, starts + 15, 20).tolist() == [False, False, True, True]
    assert later_rows(starts, starts + 15, 20, embargo_ms=5).tolist() == [False, False, False, True]
    with pytest.raises(ModelError, match="ends before it starts"):
        later_rows(starts, starts, 20)


def test_who_applies_a_curve_does_not_load_the_library_that_fits_it() -> None:
    asked = "import sys, core.learning.lifecycle.calibration; print('sklearn' in sys.modules, 'scipy' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", asked], check=True, capture_output=True, text=True)
    assert told.stdout.split() == ["False", "False"]
