from __future__ import annotations

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from core.domain.errors import BadInputError, ModelError
from core.domain.forecast import words
from core.learning.lifecycle.abstain import Neighbourhood, distance, neighbourhood, too_far

NAMES = ("a", "b", "c")
MIX = np.array([[1.0, 0.9, 0.0], [0.0, 0.4, 0.0], [0.0, 0.0, 300.0]])


def rows(seed: int, count: int = 2_000) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(0.0, 1.0, (count, 3)) @ MIX + [5.0, 0.0, -100.0]


def test_the_distance_is_that_of_mahalanobis() -> None:
    training = rows(1)
    known = neighbourhood(NAMES, training)
    inverse = np.linalg.inv(np.cov(training, rowvar=False))
    for row in rows(2, 20):
        off = row - training.mean(axis=0)
        assert distance(known, row) == pytest.approx(float(np.sqrt(off @ inverse @ off)), rel=1e-9)


def test_as_many_later_rows_are_too_far_as_the_level_says() -> None:
    known = neighbourhood(NAMES, rows(3), level=0.99)
    assert sum(too_far(known, row) is not None for row in rows(3)) == 20
    assert 20 < sum(too_far(known, row) is not None for row in rows(4, 4_000)) < 80


def test_far_is_what_does_not_go_together_though_each_alone_is_usual() -> None:
    known = neighbourhood(NAMES, rows(5))
    assert too_far(known, np.array([6.5, 1.35, -100.0])) is None
    refused = too_far(known, np.array([6.5, -1.35, -100.0]))
    assert refused is not None
    told = words([refused])
    assert told.startswith("distance from training ")
    assert told.endswith("(farther than 99.9 % of the 2000 training rows)")


def test_a_missing_feature_is_too_far() -> None:
    refused = too_far(neighbourhood(NAMES, rows(6)), np.array([5.0, np.nan, -100.0]))
    assert refused is not None
    assert words([refused]).startswith("distance from training nothing, needed ")
    assert words([refused]).endswith("(a feature is missing)")


def test_directions_in_which_the_training_set_is_flat_are_left_out() -> None:
    training = rows(7)
    flat = np.column_stack([training, training[:, 0] * 2.0, np.full(2_000, 3.0)])
    known = neighbourhood((*NAMES, "twice", "same"), flat)
    assert distance(known, flat[0]) == pytest.approx(distance(neighbourhood(NAMES, training), training[0]))


def test_rows_with_missing_values_teach_nothing() -> None:
    training = rows(8)
    holed = np.vstack([training, np.full((50, 3), np.nan)])
    assert neighbourhood(NAMES, holed) == neighbourhood(NAMES, training)


def test_what_cannot_be_told_is_refused() -> None:
    with pytest.raises(ModelError, match="29 whole rows for 3 features"):
        neighbourhood(NAMES, rows(9, 29))
    with pytest.raises(ModelError, match="all the same"):
        neighbourhood(NAMES, np.ones((100, 3)))
    with pytest.raises(BadInputError, match="level 1"):
        neighbourhood(NAMES, rows(9), level=1.0)


def test_it_survives_its_bytes() -> None:
    known = neighbourhood(NAMES, rows(10))
    assert msgspec.json.decode(msgspec.json.encode(known), type=Neighbourhood) == known


def test_one_feature_alone_has_a_neighbourhood() -> None:
    training = rows(11)[:, :1]
    known = neighbourhood(("a",), training)
    assert distance(known, np.array([7.0])) == pytest.approx(abs(7.0 - training.mean()) / training.std(ddof=1))
