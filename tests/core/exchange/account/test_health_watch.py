"""What the trader is told of the venue's health, from the first moment of a process on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from core.clock import VirtualClock
from core.domain.records import Record
from core.engine.stepper import Stepper
from core.exchange.account.desk import health_watch
from core.exchange.connection.health import Health
from core.trader.messages import VenueHealth
from tests.core.engine.test_recovery import KnowingVenue, Memory
from tests.core.trader.desk import Desk, make_trader


async def test_a_limit_that_an_earlier_process_left_behind_clears_at_once() -> None:
    desk = Desk(make_trader())
    desk.handle(VenueHealth(desk.now_ms, "account stream: silent"))
    seen: list[Record] = []

    def observe(records: Sequence[Record]) -> None:
        seen.extend(records)

    stepper = Stepper(desk.trader, KnowingVenue(), Memory(), observe)
    health = Health()
    task = asyncio.create_task(health_watch(health, stepper, VirtualClock(desk.now_ms)))
    for _ in range(5):
        await asyncio.sleep(0)
    assert desk.trader.guard.halts() == ()
    health.report("clock", "700 ms off")
    for _ in range(5):
        await asyncio.sleep(0)
    assert desk.trader.guard.halts() == ("connection",)
    task.cancel()
    assert len(seen) == 2
