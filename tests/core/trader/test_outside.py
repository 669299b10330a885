"""What others take from a position: a fill of an order that we never placed, booked on our trade and no further."""

from __future__ import annotations

from decimal import Decimal

import pytest

from core.domain.operator import Verb
from core.domain.orders import Fill, OrderRole, OrderState, Side
from core.domain.records import FillRecord, IntentRecord, TradeRecord
from core.trader.messages import Command
from core.trader.restore import restore
from tests.core.trader.desk import BTC, Desk, canceled, make_trader, placed, records


@pytest.fixture
def desk() -> Desk:
    return Desk(make_trader())


def take(desk: Desk, lots: int, side: Side = Side.SELL, ticks: int = 601_000) -> list[Command]:
    fill_id = f"{BTC}-77{lots}"
    fee = Decimal("0.5")
    return desk.handle(Fill(fill_id, f"outside-{fill_id}", BTC, side, lots, ticks, fee, False, desk.now_ms))


def test_the_whole_ends_the_trade_and_withdraws_its_bracket(desk: Desk) -> None:
    stop = desk.hold()
    target = desk.order(OrderRole.TARGET)
    commands = take(desk, 41)
    (trade,) = (record.trade for record in records(commands, TradeRecord))
    assert (trade.exit_reason, trade.exit_price, trade.qty) == ("closed outside", Decimal("60100.0"), Decimal("0.041"))
    assert trade.gross_pnl_usdt == Decimal("4.1")
    assert {order.client_order_id for order in canceled(commands)} == {stop.client_order_id, target.client_order_id}
    assert placed(commands) == []


def test_a_part_cuts_the_stop_before_the_old_one_goes(desk: Desk) -> None:
    stop = desk.hold()
    target = desk.order(OrderRole.TARGET)
    commands = take(desk, 20)
    assert sorted((o.role, o.qty_lots, o.trigger_ticks) for o in placed(commands)) == [
        (OrderRole.STOP, 21, stop.trigger_ticks),
        (OrderRole.TARGET, 21, target.trigger_ticks),
    ]
    assert [order.role for order in canceled(commands)] == [OrderRole.TARGET]
    new_stop = desk.book().stops()[-1]
    assert [order.client_order_id for order in canceled(desk.accept(new_stop))] == [stop.client_order_id]


@pytest.mark.parametrize(("lots", "side"), [(42, Side.SELL), (1, Side.BUY)])
def test_more_than_is_held_or_the_other_side_is_not_booked(desk: Desk, lots: int, side: Side) -> None:
    desk.hold()
    assert take(desk, lots, side) == []
    assert desk.book().lots == 41


def test_nothing_is_booked_when_the_position_is_gone_already(desk: Desk) -> None:
    stop = desk.hold()
    desk.fill(stop, lots=41)
    assert take(desk, 41) == []
    assert desk.book().lots == 0


def test_it_is_booked_once(desk: Desk) -> None:
    desk.hold()
    assert take(desk, 20)
    assert take(desk, 20) == []
    assert desk.book().lots == 21


def test_the_journal_tells_it_again(desk: Desk) -> None:
    desk.hold()
    commands = take(desk, 20)
    (intent,) = (r.order for r in records(commands, IntentRecord) if r.order.role is OrderRole.OUTSIDE)
    (filled,) = (record.order for record in records(commands, FillRecord))
    assert (intent.reduce_only, filled.state) == (True, OrderState.FILLED)
    again = make_trader()
    assert restore(again, desk.records) == []
    ours, told = desk.book(), again.state.symbols[BTC].book(desk.book().strategy)
    assert (told.lots, told.trade, told.orders) == (ours.lots, ours.trade, ours.orders)
    assert again.state.ledger.wallet_usdt == desk.trader.state.ledger.wallet_usdt


def test_an_exit_under_way_is_left_to_end(desk: Desk) -> None:
    desk.hold()
    (out,) = placed(desk.operator(Verb.FLATTEN, BTC))
    assert out.role is OrderRole.EXIT
    assert placed(take(desk, 20)) == []
