"""A reversing strategy: an exit closes the position, and when it is flat the other side is entered."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain.errors import RejectKind
from core.domain.operator import Verb
from core.domain.orders import Order, OrderRole, OrderState, Side
from core.domain.records import LimitRecord, SignalRecord, TradeRecord
from core.domain.trading import ExitReason, SignalAction
from core.settings.schema import LimitSettings, Settings, SizingSettings
from core.trader.deciding import DECISION_MAX_AGE_MS
from core.trader.messages import Command
from core.trader.trader import Trader
from tests.core.trader.desk import Desk, canceled, make_instrument, make_trader, placed, records
from tests.core.trader.session import Session
from tests.core.trader.test_restore import chance
from tests.core.trader.test_with_venue import make, steps_of


def make_reversing(notional_usdt: float = 600, cooldown_ms: int = 0, **limits: object) -> Trader:
    chosen = Settings(limits=LimitSettings(**limits), sizing=SizingSettings(notional_usdt=notional_usdt))
    return make_trader(strategy={"reverses": True, "cooldown_ms": cooldown_ms}, settings=chosen)


@pytest.fixture
def desk() -> Desk:
    """Holds 10 lots long, bought at 60,000."""
    desk = Desk(make_reversing())
    desk.hold()
    assert desk.book().lots == 10
    return desk


def turn(desk: Desk) -> Order:
    desk.minute()
    (order,) = placed(desk.predict(-20))
    desk.accept(order)
    return order


def signals(commands: list[Command]) -> list[tuple[SignalAction, int, str]]:
    found = (record.signal for record in records(commands, SignalRecord))
    return [(signal.action, signal.direction, signal.reason) for signal in found]


def test_an_exit_closes_and_an_entry_opens_when_it_is_flat(desk: Desk) -> None:
    stop, target = desk.order(OrderRole.STOP), desk.order(OrderRole.TARGET)
    desk.minute()
    commands = desk.predict(-20)
    (out,) = placed(commands)
    assert (out.role, out.side, out.qty_lots, out.reduce_only) == (OrderRole.EXIT, Side.SELL, 10, True)
    assert out.reason == ExitReason.REVERSAL
    assert signals(commands) == [(SignalAction.EXIT, -1, "reversal")]
    assert desk.book().pending_entry_lots() == 0
    desk.accept(out)
    commands = desk.fill(out, price=60_300, fee="0.30000001")
    (trade,) = (record.trade for record in records(commands, TradeRecord))
    assert (trade.side, trade.qty, trade.exit_reason) == (Side.BUY, Decimal("0.010"), ExitReason.REVERSAL)
    assert (trade.entry_price, trade.exit_price, trade.gross_pnl_usdt) == (60_000, 60_300, Decimal(3))
    assert trade.fees_usdt == Decimal("0.30000001")
    assert canceled(commands) == [stop, target]
    assert signals(commands) == [(SignalAction.ENTER, -1, "forecast above what is needed")]
    (entry,) = placed(commands)
    assert (entry.role, entry.side, entry.qty_lots, entry.reduce_only) == (OrderRole.ENTRY, Side.SELL, 10, False)
    desk.accept(entry)
    legs = placed(desk.fill(entry))
    assert [(leg.role, leg.side, leg.qty_lots, leg.trade_id) for leg in legs] == [
        (OrderRole.STOP, Side.BUY, 10, entry.trade_id),
        (OrderRole.TARGET, Side.BUY, 10, entry.trade_id),
    ]
    assert desk.book().lots == -10


def test_the_end_of_the_old_sides_orders_asks_nothing_of_the_new_side(desk: Desk) -> None:
    stop = desk.order(OrderRole.STOP)
    out = turn(desk)
    desk.fill(stop, lots=4)
    (entry,) = placed(desk.fill(out, lots=6))
    desk.fill(entry)
    commands = desk.update(stop, OrderState.CANCELED, "position closed")
    assert (placed(commands, OrderRole.EXIT), desk.book().lots) == ([], -10)


def test_the_same_side_changes_nothing(desk: Desk) -> None:
    desk.minute()
    assert placed(desk.predict(20)) == []


def test_where_no_entry_may_be_made_the_position_is_only_closed(desk: Desk) -> None:
    desk.operator(Verb.PAUSE)
    out = turn(desk)
    assert (out.role, out.reason, out.reduce_only) == (OrderRole.EXIT, ExitReason.REVERSAL, True)
    commands = desk.fill(out)
    assert placed(commands) == []
    assert signals(commands) == [(SignalAction.VETOED, -1, "entries paused by the operator")]


def test_what_fires_between_exit_and_entry_forbids_the_entry() -> None:
    desk = Desk(make_reversing(max_losses_in_row=1))
    desk.hold()
    commands = desk.fill(turn(desk), price=59_900)
    assert placed(commands) == []
    assert [record.event.limit for record in records(commands, LimitRecord)] == ["losses_in_row"]
    assert signals(commands)[0][0] is SignalAction.VETOED


@pytest.mark.parametrize("later_ms", [DECISION_MAX_AGE_MS, DECISION_MAX_AGE_MS + 1])
def test_a_signal_of_too_long_ago_is_not_entered_on(desk: Desk, later_ms: int) -> None:
    out = turn(desk)
    # Predictions are made 100 ms after their bar and fills told 1,000 ms after the desk's time.
    desk.to(desk.now_ms + later_ms + 100 - 1_000)
    assert len(placed(desk.fill(out))) == (later_ms == DECISION_MAX_AGE_MS)


def test_a_full_book_of_positions_does_not_keep_one_from_turning() -> None:
    desk = Desk(make_reversing(max_open_positions=1))
    desk.hold()
    (entry,) = placed(desk.fill(turn(desk)))
    assert entry.role is OrderRole.ENTRY


def test_the_cooldown_is_for_other_signals_than_the_one_that_turns() -> None:
    desk = Desk(make_reversing(cooldown_ms=600_000))
    desk.hold()
    (entry,) = placed(desk.fill(turn(desk)))
    assert entry.role is OrderRole.ENTRY


def test_a_refused_exit_turns_nothing(desk: Desk) -> None:
    out = turn(desk)
    assert placed(desk.update(out, OrderState.REJECTED, "not today", RejectKind.OTHER)) == []
    (again,) = placed(desk.watch(600))
    assert (again.role, again.qty_lots, again.reason) == (OrderRole.EXIT, 10, ExitReason.REVERSAL)


@pytest.mark.parametrize("leg", [OrderRole.STOP, OrderRole.TARGET])
def test_a_stop_or_target_on_the_way_ends_the_turn(desk: Desk, leg: OrderRole) -> None:
    out = turn(desk)
    desk.fill(out, lots=4, price=59_500)
    commands = desk.fill(desk.order(leg), lots=6, price=59_400)
    assert out.client_order_id in [o.client_order_id for o in canceled(commands)]
    assert placed(commands) == []
    (trade,) = (record.trade for record in records(commands, TradeRecord))
    assert (trade.exit_reason, trade.qty) == (leg, Decimal("0.010"))
    desk.update(out, OrderState.CANCELED)
    assert (desk.book().trade, desk.book().lots) == (None, 0)


def test_an_exit_in_parts_is_followed_by_the_entry_when_all_is_closed(desk: Desk) -> None:
    out = turn(desk)
    assert placed(desk.fill(out, lots=4)) == []
    (entry,) = placed(desk.fill(out, lots=6))
    assert (entry.role, entry.qty_lots) == (OrderRole.ENTRY, 10)


def test_no_leg_is_larger_than_an_order_may_be() -> None:
    """33 lots are worth 1,980 USDT when they are bought and 2,046 when they are turned."""
    desk = Desk(make_reversing(2_500, max_order_notional_usdt=2_000.0))
    desk.hold()
    assert desk.book().lots == 33
    desk.minute(BTCUSDT=62_000.0)
    parts = placed(desk.predict(-20))
    assert [(o.role, o.qty_lots, o.reduce_only) for o in parts] == [
        (OrderRole.EXIT, 17, True),
        (OrderRole.EXIT, 16, True),
    ]
    assert len({order.client_order_id for order in parts}) == 2
    desk.accept(*parts)
    assert placed(desk.fill(parts[0])) == []
    (entry,) = placed(desk.fill(parts[1]))
    assert (entry.role, entry.qty_lots) == (OrderRole.ENTRY, 32)


def test_no_exit_is_larger_than_the_contracts_largest_order() -> None:
    narrow = {"BTCUSDT": make_instrument("BTCUSDT", "0.1", "0.001", max_lots=20)}
    desk = Desk(make_trader(instruments=narrow))
    desk.hold()
    (entry_order,) = [o for o in desk.book().ended.values() if o.role is OrderRole.ENTRY]
    assert (entry_order.qty_lots, desk.book().lots) == (20, 20)
    desk.trader.adopt(make_instrument("BTCUSDT", "0.1", "0.001", max_lots=7))
    assert [o.qty_lots for o in placed(desk.operator(Verb.FLATTEN))] == [7, 7, 6]


moves = st.lists(
    st.tuples(
        st.sampled_from([OrderRole.ENTRY, OrderRole.STOP, OrderRole.TARGET, OrderRole.EXIT]),
        st.integers(1, 41),
        st.sampled_from(["fill", "fill", "fill", "cancel", "reject", "unknown", "signal", "watch"]),
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=300, deadline=None)
@given(moves, st.booleans())
def test_never_more_than_intended_is_held_on_a_side(drawn: list[tuple[OrderRole, int, str]], up: bool) -> None:
    """Whatever of entry, exit, stop and target is filled before which, at a venue that heeds reduce-only."""
    desk = Desk(make_reversing(2_460))
    desk.hold()
    seen: dict[str, Order] = {}
    value_bps = -20.0 if up else 20.0
    for role, lots, what in drawn:
        book = desk.book()
        seen |= book.orders
        if what == "signal":
            desk.minute()
            value_bps = -value_bps
            desk.predict(value_bps)
        elif what == "watch":
            desk.watch(lots * 100)
        else:
            act(desk, role, lots, what)
        intended = max((o.qty_lots for o in [*book.orders.values(), *book.ended.values()] if is_entry(o)), default=0)
        assert abs(book.lots) <= intended
        assert all(o.qty_lots <= 41 for o in book.orders.values())


def is_entry(order: Order) -> bool:
    return order.role is OrderRole.ENTRY


def act(desk: Desk, role: OrderRole, lots: int, what: str) -> None:
    """What the venue does with an order of this role; reduce-only fills no more than is held."""
    book = desk.book()
    open_orders = [order for order in book.orders.values() if order.role is role]
    if not open_orders:
        return
    order = open_orders[lots % len(open_orders)]
    if what == "fill":
        most = order.remaining_lots
        if order.reduce_only:
            most = min(most, max(0, -book.lots * order.side.sign))
        if most:
            desk.fill(order, lots=min(lots, most))
    elif what == "cancel":
        desk.update(order, OrderState.CANCELED, "by the venue")
    elif what == "reject" and not order.filled_lots:
        desk.update(order, OrderState.REJECTED, "by the venue")
    elif what == "unknown":
        desk.update(order, OrderState.UNKNOWN, "timed out")


def test_the_sessions_of_the_property_tests_turn_positions() -> None:
    turned = 0
    for seed in range(6):
        trader, real = make(reverses=True)
        run = Session(trader, real, cutting=False)  # type: ignore[arg-type]
        run.run(steps_of(chance(seed)))
        trades = [record.trade for record in run.journal if isinstance(record, TradeRecord)]
        turned += sum(trade.exit_reason == ExitReason.REVERSAL for trade in trades)
    assert turned > 3
