"""A reversing strategy: one order closes a position and opens the other side."""

from __future__ import annotations

from decimal import Decimal

import pytest

from core.domain.operator import Verb
from core.domain.orders import Order, OrderRole, OrderState, Side
from core.domain.records import SignalRecord, TradeRecord
from core.domain.trading import ExitReason, SignalAction
from core.settings import LimitSettings, Settings, SizingSettings
from core.trader.trader import Trader
from tests.core.trader.desk import Desk, canceled, make_trader, placed, records
from tests.core.trader.session import Session
from tests.core.trader.test_restore import chance
from tests.core.trader.test_with_venue import make, steps_of


def make_reversing(**limits: object) -> Trader:
    settings = Settings(limits=LimitSettings(**limits), sizing=SizingSettings(notional_usdt=600))
    return make_trader(strategy={"reverses": True, "cooldown_ms": 0}, settings=settings)


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
    return order


def test_one_order_closes_and_opens(desk: Desk) -> None:
    stop, target = desk.order(OrderRole.STOP), desk.order(OrderRole.TARGET)
    order = turn(desk)
    assert (order.role, order.side, order.qty_lots, order.reduce_only) == (OrderRole.ENTRY, Side.SELL, 20, False)
    assert desk.book().pending_entry_lots() == 10
    desk.accept(order)
    commands = desk.fill(order, price=60_300, fee="0.30000001")
    (trade,) = (record.trade for record in records(commands, TradeRecord))
    assert (trade.side, trade.qty, trade.exit_reason) == (Side.BUY, Decimal("0.010"), ExitReason.REVERSAL)
    assert (trade.entry_price, trade.exit_price, trade.gross_pnl_usdt) == (60_000, 60_300, Decimal(3))
    assert canceled(commands) == [stop, target]
    legs = placed(commands)
    assert [(leg.role, leg.side, leg.qty_lots, leg.trade_id) for leg in legs] == [
        (OrderRole.STOP, Side.BUY, 10, order.trade_id),
        (OrderRole.TARGET, Side.BUY, 10, order.trade_id),
    ]
    assert (desk.book().lots, desk.book().next_trade) == (-10, None)
    # The fill's fee goes with both trades by their lots, and nothing of it is lost.
    assert desk.book().trade is not None
    assert desk.book().trade.fees_usdt == Decimal("0.15000000")
    assert trade.fees_usdt == Decimal("0.15000001")


def test_the_same_side_changes_nothing(desk: Desk) -> None:
    desk.minute()
    assert placed(desk.predict(20)) == []


def test_where_no_entry_may_be_made_the_position_is_closed(desk: Desk) -> None:
    desk.operator(Verb.PAUSE)
    desk.minute()
    commands = desk.predict(-20)
    (out,) = placed(commands)
    assert (out.role, out.reason, out.reduce_only) == (OrderRole.EXIT, ExitReason.REVERSAL, True)
    (signal,) = (record.signal for record in records(commands, SignalRecord))
    assert (signal.action, signal.reason) == (SignalAction.EXIT, "entries paused by the operator")


def test_a_full_book_of_positions_does_not_keep_one_from_turning() -> None:
    desk = Desk(make_reversing(max_open_positions=1))
    desk.hold()
    assert turn(desk).role is OrderRole.ENTRY


def test_a_refused_turn_closes(desk: Desk) -> None:
    order = turn(desk)
    (out,) = placed(desk.reject(order, "margin is short"))
    assert (out.role, out.qty_lots, out.reason) == (OrderRole.EXIT, 10, ExitReason.REVERSAL)
    assert desk.book().next_trade is None


def test_a_stop_on_the_way_withdraws_the_turn(desk: Desk) -> None:
    order = turn(desk)
    desk.accept(order)
    desk.fill(order, lots=4, price=59_500)
    assert (desk.book().lots, order.trade_id) == (6, desk.book().next_trade.trade_id)
    commands = desk.fill(desk.order(OrderRole.STOP), lots=6, price=59_400)
    assert order.client_order_id in [o.client_order_id for o in canceled(commands)]
    (trade,) = (record.trade for record in records(commands, TradeRecord))
    assert (trade.exit_reason, trade.qty) == (ExitReason.STOP, Decimal("0.010"))
    desk.update(order, OrderState.CANCELED)
    assert (desk.book().trade, desk.book().next_trade, desk.book().lots) == (None, None, 0)


def test_a_turn_in_parts_opens_with_what_crosses_zero(desk: Desk) -> None:
    order = turn(desk)
    desk.accept(order)
    assert placed(desk.fill(order, lots=10, price=60_000)) == []
    assert (desk.book().lots, desk.book().trade.trade_id) == (0, order.trade_id)
    legs = placed(desk.fill(desk.order(OrderRole.ENTRY), lots=3, price=60_000))
    assert [(leg.role, leg.qty_lots) for leg in legs] == [(OrderRole.STOP, 10), (OrderRole.TARGET, 10)]
    assert placed(desk.fill(desk.order(OrderRole.ENTRY), lots=7, price=60_000)) == []
    assert desk.book().lots == -10


def test_the_sessions_of_the_property_tests_turn_positions() -> None:
    turned = 0
    for seed in range(6):
        trader, real = make(reverses=True)
        run = Session(trader, real, cutting=False)  # type: ignore[arg-type]
        run.run(steps_of(chance(seed)))
        trades = [record.trade for record in run.journal if isinstance(record, TradeRecord)]
        turned += sum(trade.exit_reason == ExitReason.REVERSAL for trade in trades)
    assert turned > 3
