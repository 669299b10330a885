"""Each settlement is told once, as soon as it is the next."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from core.clock import VirtualClock
from core.domain.market import MINUTE_MS, FundingRate
from core.engine.settlements import Settlements, changed, follow
from core.trader.messages import FundingDue


def test_the_next_settlement_of_each_symbol_is_told_once() -> None:
    one, two, three = (n * MINUTE_MS for n in (1, 2, 3))
    # A rate is stamped some milliseconds after the time that it is due at.
    rates = [FundingRate(name, ms + 7, Decimal(0), Decimal(1)) for name, ms in (("A", one), ("B", two), ("A", three))]
    settlements = Settlements(("A", "B", "C"), rates)
    assert settlements.news(0) == [FundingDue("A", 0, one), FundingDue("B", 0, two), FundingDue("C", 0, 0)]
    assert settlements.news(one - 1) == []
    assert settlements.news(one) == [FundingDue("A", one, three)]
    assert settlements.news(two + 1) == [FundingDue("B", two + 1, 0)]
    assert settlements.news(three) == [FundingDue("A", three, 0)]
    assert settlements.news(2 * three) == []


def test_what_an_exchange_announces_is_told_where_it_is_another() -> None:
    told: dict[str, int] = {}
    assert changed(told, {"A": 100}, 1) == [FundingDue("A", 1, 100)]
    assert changed(told, {"A": 100}, 2) == []
    assert changed(told, {"A": 0, "B": 5}, 3) == [FundingDue("A", 3, 0), FundingDue("B", 3, 5)]


async def test_an_exchange_is_followed() -> None:
    told: asyncio.Queue[tuple[list[FundingDue], int]] = asyncio.Queue()

    class Step:
        async def step(self, events: list[FundingDue], now_ms: int) -> None:
            await told.put((events, now_ms))

    following = asyncio.ensure_future(follow(lambda: {"A": 100}, Step(), VirtualClock(7)))  # type: ignore[arg-type]
    assert await told.get() == ([FundingDue("A", 7, 100)], 7)
    following.cancel()
