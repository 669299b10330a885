"""A flatten that the exchange keeps waiting says for how long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import pytest

from core.clock import VirtualClock
from core.control.protocol import CommandResult, ExternalOrderView
from core.domain.market import MarketEvent, Quote
from core.domain.operator import OperatorWish, Verb
from core.domain.orders import Order, OrderRole
from core.domain.records import AdjustmentRecord
from core.engine.engine import Engine
from core.engine.pacing import Pacer
from core.engine.parts import EngineParts
from core.engine.stepper import Stepper
from core.home.logbook import Logbook
from core.ports import Venue, VenueEvent
from core.trader.trader import Trader
from storage.candles import SqliteCandles
from storage.database import open_database
from tests.core.engine.test_recovery import KnowingVenue, Memory
from tests.core.trader.desk import Desk, make_trader

HELD = "the exchange's rate limit holds orders until 12:34:56 UTC; those that close go out one a second"


class Surroundings:
    """A `RealTime` whose exchange holds back."""

    def __init__(self, held: str) -> None:
        self.held = held

    def quotes(self) -> Mapping[str, Quote]:
        return {}

    def fed_ms(self) -> int | None:
        return None

    def exchange(self) -> str:
        return "binanceusdm"

    def problem(self) -> str:
        return ""

    def clock_offset_ms(self) -> float:
        return 0.0

    def external(self) -> tuple[ExternalOrderView, ...]:
        return ()

    def report(self, part: str, problem: str) -> None:
        return None

    def holds(self) -> str:
        return self.held

    async def flatten_external(self, symbol: str) -> str:
        return "nobody else"


class SilentVenue(KnowingVenue):
    """Takes what it is given and says nothing of it."""

    def restore(self, *_: object) -> None:
        return None

    async def place(self, order: Order, now_ms: int) -> Sequence[VenueEvent]:
        self.placed.append(order)
        return []


async def _agree(trader: Trader, venue: Venue, stepper: Stepper, now_ms: int) -> list[AdjustmentRecord]:
    return []


async def _quiet() -> AsyncIterator[Sequence[MarketEvent]]:
    await asyncio.Event().wait()
    yield ()


async def _flattened(tmp_path: Path, held: str, *, with_position: bool) -> tuple[CommandResult, SilentVenue]:
    desk = Desk(make_trader())
    desk.minute()
    if with_position:
        desk.predict(20)
        desk.fill(desk.order(OrderRole.ENTRY))
        desk.accept(desk.order(OrderRole.STOP), desk.order(OrderRole.TARGET))
    venue = SilentVenue()
    candles = await SqliteCandles.open(open_database(tmp_path / "quarterdeck.db"))
    engine = Engine(
        EngineParts(
            mode="live",
            source="test",
            trader=desk.trader,
            venue=venue,
            journal=Memory(),
            records=(),
            candles=candles,
            forecasters={},
            feed=lambda point: _quiet(),
            clock=VirtualClock(desk.now_ms),
            pacer=Pacer(None, None),
            logbook=Logbook(),
            start_ms=desk.now_ms,
            trade_from_ms=desk.now_ms,
            end_with_feed=False,
            publish_hz=1.0,
            reconcile=_agree,
            real_time=Surroundings(held),
        )
    )
    running = asyncio.create_task(engine.run())
    while engine.latest is None or engine.latest.status.state != "running":
        assert not running.done()
        await asyncio.sleep(0)
    result = await engine.command(OperatorWish(Verb.FLATTEN, "", "test"))
    engine.stop()
    await running
    await candles.close()
    return result, venue


@pytest.mark.parametrize(
    ("held", "with_position", "told"),
    [
        (HELD, True, f"closing 1 position at market; entries paused until resumed; {HELD}"),
        ("", True, "closing 1 position at market; entries paused until resumed"),
        (HELD, False, "flat, nothing open; entries paused until resumed"),
    ],
)
async def test_a_flatten_says_until_when_the_exchange_holds_it_back(
    tmp_path: Path, held: str, with_position: bool, told: str
) -> None:
    result, venue = await _flattened(tmp_path, held, with_position=with_position)
    assert result.accepted
    assert result.message == told
    assert [order.role for order in venue.placed] == [OrderRole.EXIT] * with_position
