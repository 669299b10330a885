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
from core.learning.lifecycle.page_hinkley import Gathered, Watchfulness, fold_loss

LOSSES = st.lists(st.floats(-10.0, 10.0), min_size=1, max_size=60)


def alarms(watchfulness: Watchfulness, losses: Sequence[float]) -> list[int]:
    gathered, found = Gathered(), []
    for place, loss in enumerate(losses):
        gathered = fold_loss(watchfulness, gathered, loss)
        found += [place] if gathered.has_risen else []
    return found


def risen(seed: int, count: int, at: int, by: float) -> list[float]:
    losses = np.random.default_rng(seed).random(count)
    losses[at:] += by
    return losses.tolist()


@pytest.mark.parametrize(
    ("watchfulness", "losses", "expected"),
    [
        (Watchfulness(), risen(1, 3_000, 1_500, 1.0), [1545]),
        (Watchfulness(threshold=10.0), risen(2, 3_000, 1_000, 0.5), [650, 924, 1016, 2675]),
        (Watchfulness(0.01, 5.0, 1.0, 50), risen(3, 2_000, 700, 0.3), [713, 1134]),
    ],
)
def test_it_tells_what_river_tells(watchfulness: Watchfulness, losses: list[float], expected: list[int]) -> None:
    """The places were told by river 0.26.1, drift.PageHinkley(mode="up"), of the same losses and settings."""
    assert alarms(watchfulness, losses) == expected


@given(LOSSES)
def test_it_is_the_sum_by_hand(losses: list[float]) -> None:
    watchfulness = Watchfulness(delta=0.1, threshold=1e9, fading=0.9)
    gathered = reduce(lambda known, loss: fold_loss(watchfulness, known, loss), losses, Gathered())
    excess = [loss - float(np.mean(losses[: i + 1])) - 0.1 for i, loss in enumerate(losses)]
    sums = [math.fsum(0.9 ** (i - j) * excess[j] for j in range(i + 1)) for i in range(len(losses))]
    assert gathered.sum == pytest.approx(sums[-1], abs=1e-9)
    assert gathered.least_sum == pytest.approx(min(sums), abs=1e-9)


@given(LOSSES)
def test_it_goes_on_from_its_bytes_to_the_bit(losses: list[float]) -> None:
    watchfulness, gathered = Watchfulness(threshold=5.0, least=5), Gathered()
    other = gathered
    for loss in losses:
        gathered = fold_loss(watchfulness, gathered, loss)
        other = fold_loss(watchfulness, msgspec.json.decode(msgspec.json.encode(other), type=Gathered), loss)
    assert other == gathered


def test_nothing_is_told_of_the_first_losses() -> None:
    losses = [0.0] * 3 + [10.0] * 40
    assert alarms(Watchfulness(threshold=5.0, least=1), losses)[0] == 3
    assert alarms(Watchfulness(threshold=5.0, least=30), losses)[0] == 29


def test_losses_that_fall_are_no_alarm() -> None:
    assert alarms(Watchfulness(threshold=10.0), risen(4, 3_000, 1_000, -0.5)) == []


def test_a_loss_that_is_no_number_is_refused() -> None:
    with pytest.raises(BadInputError, match="loss nan"):
        fold_loss(Watchfulness(), Gathered(), math.nan)
    with pytest.raises(BadInputError, match="threshold"):
        Watchfulness(threshold=0.0)
