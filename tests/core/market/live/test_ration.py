"""What is spent of a ration, in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

from core.market.live.ration import Rationed
from tests.core.market.live.fake_exchange import FakeExchange
from tests.core.market.virtual_loop import run_virtual

MINUTE_S = 60.0


class Asked(FakeExchange):
    """Every call weighs what it is told to."""

    def __init__(self) -> None:
        super().__init__(("BTCUSDT",))
        self.asked: list[tuple[float, int]] = []
        self.dialect = type("Dialect", (), {"weight_of": lambda _, __, args, ___: args[0]})()

    async def read(self, method: str, *args: Any, weight: int = 1, **kwargs: Any) -> Any:
        self.asked.append((asyncio.get_running_loop().time(), args[0]))


def asked(weights: list[int], weight_an_hour: int) -> list[tuple[float, int]]:
    async def main() -> list[tuple[float, int]]:
        exchange = Asked()
        rationed = Rationed(exchange, weight_an_hour)
        await asyncio.gather(*(rationed.read("fetch", weight) for weight in weights))
        assert rationed.spent == sum(weights)
        return exchange.asked

    return run_virtual(main())


def test_no_minute_takes_more_than_its_part_and_the_first_is_asked_first() -> None:
    found = asked([20] * 9 + [1], 3_600)
    assert [weight for _, weight in found] == [20] * 9 + [1]
    for at_s, _ in found:
        within = [weight for other_s, weight in found if at_s - MINUTE_S < other_s <= at_s]
        assert sum(within) <= 60
    assert [at_s for at_s, _ in found][::3] == [0, MINUTE_S, 2 * MINUTE_S, 3 * MINUTE_S]


def test_what_is_more_than_a_minutes_part_waits_for_a_minute_of_its_own() -> None:
    assert asked([50, 1, 50], 1_200) == [(0, 50), (MINUTE_S, 1), (2 * MINUTE_S, 50)]
