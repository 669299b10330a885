"""An engine that is told nonsense lives, tells, protects and keeps its books; `tests.simulation.fuzz` draws more."""

from __future__ import annotations

import random

import pytest

from tests.simulation.fuzz import VALUES, fuzz, spoil


@pytest.mark.parametrize("seed", [0, 2])
def test_an_engine_outlives_what_an_exchange_can_send(seed: int) -> None:
    found = fuzz(seed, 150)
    assert found.problems == []
    assert found.spoiled >= 150
    assert found.entries > 0
    assert found.told > 0
    assert {"stream", "positionRisk", "openAlgoOrders"} <= found.seen.keys()


def test_a_spoiled_message_is_another_one_and_every_value_is_drawn() -> None:
    rng = random.Random(0)
    drawn = [spoil({"a": "x", "b": [{"c": "y"}]}, rng) for _ in range(3000)]
    assert {"a": "x", "b": [{"c": "y"}]} not in drawn
    told = {repr(one.get("a")) for one in drawn if isinstance(one, dict)}
    assert told >= {repr(value) for value in VALUES}
