"""Reconciliation at start: what the venue knows of each open order decides, whatever the journal last heard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from core.domain.market import MINUTE_MS, Bar, FirstPrice, MarketEvent
from core.domain.operator import Verb
from core.domain.orders import Fill, Order, OrderRole, OrderState, OrderUpdate
from core.domain.records import AdjustmentRecord, CursorRecord, FillRecord, FirstPriceRecord, OrderUpdateRecord, Record
from core.engine.recovery import reconcile
from core.engine.stepper import Stepper
from core.market.replay.resuming import newest_first_prices, rejoining, resume_point
from core.ports import VenueEvent
from core.trader.restore import restore
from tests.core.trader.desk import BTC, Desk, make_trader, placed
from tests.journal_rules import JournalRules
from tests.simulation.candles import MemoryCandles


class KnowingVenue:
    """Knows the orders and fills it is given; takes whatever is placed and canceled."""

    def __init__(self, lots: int = 0, wallet: Decimal = Decimal(10_000)) -> None:
        self.orders: dict[str, Order] = {}
        self.fills: list[Fill] = []
        self.lots = lots
        self.wallet = wallet
        self.placed: list[Order] = []
        self.canceled: list[Order] = []

    async def place(self, order: Order, now_ms: int) -> Sequence[VenueEvent]:
        self.placed.append(order)
        return [OrderUpdate(order.client_order_id, order.symbol, OrderState.ACCEPTED, now_ms, "v")]

    async def cancel(self, order: Order, now_ms: int) -> Sequence[VenueEvent]:
        self.canceled.append(order)
        return [OrderUpdate(order.client_order_id, order.symbol, OrderState.CANCELED, now_ms)]

    async def on_market(self, event: MarketEvent) -> Sequence[VenueEvent]:
        return []

    async def fetch_order(self, order: Order) -> Order | None:
        return self.orders.get(order.client_order_id)

    async def fills_of(self, order: Order) -> Sequence[Fill]:
        return [fill for fill in self.fills if fill.client_order_id == order.client_order_id]

    async def positions_lots(self) -> dict[str, int]:
        return {BTC: self.lots} if self.lots else {}

    async def wallet_usdt(self) -> Decimal:
        return self.wallet


class Memory:
    """A journal that holds `told` already."""

    def __init__(self, told: Sequence[Record] = ()) -> None:
        self.records: list[Record] = []
        self.rules = JournalRules(told)

    async def commit(self, records: Sequence[Record]) -> None:
        self.rules.take(records)
        self.records += records

    async def load(self) -> list[Record]:
        return self.records


async def recover(before: Desk, venue: KnowingVenue) -> tuple[Desk, Memory, list[AdjustmentRecord]]:
    """A new process over the records of the old one."""
    after = Desk(make_trader(), before.now_ms)
    assert restore(after.trader, before.records) == []
    after.bar()
    memory = Memory(before.records)
    stepper = Stepper(after.trader, venue, memory, lambda records: None)
    return after, memory, await reconcile(after.trader, venue, stepper, after.now_ms)


def entered(desk: Desk) -> Order:
    """An entry whose intent is journalled, and nothing more."""
    desk.minute()
    (entry,) = placed(desk.predict(20))
    return entry


def executed(order: Order, lots: int) -> Fill:
    return Fill("f1", order.client_order_id, BTC, order.side, lots, 600_000, Decimal(0), is_maker=False, time_ms=1)


async def test_an_intent_that_never_left_is_sent_under_its_own_id(desk: Desk) -> None:
    entry, venue = entered(desk), KnowingVenue()
    after, _, differences = await recover(desk, venue)
    assert [order.client_order_id for order in venue.placed] == [entry.client_order_id]
    assert differences == []
    assert after.order(OrderRole.ENTRY).state is OrderState.ACCEPTED


@pytest.mark.parametrize("lots", [0, 10, 41])
async def test_an_intent_that_did_leave_is_taken_up_where_the_venue_is(desk: Desk, lots: int) -> None:
    entry = entered(desk)
    venue = KnowingVenue(lots=lots)
    state = {0: OrderState.ACCEPTED, 10: OrderState.PARTIALLY_FILLED, 41: OrderState.FILLED}[lots]
    venue.orders[entry.client_order_id] = replace(entry, state=state, filled_lots=lots, venue_order_id="v7")
    venue.fills = [executed(entry, lots)] if lots else []
    after, memory, differences = await recover(desk, venue)
    assert [difference.what for difference in differences] == ["order moved on while we were away"]
    assert [order.role for order in venue.placed] == ([OrderRole.STOP, OrderRole.TARGET] if lots else [])
    assert after.book().lots == lots
    if lots == 41:
        assert after.book().open_order(OrderRole.ENTRY) is None
    else:
        entry = after.order(OrderRole.ENTRY)
        assert (entry.state, entry.venue_order_id, entry.filled_lots) == (state, "v7", lots)
    assert [record.fill for record in memory.records if isinstance(record, FillRecord)] == venue.fills


@pytest.mark.parametrize("state", [OrderState.REJECTED, OrderState.CANCELED, OrderState.EXPIRED])
async def test_an_intent_that_the_venue_ended_is_ended(desk: Desk, state: OrderState) -> None:
    entry, venue = entered(desk), KnowingVenue()
    venue.orders[entry.client_order_id] = replace(entry, state=state, reason="by the venue")
    after, memory, _ = await recover(desk, venue)
    assert (after.book().trade, after.book().orders, venue.placed) == (None, {}, [])
    ended = [record.order for record in memory.records if isinstance(record, OrderUpdateRecord)][-1]
    assert (ended.state, ended.reason) == (state, "by the venue")


async def test_a_stop_that_vanished_is_told_and_placed_again(desk: Desk) -> None:
    stop = desk.hold()
    venue = KnowingVenue(lots=41)
    target = desk.order(OrderRole.TARGET)
    venue.orders[target.client_order_id] = target
    _, _, differences = await recover(desk, venue)
    assert [(d.what, d.theirs) for d in differences] == [("order unknown to the venue", "absent")]
    (again,) = venue.placed
    assert (again.role, again.trigger_ticks) == (OrderRole.STOP, stop.trigger_ticks)
    assert again.client_order_id != stop.client_order_id


async def test_an_entry_that_a_halt_forbids_is_withdrawn(desk: Desk) -> None:
    entry = entered(desk)
    desk.accept(entry)
    desk.operator(Verb.HALT)
    venue = KnowingVenue()
    venue.orders[entry.client_order_id] = replace(entry, state=OrderState.ACCEPTED)
    await recover(desk, venue)
    assert [order.client_order_id for order in venue.canceled] == [entry.client_order_id]


async def test_an_entry_is_withdrawn_whose_position_is_being_left(desk: Desk) -> None:
    desk.accept(*placed(desk.enter(lots=10)))
    desk.minute()
    desk.predict(-20)
    venue = KnowingVenue(lots=10)
    venue.orders = {o.client_order_id: o for o in desk.book().orders.values() if o.role is not OrderRole.EXIT}
    await recover(desk, venue)
    assert [order.role for order in venue.canceled] == [OrderRole.ENTRY]
    assert [order.role for order in venue.placed] == [OrderRole.EXIT]


async def test_books_that_differ_are_told_and_journalled(desk: Desk) -> None:
    desk.minute()
    _, memory, differences = await recover(desk, KnowingVenue(lots=5, wallet=Decimal("9999.5")))
    assert [(d.what, d.ours, d.theirs) for d in differences] == [
        ("position lots", "0", "5"),
        ("wallet USDT", "10000", "9999.5"),
    ]
    assert [record for record in memory.records if isinstance(record, AdjustmentRecord)] == differences


@pytest.mark.parametrize("state", [OrderState.INTENT, OrderState.SENT, OrderState.UNKNOWN])
async def test_an_entry_that_never_left_is_not_sent_hours_later(desk: Desk, state: OrderState) -> None:
    entry, venue = entered(desk), KnowingVenue()
    if state is not OrderState.INTENT:
        desk.update(entry, OrderState.SENT)
        desk.update(entry, state)
    desk.now_ms += 3 * 3_600_000
    after, memory, differences = await recover(desk, venue)
    assert venue.placed == []
    assert (after.book().trade, after.book().orders) == (None, {})
    assert [(d.what, d.theirs) for d in differences] == [("entry never sent", "absent")]
    told = (record.order for record in memory.records if isinstance(record, OrderUpdateRecord))
    (ended,) = (order for order in told if order.role is OrderRole.ENTRY)
    assert (ended.state, ended.reason) == (
        OrderState.EXPIRED,
        "not sent before the engine ended, and too old to be sent now",
    )


async def test_an_exit_that_never_left_is_sent_however_late_it_is(desk: Desk) -> None:
    desk.hold()
    desk.operator(Verb.FLATTEN)
    venue = KnowingVenue(lots=41)
    for order in desk.book().orders.values():
        if order.role is not OrderRole.EXIT:
            venue.orders[order.client_order_id] = order
    desk.now_ms += 3 * 3_600_000
    await recover(desk, venue)
    assert [order.role for order in venue.placed] == [OrderRole.EXIT]


async def test_a_start_that_comes_no_further_than_the_last_tells_its_findings_again(desk: Desk) -> None:
    """It finds the same at the same time, as often as it is tried, and dies of none of it."""
    desk.hold()
    venue = KnowingVenue(lots=5, wallet=Decimal("9999.5"))
    stop = desk.order(OrderRole.STOP)
    venue.orders[stop.client_order_id] = replace(stop, state=OrderState.CANCELED)
    told = list(desk.records)
    for _ in range(3):
        after = Desk(make_trader(), desk.now_ms)
        restore(after.trader, told)
        after.bar()
        memory = Memory(told)
        found = await reconcile(
            after.trader, venue, Stepper(after.trader, venue, memory, lambda records: None), after.now_ms
        )
        assert {"position lots", "wallet USDT"} <= {difference.what for difference in found}
        told += memory.records


@pytest.mark.parametrize(
    ("reached", "joins_at"),
    [({"A": 5, "B": 3}, 5), ({"A": 5, "B": 5}, 5), ({"A": 5, "B": 6}, 6), ({"B": 6}, 6)],
)
def test_a_symbol_that_comes_back_joins_where_the_market_is_and_is_told_no_bar_twice(
    reached: dict[str, int], joins_at: int
) -> None:
    records = [CursorRecord(symbol, minute * MINUTE_MS) for symbol, minute in reached.items()]
    assert resume_point(rejoining(records, {"B"}), ("A", "B")).bars["B"] == joins_at * MINUTE_MS


async def test_the_first_price_of_the_open_minute_is_known_after_a_restart() -> None:
    """No candle has it yet; an older journal did not keep it, and then the candle tells, where there is one."""
    told = [
        *(CursorRecord("A", 0), FirstPriceRecord("A", MINUTE_MS, 101.5)),
        *(CursorRecord("B", 0), FirstPriceRecord("B", MINUTE_MS)),
        *(CursorRecord("C", 0), FirstPriceRecord("C", MINUTE_MS)),
        *(FirstPriceRecord("D", MINUTE_MS, 7.0), CursorRecord("D", MINUTE_MS)),
    ]
    candles = MemoryCandles()
    await candles.append([Bar("B", MINUTE_MS, MINUTE_MS, 50.0, 51.0, 49.0, 50.5, 1.0)])
    found = await newest_first_prices(candles, resume_point(told, "ABCD"), MINUTE_MS, 1_000)
    assert found == [FirstPrice("A", 61_000, MINUTE_MS, 101.5), FirstPrice("B", 61_000, MINUTE_MS, 50.0)]
