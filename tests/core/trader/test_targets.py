"""A target that ends without closing its position is placed again; past its price the position is left."""

from __future__ import annotations

import pytest

from core.domain.errors import RejectKind
from core.domain.operator import Verb
from core.domain.orders import OrderRole, OrderState
from core.domain.records import AdjustmentRecord
from core.domain.trading import ExitReason
from core.trader.restore import restore
from core.trader.targets import MAX_LOST_TARGETS
from tests.core.trader.desk import BTC, Desk, canceled, make_trader, placed, records
from tests.core.trader.session import knowledge
from tests.core.trader.test_outside import take

ENDS = [OrderState.EXPIRED, OrderState.CANCELED]


def held(value_bps: float = 20.0) -> Desk:
    desk = Desk(make_trader())
    desk.hold(value_bps)
    return desk


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("value_bps", [20.0, -20.0])
def test_a_target_that_ends_is_placed_again_at_its_price_and_told(end: OrderState, value_bps: float) -> None:
    desk = held(value_bps)
    target = desk.order(OrderRole.TARGET)
    commands = desk.update(target, end, "by the venue")
    (again,) = placed(commands)
    assert (again.role, again.qty_lots, again.trigger_ticks, again.side, again.reduce_only) == (
        OrderRole.TARGET,
        41,
        target.trigger_ticks,
        target.side,
        True,
    )
    assert again.client_order_id != target.client_order_id
    (told,) = records(commands, AdjustmentRecord)
    assert told.theirs == f"{end}, 0 lots filled: by the venue"
    desk.accept(again)
    assert placed(desk.watch(5_000)) == placed(desk.minute()) == []


@pytest.mark.parametrize("end", ENDS)
def test_a_target_that_ends_after_a_part_is_placed_again_for_the_rest(end: OrderState) -> None:
    desk = held()
    target = desk.order(OrderRole.TARGET)
    desk.fill(target, lots=15)
    commands = desk.update(desk.order(OrderRole.TARGET), end, "by the venue")
    assert [(o.role, o.qty_lots) for o in placed(commands)] == [(OrderRole.STOP, 26), (OrderRole.TARGET, 26)]


@pytest.mark.parametrize("mark", [61_800.0, 63_000.0])
def test_past_the_target_the_position_is_left(mark: float) -> None:
    desk = held()
    desk.minute(BTCUSDT=mark)
    (out,) = placed(desk.update(desk.order(OrderRole.TARGET), OrderState.EXPIRED, "by the venue"))
    assert (out.role, out.reason, out.qty_lots) == (OrderRole.EXIT, ExitReason.TARGET, 41)


def test_a_target_that_is_refused_as_past_its_price_leaves_the_position() -> None:
    desk = held()
    (again,) = placed(desk.update(desk.order(OrderRole.TARGET), OrderState.EXPIRED))
    desk.update(again, OrderState.SENT)
    (out,) = placed(desk.update(again, OrderState.REJECTED, "would trigger", RejectKind.WOULD_TRIGGER))
    assert (out.role, out.reason) == (OrderRole.EXIT, ExitReason.TARGET)


@pytest.mark.parametrize("kind", [RejectKind.OTHER, RejectKind.FILTER, RejectKind.PRECISION, RejectKind.WRONG_ENDPOINT])
def test_a_target_that_is_refused_for_good_closes_nothing_short_of_its_price(kind: RejectKind) -> None:
    desk = held()
    for _ in range(MAX_LOST_TARGETS):
        (again,) = placed(desk.update(desk.order(OrderRole.TARGET), OrderState.REJECTED, "no more of them", kind))
        assert again.role is OrderRole.TARGET
        desk.update(again, OrderState.SENT)
    assert placed(desk.update(desk.order(OrderRole.TARGET), OrderState.REJECTED, "no more of them", kind)) == []
    for _ in range(5):
        assert placed(desk.minute()) == placed(desk.watch(1_000)) == []
    assert desk.book().lots == 41
    (out,) = placed(desk.minute(BTCUSDT=61_900.0))
    assert (out.role, out.reason) == (OrderRole.EXIT, ExitReason.TARGET)


def test_a_venue_that_wants_no_target_is_not_asked_for_ever_and_the_price_still_counts() -> None:
    desk = held()
    for _ in range(MAX_LOST_TARGETS):
        (again,) = placed(desk.update(desk.order(OrderRole.TARGET), OrderState.CANCELED))
        desk.accept(again)
    assert placed(desk.update(desk.order(OrderRole.TARGET), OrderState.CANCELED)) == []
    for _ in range(5):
        assert placed(desk.minute()) == placed(desk.watch(1_000)) == []
    (out,) = placed(desk.minute(BTCUSDT=61_900.0))
    assert (out.role, out.reason) == (OrderRole.EXIT, ExitReason.TARGET)


def test_what_we_withdraw_ourselves_is_neither_told_nor_placed_again() -> None:
    desk = held()
    taken = take(desk, 20)
    (new,) = placed(taken, OrderRole.TARGET)
    (old,) = (order for order in canceled(taken) if order.role is OrderRole.TARGET)
    desk.accept(new)
    assert placed(desk.update(old, OrderState.CANCELED, "canceled")) == []
    assert [r for r in desk.records if isinstance(r, AdjustmentRecord)] == []
    assert desk.book().orders[new.client_order_id].is_open


def test_nothing_is_placed_while_the_position_is_being_left_or_after_it() -> None:
    desk = held()
    desk.operator(Verb.FLATTEN)
    target = desk.order(OrderRole.TARGET)
    assert placed(desk.update(target, OrderState.EXPIRED, "by the venue"), OrderRole.TARGET) == []
    assert placed(desk.minute(), OrderRole.TARGET) == []
    desk.accept(desk.order(OrderRole.EXIT))
    desk.fill(desk.order(OrderRole.EXIT))
    assert placed(desk.minute()) == placed(desk.watch(1_000)) == []


def test_a_start_remembers_how_often_a_target_was_lost() -> None:
    desk = held()
    for _ in range(2):
        (again,) = placed(desk.update(desk.order(OrderRole.TARGET), OrderState.CANCELED))
        desk.accept(again)
    told = Desk(make_trader())
    restore(told.trader, desk.records)
    trade = told.book(BTC).trade
    assert trade is not None
    assert trade.targets[0].lost == 2
    assert repr(told.trader.state.adjustment_ids) in knowledge(told.trader)
    assert told.trader.state.adjustment_ids == desk.trader.state.adjustment_ids


def test_a_target_that_a_start_finds_gone_is_placed_by_the_next_watch() -> None:
    desk = held()
    desk.book().orders.pop(desk.order(OrderRole.TARGET).client_order_id)
    (again,) = placed(desk.watch(1_000))
    assert (again.role, again.qty_lots) == (OrderRole.TARGET, 41)
