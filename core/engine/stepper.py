"""One engine step: events into the trader, records to the journal, then orders to the venue.

Nothing is sent before its intent is durable, and everything a step learned is committed at once, so a crash leaves
either the whole step or nothing of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

from core.domain.errors import RejectKind, VenueRejectedError, VenueUnknownError
from core.domain.market import FirstPrice, FundingRate, HoleAhead, MarketEvent, Quote
from core.domain.orders import OrderRole, OrderState, OrderType, OrderUpdate
from core.domain.records import AdjustmentRecord, FirstPriceRecord, Record
from core.ports import Journal as JournalPort
from core.ports import Venue, VenueEvent
from core.trader.messages import CancelOrder, Command, Journal, PlaceOrder, Timer, TraderEvent
from core.trader.trader import Trader

ENTRY_MAX_AGE_MS = 30_000
"""An entry that was decided on longer ago than this is not sent: on the news of an exit, say, that was filled while no
engine ran."""


class Stepper:
    """Runs steps one at a time. `observe` is told of every record once it is durable.

    A market order that goes out at the very instant of a first price meets that price: `prices` are the newest.

    Where a commit failed, the trader knows what the journal does not: nothing is decided on that any more. `failed` is
    set, and every later step raises what the commit raised.

    Where journal and venue are both in memory a step never waits (`waits` is False), so none is ever given up halfway,
    and no order is ever on its way.
    """

    def __init__(
        self,
        trader: Trader,
        venue: Venue,
        journal: JournalPort,
        observe: Callable[[Sequence[Record]], None],
        *,
        waits: bool = True,
    ) -> None:
        self._trader = trader
        self._venue = venue
        self._journal = journal
        self._observe = observe
        self._waits = waits
        self.prices: Sequence[FirstPrice] = ()
        self.lock = asyncio.Lock()
        self.failed = asyncio.Event()
        self._failure: Exception | None = None

    def check(self) -> None:
        """Raises what a commit failed with, if one did."""
        if self._failure is not None:
            raise self._failure

    async def market(
        self,
        batch: Sequence[MarketEvent],
        now_ms: int,
        *,
        timer: bool,
        extra: Sequence[Record] = (),
        known: Sequence[TraderEvent] = (),
    ) -> None:
        """Take in the market events of one instant: the venue matches each before the trader sees it. What is `known`
        besides comes first, for the trader alone.

        Quotes, funding rates and holes are for the venue alone. With `timer` the trader then measures its limits and
        samples the account.
        """
        async with self.lock:
            self.check()
            commands: list[Command] = []
            for news in known:
                commands += self._trader.handle(news)
            self.prices = [event for event in batch if isinstance(event, FirstPrice)] or self.prices
            for event in batch:
                for answer in await self._venue.on_market(event):
                    commands += self._trader.handle(answer)
                if isinstance(event, FirstPrice):
                    commands.append(Journal(FirstPriceRecord(event.symbol, event.open_time_ms, event.price)))
                if not isinstance(event, FundingRate | Quote | HoleAhead):
                    commands += self._trader.handle(event)
            if timer:
                commands += self._trader.handle(Timer(now_ms))
            await self._finish(commands, extra, now_ms)

    async def step(self, events: Sequence[TraderEvent], now_ms: int, extra: Sequence[Record] = ()) -> list[Record]:
        """Take in predictions, operator commands or venue events. Returns the records of the first commit."""
        async with self.lock:
            step = self._step(events, now_ms, extra)
            return await _whole(step) if self._waits else await step

    async def _step(self, events: Sequence[TraderEvent], now_ms: int, extra: Sequence[Record]) -> list[Record]:
        self.check()
        commands: list[Command] = []
        for event in events:
            commands += self._trader.handle(event)
        return await self._finish(commands, extra, now_ms)

    async def send(self, commands: Sequence[Command], now_ms: int) -> None:
        """Carry out commands whose records are durable already (recovery)."""
        async with self.lock:
            self.check()
            await self._finish(list(commands), (), now_ms)

    async def _finish(self, commands: list[Command], extra: Sequence[Record], now_ms: int) -> list[Record]:
        first: list[Record] | None = None
        while True:
            records: list[Record] = [self._told_apart(record) for record in extra]
            orders: list[PlaceOrder | CancelOrder] = []
            for command in commands:
                if isinstance(command, Journal):
                    records.append(command.record)
                else:
                    orders.append(command)
            extra = ()
            if records:
                await self._commit(records)
                self._observe(records)
            first = records if first is None else first
            answers = await self._dispatch(orders, now_ms) if orders else ()
            if not answers:
                return first
            commands = [command for answer in answers for command in self._trader.handle(answer)]

    def _told_apart(self, record: Record) -> Record:
        """A difference that is found where one was found before, as by a start that comes no further than the last, is
        told under an id of its own."""
        if not isinstance(record, AdjustmentRecord):
            return record
        adjustment_id = self._trader.state.free_adjustment_id(record.adjustment_id)
        self._trader.state.note_adjustment(adjustment_id)
        return record if adjustment_id == record.adjustment_id else replace(record, adjustment_id=adjustment_id)

    async def _commit(self, records: Sequence[Record]) -> None:
        try:
            await self._journal.commit(records)
        except Exception as error:
            self._failure = error
            self.failed.set()
            raise

    async def _dispatch(self, orders: Sequence[PlaceOrder | CancelOrder], now_ms: int) -> list[VenueEvent]:
        answers: list[VenueEvent] = []
        for command in orders:
            if isinstance(command, PlaceOrder):
                answers += await self._place(command, now_ms)
            else:
                answers += await self._cancel(command, now_ms)
        if any(isinstance(command, PlaceOrder) and command.order.type is OrderType.MARKET for command in orders):
            for price in self.prices:
                if price.time_ms == now_ms:
                    answers += await self._venue.on_market(price)
        return answers

    async def _place(self, command: PlaceOrder, now_ms: int) -> Sequence[VenueEvent]:
        order = command.order
        if self._waits:
            self._trader.handle(OrderUpdate(order.client_order_id, order.symbol, OrderState.SENT, now_ms))
        try:
            if order.role is OrderRole.ENTRY and now_ms - order.created_ms > ENTRY_MAX_AGE_MS:
                raise VenueRejectedError("not sent: it was decided on too long ago")
            return await self._venue.place(order, now_ms)
        except VenueRejectedError as error:
            state, reason, kind = OrderState.REJECTED, str(error), error.kind
        except VenueUnknownError as error:
            state, reason, kind = OrderState.UNKNOWN, str(error), RejectKind.OTHER
        return [OrderUpdate(order.client_order_id, order.symbol, state, now_ms, reason=reason, kind=kind)]

    async def _cancel(self, command: CancelOrder, now_ms: int) -> Sequence[VenueEvent]:
        order = command.order
        try:
            return await self._venue.cancel(order, now_ms)
        except VenueRejectedError:
            # Nothing rests there any more: what became of the order comes, or came, as its own event.
            return []
        except VenueUnknownError as error:
            return [OrderUpdate(order.client_order_id, order.symbol, OrderState.UNKNOWN, now_ms, reason=str(error))]


async def _whole(step: Coroutine[Any, Any, list[Record]]) -> list[Record]:
    """Carry a step that began to its end, although whoever asked for it gives up meanwhile: what the trader has changed
    is made durable and sent."""
    task = asyncio.ensure_future(step)
    given_up: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            given_up = error
    if given_up is not None and task.exception() is None:
        raise given_up
    return task.result()
