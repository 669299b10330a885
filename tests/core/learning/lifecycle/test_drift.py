from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from core.domain.errors import BadInputError
from core.features.catalogue import columns
from core.learning.lifecycle.drift import Baseline, Stability, baseline, scale_free, stability

RNG = np.random.default_rng


def test_the_index_is_the_sum_over_bins_by_hand() -> None:
    then = baseline(["x"], np.arange(1.0, 5.0)[:, None], bins=2)
    assert then == (Baseline("x", (2.0,), (0.5, 0.5), 4),)
    (found,) = stability(then, ["x"], np.array([[1.0], [3.0], [3.0], [9.0]]), least_rows=4)
    by_hand = (0.25 - 0.5) * math.log(0.25 / 0.5) + (0.75 - 0.5) * math.log(0.75 / 0.5)
    assert found == Stability("x", pytest.approx(by_hand), 4, pytest.approx(0.5))


def test_an_empty_bin_counts_as_little_and_not_as_nothing() -> None:
    then = baseline(["x"], np.arange(1.0, 5.0)[:, None], bins=2)
    (found,) = stability(then, ["x"], np.full((4, 1), 9.0), least_rows=4)
    assert found.psi == pytest.approx((1e-4 - 0.5) * math.log(1e-4 / 0.5) + 0.5 * math.log(2.0))


def test_the_same_distribution_leaves_what_chance_leaves() -> None:
    found = []
    for seed in range(200):
        then = baseline(["x"], RNG(seed).standard_t(3, (2_000, 1)))
        (one,) = stability(then, ["x"], RNG(9_000 + seed).standard_t(3, (500, 1)))
        found.append(one.psi / one.by_chance)
    assert np.mean(found) == pytest.approx(1.0, abs=0.15)


def test_what_moved_is_told_first_and_what_only_was_scaled_by_the_price_is_not_asked() -> None:
    rng = RNG(1)
    then = baseline(["still", "moved", "wider"], rng.normal(0.0, 1.0, (3_000, 3)))
    now = rng.normal(0.0, 1.0, (1_000, 3)) * [1.0, 1.0, 1.5] + [0.0, 2.0, 0.0]
    told = stability(then, ["still", "moved", "wider"], now)
    assert [one.feature for one in told] == ["moved", "wider", "still"]
    assert told[0].psi > 0.25 > told[1].psi > told[2].psi
    known = columns(["ret_5m_bps", "close_usdt", "volume_ratio_15", "volume_base"])
    assert scale_free(known) == ("ret_5m_bps", "volume_ratio_15")


def test_bins_are_quantiles_so_that_an_outlier_does_not_rule_them() -> None:
    rows = RNG(2).normal(0.0, 1.0, (1_000, 1))
    rows[0] = 1e9
    (then,) = baseline(["x"], rows)
    assert then.shares == pytest.approx([0.1] * 10)
    (found,) = stability([then], ["x"], RNG(3).normal(1.0, 1.0, (1_000, 1)))
    assert found.psi > 0.25


def test_frequent_values_make_fewer_bins_and_one_value_none() -> None:
    rows = np.column_stack([np.repeat([0.0, 1.0], [90, 10]), np.full(100, 7.0), np.full(100, np.nan)])
    (then,) = baseline(["flag", "same", "missing"], rows)
    assert then == Baseline("flag", (0.0,), (0.9, 0.1), 100)


def test_columns_are_found_by_name_and_missing_values_left_out() -> None:
    rows = RNG(4).normal(0.0, 1.0, (1_000, 2))
    then = baseline(["a", "b"], rows)
    turned = np.column_stack([rows[:, 1], rows[:, 0]])
    turned[:900, 1] = np.nan
    (told,) = stability(then, ["b", "a"], turned)
    assert (told.feature, told.rows, told.psi) == ("b", 1_000, 0.0), "100 values of the other are too few"
    with pytest.raises(BadInputError, match="feature b"):
        stability(then, ["a"], rows[:, :1])


@pytest.mark.parametrize(("names", "bins"), [(["a"], 10), (["a", "b"], 1)])
def test_a_baseline_of_another_table_is_refused(names: list[str], bins: int) -> None:
    with pytest.raises(BadInputError, match="a baseline of"):
        baseline(names, np.ones((5, 2)), bins)


def test_it_survives_its_bytes() -> None:
    then = baseline(["a", "b"], RNG(5).normal(0.0, 1.0, (500, 2)))
    assert msgspec.json.decode(msgspec.json.encode(then), type=tuple[Baseline, ...]) == then
