"""A step that could not be made durable is the last one: nothing is decided on what the journal does not know. An order
is known to be on its way where its answer may not come."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from core.domain.errors import StorageError
from core.domain.operator import OperatorCommand, Verb
from core.domain.orders import Order, OrderState, OrderUpdate
from core.domain.records import OperatorRecord, Record
from core.engine.stepper import Stepper
from core.lab.run.journal import MemoryJournal
from core.trader.messages import PlaceOrder
from tests.core.exchange.desk_kit import House, in_house
from tests.core.trader.desk import BTC, Desk, make_trader, placed


class Locked:
    """The journal of a house, which another program locks for the next commit of an operator's command."""

    def __init__(self, house: House) -> None:
        self._journal = house.stepper._journal
        self.is_locked = True

    async def commit(self, records: Sequence[Record]) -> None:
        if self.is_locked and any(isinstance(record, OperatorRecord) for record in records):
            self.is_locked = False
            raise StorageError("quarterdeck.db: is locked by another program")
        await self._journal.commit(records)


def test_a_command_whose_commit_failed_leaves_no_engine_that_only_seems_to_close() -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(2)
        assert house.book().lots
        house.stepper._journal = Locked(house)  # type: ignore[assignment]
        for number in (1, 2):
            now_ms = house.clock.now_ms()
            with pytest.raises(StorageError, match="locked"):
                await house.stepper.step([OperatorCommand(f"op-{number}", Verb.FLATTEN, "", "test", now_ms)], now_ms)
        assert house.stepper.failed.is_set()
        with pytest.raises(StorageError):
            house.stepper.check()
        house.task.cancel()
        await asyncio.wait([house.task])

    in_house(test)


@pytest.mark.parametrize(("waits", "meanwhile"), [(True, OrderState.SENT), (False, OrderState.INTENT)])
async def test_an_order_is_known_to_be_on_its_way_wherever_a_step_can_wait(waits: bool, meanwhile: OrderState) -> None:
    desk = Desk(make_trader())
    desk.minute()
    (entry,) = placed(desk.predict(20))
    orders = desk.book().orders
    seen: list[OrderState] = []

    class Venue:
        async def place(self, order: Order, now_ms: int) -> list[OrderUpdate]:
            seen.append(orders[order.client_order_id].state)
            return [OrderUpdate(order.client_order_id, BTC, OrderState.ACCEPTED, now_ms, "v1")]

        async def on_market(self, event: object) -> list[OrderUpdate]:
            return []

    journal = MemoryJournal(desk.trader.state)
    stepper = Stepper(desk.trader, Venue(), journal, lambda records: None, waits=waits)  # type: ignore[arg-type]
    await stepper.send([PlaceOrder(entry)], desk.now_ms)
    assert seen == [meanwhile]
    assert orders[entry.client_order_id].state is OrderState.ACCEPTED
