"""What is observed while the past is read is held so far as it can count at a close, and never without an end."""

from __future__ import annotations

import random

import numpy as np
import pytest

from core.domain.stream import Observation
from core.engine import held
from core.engine.held import Held
from core.market.as_of import as_of
from core.ports import ObservationColumns

MINUTE = 60_000


def columns(told: list[Observation]) -> ObservationColumns:
    told = sorted(told, key=lambda one: (one.time_ms, one.number))
    times = np.array([[one.time_ms, one.known_ms, one.number] for one in told], np.int64).reshape(-1, 3)
    return ObservationColumns("A", "mark", *times.T, np.array([one.values for one in told]).reshape(-1, 1))


@pytest.mark.parametrize("seed", range(20))
def test_at_every_close_what_is_held_says_what_all_of_it_says(seed: int) -> None:
    rng, known_ms, told = random.Random(seed), 10 * MINUTE, []
    for n in range(400):
        known_ms += rng.choice((0, 1, 500, 20_000))
        at_ms = known_ms - rng.choice((0, 100, 70_000))
        told.append(Observation("A", "mark", at_ms, known_ms, (float(n),), n))
    kept = Held(MINUTE)
    kept.put(told)
    found = kept.taken()
    assert len(found) < len(told) / 3
    closes = np.arange(10 * MINUTE, known_ms + 2 * MINUTE, MINUTE)
    for all_of_it, some in zip(
        as_of(closes, columns(told), MINUTE), as_of(closes, columns(found), MINUTE), strict=True
    ):
        assert np.array_equal(all_of_it, some, equal_nan=True)
    assert len(kept) == 0


def test_beyond_its_room_the_oldest_go_and_are_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(held, "ROOM", 3)
    kept = Held(MINUTE)
    for n in range(5):
        kept.put([Observation("A", "mark", n * MINUTE, n * MINUTE, (1.0,))])
    assert [one.time_ms for one in kept.taken()] == [2 * MINUTE, 3 * MINUTE, 4 * MINUTE]
    assert kept.lost == 2
    assert "the past is read for too long: 1 observations of meanwhile were lost" in caplog.text


def test_of_what_is_told_twice_the_first_stays() -> None:
    kept = Held(MINUTE)
    kept.put([Observation("A", "mark", 1, 2, (1.0,)), Observation("A", "mark", 1, 3, (2.0,))])
    assert [one.values for one in kept.taken()] == [(1.0,)]
