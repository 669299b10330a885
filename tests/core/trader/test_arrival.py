"""A venue's messages in any order of arrival, some of them twice: the books come out the same."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain.orders import Fill, Order, OrderRole, OrderState, OrderUpdate
from core.domain.records import AdjustmentRecord, OrderUpdateRecord
from core.trader.invariants import check_state
from core.trader.messages import TraderEvent
from tests.core.trader.desk import BTC, NOON_MS, Desk, make_trader, placed, records
from tests.invariants import check_change, orders_of

LOTS = 41
END_MS = NOON_MS + 60_000


def position() -> tuple[Desk, Order, Order]:
    """An entry and its stop on their way, the entry's first lot filled."""
    desk = Desk(make_trader())
    desk.minute()
    (entry,) = placed(desk.predict(20))
    desk.update(entry, OrderState.SENT)
    stop, target = placed(desk.fill(entry, lots=1, price=60_000, fill_id="first"))
    for order in (stop, target):
        desk.update(order, OrderState.SENT)
    return desk, entry, stop


def told(order: Order, state: OrderState, time_ms: int) -> OrderUpdate:
    return OrderUpdate(order.client_order_id, BTC, state, time_ms, f"v-{order.client_order_id}", "by the venue")


def executed(order: Order, fill_id: str, lots: int, ticks: int, time_ms: int) -> Fill:
    fee = Decimal(lots) / 1000
    return Fill(fill_id, order.client_order_id, BTC, order.side, lots, ticks, fee, is_maker=False, time_ms=time_ms)


parts = st.lists(st.integers(1, 12), min_size=1, max_size=3)
ends = st.sampled_from([None, OrderState.CANCELED, OrderState.EXPIRED])


@settings(max_examples=150, deadline=None)
@given(parts, parts, ends, st.data())
def test_books_do_not_depend_on_the_order_of_arrival(
    bought: list[int], sold: list[int], end: OrderState | None, data: st.DataObject
) -> None:
    def messages(entry: Order, stop: Order) -> list[TraderEvent]:
        """What the venue did, in its own order: never more sold than was bought."""
        found: list[TraderEvent] = [told(entry, OrderState.ACCEPTED, END_MS)]
        found += [executed(entry, f"b{n}", lots, 600_000 + n, END_MS + n) for n, lots in enumerate(bought)]
        found += [told(entry, end, END_MS + 10)] if end is not None else []
        found += [told(stop, OrderState.ACCEPTED, END_MS + 11), told(stop, OrderState.PARTIALLY_FILLED, END_MS + 12)]
        left = 1 + sum(bought)
        for n, lots in enumerate(sold):
            if min(lots, left) > 0:
                found.append(executed(stop, f"s{n}", min(lots, left), 594_000 - n, END_MS + 20 + n))
                left -= min(lots, left)
        return found

    def books(arriving: Sequence[int] | None) -> tuple[int, Decimal, Decimal, list[tuple[str, int]]]:
        desk, entry, stop = position()
        sent = messages(entry, stop)
        for n in arriving if arriving is not None else range(len(sent)):
            before = orders_of(desk.trader)
            desk.handle(sent[n % len(sent)])
            desk.watch(10)
            assert check_state(desk.trader.state) == []
            assert check_change(before, orders_of(desk.trader)) == []
        state = desk.trader.state
        equity = state.ledger.account({BTC: Decimal(60_000)}).equity_usdt
        filled = [
            (order.client_order_id, order.filled_lots)
            for order in orders_of(desk.trader).values()
            if order.client_order_id in (entry.client_order_id, stop.client_order_id)
        ]
        return state.symbols[BTC].lots, equity, state.ledger.account({BTC: Decimal(1)}).fees_usdt, sorted(filled)

    _, entry, stop = position()
    count = len(messages(entry, stop))
    order = data.draw(st.permutations(range(count)))
    again = data.draw(st.lists(st.integers(0, count - 1), max_size=4))
    places = [data.draw(st.integers(0, count)) for _ in again]
    arriving = list(order)
    for place, message in zip(places, again, strict=True):
        arriving.insert(place, message)
    assert books(arriving) == books(None)


def test_a_fill_of_an_order_that_was_given_up_is_booked_and_told() -> None:
    desk = Desk(make_trader())
    desk.minute()
    (entry,) = placed(desk.predict(20))
    desk.update(entry, OrderState.UNKNOWN, "timed out")
    desk.give_up(entry)
    commands = desk.fill(entry, lots=10)
    (late,) = records(commands, AdjustmentRecord)
    assert late.what == "a fill came of an order that was given up; it is booked"
    assert (late.ours, late.amount_usdt) == ("rejected: never arrived", 0)
    assert [order.role for order in placed(commands)] == [OrderRole.STOP, OrderRole.TARGET]
    # Nobody told that the rest is over: it is open until the venue says what became of it.
    assert desk.order(OrderRole.ENTRY).state is OrderState.PARTIALLY_FILLED
    assert desk.fill(entry, lots=10, fill_id=records(commands, AdjustmentRecord)[0].adjustment_id)


def test_sending_again_makes_nothing_known(desk: Desk) -> None:
    desk.minute()
    (entry,) = placed(desk.predict(20))
    desk.update(entry, OrderState.SENT)
    desk.update(entry, OrderState.UNKNOWN, "timed out")
    assert desk.update(entry, OrderState.SENT) == []
    assert desk.order(OrderRole.ENTRY).state is OrderState.UNKNOWN


def test_an_order_that_rests_partly_filled_is_known_again_when_it_is_found(desk: Desk) -> None:
    desk.enter(lots=10)
    entry = desk.order(OrderRole.ENTRY)
    for state in (OrderState.PARTIALLY_FILLED, OrderState.ACCEPTED):
        desk.update(entry, OrderState.UNKNOWN, "the cancel timed out")
        (record,) = records(desk.update(entry, state), OrderUpdateRecord)
        assert (record.order.state, record.order.filled_lots) == (OrderState.PARTIALLY_FILLED, 10)


def test_fills_are_numbered_by_symbol(desk: Desk) -> None:
    desk.minute()
    for symbol in desk.trader.state.symbols:
        (entry,) = placed(desk.predict(20, symbol))
        desk.update(entry, OrderState.SENT)
        assert desk.fill(entry, fill_id="1")
        assert desk.book(symbol).lots > 0
