"""Several targets of one trade at the trader's desk: each rests for its part, is kept true, and is told for itself."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numba
import pytest

from core.domain.errors import RejectKind
from core.domain.operator import Verb
from core.domain.orders import Order, OrderRole, OrderState, OrderType
from core.domain.records import SignalRecord
from core.domain.trading import ExitReason, SignalAction
from core.position.ladder import Ladder
from core.trader.ids import Ids
from core.trader.messages import Command
from core.trader.restore import restore
from core.trader.targets import MAX_LOST_TARGETS
from tests.core.trader.desk import BTC, INSTRUMENTS, Desk, canceled, make_instrument, make_trader, placed, records
from tests.core.trader.test_outside import take
from tests.declared import SURE, Vector, beyond, said

THREE: Ladder = ((1.0, 0.5), (2.0, 0.3), (3.0, 0.2))
AT = {0: 606_000, 1: 612_000, 2: 618_000}


def desk_of(ladder: Ladder = THREE, **changes: Any) -> Desk:
    return Desk(make_trader(strategy={"ladder": ladder, "exits": (), **changes}))


def held(ladder: Ladder = THREE, value_bps: float = 20.0, **changes: Any) -> Desk:
    """A position of 41 lots at 60,000 whose stop and targets rest."""
    desk = desk_of(ladder, **changes)
    desk.hold(value_bps)
    return desk


def targets(desk: Desk) -> dict[int, Order]:
    """Those that are open and not being withdrawn, by place."""
    s = desk.book()
    mine = [o for o in s.orders.values() if o.role is OrderRole.TARGET and o.client_order_id not in s.canceling]
    assert len({o.place for o in mine}) == len(mine)
    return {o.place: o for o in sorted(mine, key=lambda o: o.place)}


def parts(desk: Desk) -> dict[int, int]:
    return {n: order.remaining_lots for n, order in targets(desk).items()}


def settle(desk: Desk, commands: list[Command]) -> None:
    """The venue does what it was told, and what follows of that."""
    while commands:
        gone, new = canceled(commands), placed(commands)
        commands = []
        for order in gone:
            commands += desk.update(order, OrderState.CANCELED, "canceled on request")
        for order in new:
            commands += desk.accept(order)


def test_from_the_first_fill_on_each_rests_for_its_part() -> None:
    desk = held()
    assert parts(desk) == {0: 20, 1: 12, 2: 9}
    assert {n: o.trigger_ticks for n, o in targets(desk).items()} == AT
    assert all(o.reduce_only and o.type is OrderType.TAKE_PROFIT_MARKET for o in targets(desk).values())
    assert len({o.client_order_id for o in desk.book().orders.values()}) == 4
    assert desk.order(OrderRole.STOP).qty_lots == 41


def test_of_a_short_they_lie_below() -> None:
    desk = held(value_bps=-20.0)
    assert {n: o.trigger_ticks for n, o in targets(desk).items()} == {0: 594_000, 1: 588_000, 2: 582_000}


def test_the_first_has_the_id_that_a_single_one_has() -> None:
    one, several = held(()), held()
    assert one.order(OrderRole.TARGET).client_order_id == targets(several)[0].client_order_id


def test_a_ladder_of_one_whole_target_is_that_target() -> None:
    """To the byte, but for the plan that the entry carries."""
    plain, laddered = held((), target_pct=1.0), held(((1.0, 1.0),))
    assert [o.trigger_ticks for o in targets(plain).values()] == [o.trigger_ticks for o in targets(laddered).values()]
    assert [o.client_order_id for o in targets(plain).values()] == [
        o.client_order_id for o in targets(laddered).values()
    ]


def test_what_the_shares_leave_goes_on_with_the_stop() -> None:
    desk = held(((1.0, 0.25), (2.0, 0.25)))
    assert parts(desk) == {0: 10, 1: 10}
    settle(desk, desk.fill(targets(desk)[0]))
    settle(desk, desk.fill(targets(desk)[1]))
    assert (desk.book().lots, parts(desk), desk.order(OrderRole.STOP).qty_lots) == (21, {}, 21)


def test_a_part_below_the_smallest_order_leaves_with_the_next() -> None:
    coarse = INSTRUMENTS | {BTC: make_instrument(BTC, "0.1", "0.001", min_lots=5)}
    desk = Desk(make_trader(strategy={"ladder": ((1.0, 0.1), (2.0, 0.5)), "exits": ()}, instruments=coarse))
    desk.hold()
    assert parts(desk) == {1: 22}
    settle(desk, desk.fill(targets(desk)[1]))
    settle(desk, desk.minute(BTCUSDT=61_200.0))
    assert (desk.book().lots, parts(desk)) == (19, {})


def test_a_target_that_fills_cuts_the_stop_with_the_new_one_first() -> None:
    desk = held()
    old = desk.order(OrderRole.STOP)
    commands = desk.fill(targets(desk)[0])
    (new,) = placed(commands)
    assert (new.role, new.qty_lots, new.trigger_ticks) == (OrderRole.STOP, 21, old.trigger_ticks)
    assert canceled(commands) == []
    assert canceled(desk.accept(new)) == [desk.book().orders[old.client_order_id]]
    settle(desk, desk.update(old, OrderState.CANCELED))
    assert desk.book().is_protected()
    assert parts(desk) == {1: 12, 2: 9}


def test_the_last_target_closes_the_trade_and_the_rest_is_withdrawn() -> None:
    desk = held()
    for n in range(2):
        settle(desk, desk.fill(targets(desk)[n], price=60_600.0 + 600 * n))
    commands = desk.fill(targets(desk)[2], price=61_800.0)
    assert [order.role for order in canceled(commands)] == [OrderRole.STOP]
    (closed,) = desk.book().closed
    assert (closed.qty, closed.exit_reason) == (Decimal("0.041"), ExitReason.TARGET)
    mean = (20 * Decimal(60_600) + 12 * Decimal(61_200) + 9 * Decimal(61_800)) / 41
    assert closed.exit_price == pytest.approx(mean)
    assert closed.gross_pnl_usdt == Decimal("0.001") * (20 * 600 + 12 * 1_200 + 9 * 1_800)


def test_a_target_that_has_begun_to_fill_is_left_to_fill() -> None:
    desk = held()
    settle(desk, desk.fill(targets(desk)[0], lots=8))
    assert parts(desk) == {0: 12, 1: 12, 2: 9}
    assert (desk.book().lots, desk.order(OrderRole.STOP).qty_lots) == (33, 33)
    settle(desk, desk.fill(targets(desk)[0]))
    assert parts(desk) == {1: 12, 2: 9}


@pytest.mark.parametrize("end", [OrderState.EXPIRED, OrderState.CANCELED])
def test_one_that_ends_after_a_part_is_placed_again_for_its_rest(end: OrderState) -> None:
    desk = held()
    settle(desk, desk.fill(targets(desk)[0], lots=8))
    (again,) = placed(desk.update(targets(desk)[0], end, "by the venue"), OrderRole.TARGET)
    assert (again.place, again.qty_lots, again.trigger_ticks) == (0, 12, AT[0])


@pytest.mark.parametrize("n", [0, 1, 2])
@pytest.mark.parametrize("end", [OrderState.EXPIRED, OrderState.CANCELED, OrderState.REJECTED])
def test_one_that_ends_is_placed_again_and_the_others_stay(n: int, end: OrderState) -> None:
    desk = held()
    lost, others = targets(desk)[n], {k: o for k, o in targets(desk).items() if k != n}
    (again,) = placed(desk.update(lost, end, "by the venue"))
    assert (again.place, again.qty_lots, again.trigger_ticks) == (n, lost.qty_lots, AT[n])
    assert again.client_order_id != lost.client_order_id
    desk.accept(again)
    assert {k: o for k, o in targets(desk).items() if k != n} == others
    assert placed(desk.watch(5_000)) == placed(desk.minute()) == []


def test_where_the_price_is_past_one_that_ended_its_part_leaves_at_market() -> None:
    desk = held()
    desk.minute(BTCUSDT=60_700.0)
    (out,) = placed(desk.update(targets(desk)[0], OrderState.EXPIRED, "by the venue"))
    assert (out.role, out.type, out.place, out.qty_lots, out.reduce_only, out.trigger_ticks) == (
        OrderRole.TARGET,
        OrderType.MARKET,
        0,
        20,
        True,
        None,
    )
    desk.accept(out)
    settle(desk, desk.fill(out))
    assert (parts(desk), desk.book().lots, desk.order(OrderRole.STOP).qty_lots) == ({1: 12, 2: 9}, 21, 21)


def test_one_that_is_refused_as_past_its_price_leaves_its_part_and_the_last_everything() -> None:
    desk = held()
    (again,) = placed(desk.update(targets(desk)[0], OrderState.EXPIRED))
    desk.update(again, OrderState.SENT)
    (out,) = placed(desk.update(again, OrderState.REJECTED, "would trigger", RejectKind.WOULD_TRIGGER))
    assert (out.role, out.type, out.qty_lots) == (OrderRole.TARGET, OrderType.MARKET, 20)
    desk.accept(out)
    settle(desk, desk.fill(out))
    settle(desk, desk.fill(targets(desk)[1]))
    (again,) = placed(desk.update(targets(desk)[2], OrderState.EXPIRED))
    desk.update(again, OrderState.SENT)
    (out,) = placed(desk.update(again, OrderState.REJECTED, "would trigger", RejectKind.WOULD_TRIGGER))
    assert (out.role, out.reason, out.qty_lots) == (OrderRole.EXIT, ExitReason.TARGET, 9)


def test_a_part_that_the_venue_does_not_let_leave_is_tried_again_with_patience() -> None:
    desk = held()
    desk.minute(BTCUSDT=60_700.0)
    (out,) = placed(desk.update(targets(desk)[0], OrderState.EXPIRED, "by the venue"))
    tried = 1
    while tried < 6:
        desk.update(out, OrderState.SENT)
        assert placed(desk.update(out, OrderState.REJECTED, "not now")) == []
        waited = 0
        while not (again := placed(desk.watch(500))):
            waited += 500
        (out,), tried = again, tried + 1
        assert (out.type, out.qty_lots) == (OrderType.MARKET, 20)
        assert waited + 500 <= 8_000
    assert waited > 4_000


def test_one_that_no_venue_takes_leaves_its_part_once_a_bar_closes_past_it() -> None:
    desk = held()
    for _ in range(MAX_LOST_TARGETS):
        (again,) = placed(desk.update(targets(desk)[1], OrderState.REJECTED, "no more of them"))
        desk.update(again, OrderState.SENT)
    assert placed(desk.update(targets(desk)[1], OrderState.REJECTED, "no more of them")) == []
    assert placed(desk.minute()) == placed(desk.watch(1_000)) == []
    settle(desk, desk.fill(targets(desk)[0]))
    (out,) = placed(desk.minute(BTCUSDT=61_300.0))
    assert (out.role, out.type, out.place, out.qty_lots) == (OrderRole.TARGET, OrderType.MARKET, 1, 12)


def test_a_farther_one_that_fills_first_leaves_the_nearer_to_its_own_share() -> None:
    desk = held()
    settle(desk, desk.fill(targets(desk)[1]))
    assert (desk.book().lots, parts(desk)) == (29, {0: 20, 2: 9})


def test_what_was_closed_by_hand_falls_on_all_alike() -> None:
    desk = held()
    old = targets(desk)
    commands = take(desk, 20)
    assert {order.place for order in canceled(commands) if order.role is OrderRole.TARGET} == {0, 1, 2}
    # None is placed for its smaller part before the larger one is known to be gone.
    assert placed(commands, OrderRole.TARGET) == []
    settle(desk, commands)
    assert parts(desk) == {0: 10, 1: 6, 2: 5}
    assert desk.order(OrderRole.STOP).qty_lots == 21
    assert {o.client_order_id for o in old.values()}.isdisjoint(o.client_order_id for o in targets(desk).values())


def test_one_whose_withdrawal_was_too_late_has_closed_its_old_part() -> None:
    desk = held()
    old = targets(desk)[0]
    commands = take(desk, 20)
    settle(desk, [*desk.fill(old), *(c for c in commands if getattr(c, "order", None) != old)])
    assert desk.book().lots == 1
    assert sum(parts(desk).values()) <= 1


def test_what_the_venue_still_works_on_counts_like_what_is_held() -> None:
    """An entry that is filled in parts: each target is placed once, for the whole of it."""
    desk = desk_of()
    desk.minute()
    (order,) = placed(desk.predict(20.0), OrderRole.ENTRY)
    desk.accept(order)
    settle(desk, desk.fill(order, lots=5))
    assert parts(desk) == {0: 20, 1: 12, 2: 9}
    settle(desk, desk.fill(order, lots=20))
    assert parts(desk) == {0: 20, 1: 12, 2: 9}
    settle(desk, desk.update(order, OrderState.EXPIRED, "the rest was not filled"))
    assert parts(desk) == {0: 12, 1: 7, 2: 6}


@pytest.mark.parametrize("how", ["flatten", "stop", "reversal"])
def test_whatever_ends_the_trade_withdraws_all(how: str) -> None:
    desk = held(reverses=how == "reversal")
    mine = set(targets(desk))
    if how == "flatten":
        desk.operator(Verb.FLATTEN)
    elif how == "reversal":
        desk.minute()
        desk.predict(-20.0)
    leg = OrderRole.STOP if how == "stop" else OrderRole.EXIT
    if how != "stop":
        desk.accept(desk.order(leg))
    commands = desk.fill(desk.order(leg))
    assert {order.place for order in canceled(commands) if order.role is OrderRole.TARGET} == mine == {0, 1, 2}


def test_a_start_knows_which_are_taken_and_where_the_others_lie() -> None:
    desk = held()
    settle(desk, desk.fill(targets(desk)[0]))
    settle(desk, desk.fill(targets(desk)[1], lots=4))
    told = Desk(make_trader(strategy={"ladder": ((9.0, 1.0),), "exits": ()}), desk.now_ms)
    assert restore(told.trader, desk.records) == []
    assert told.book().trade == desk.book().trade
    trade = told.book().trade
    assert trade is not None
    assert [(t.ticks, t.is_taken, t.filled_lots) for t in trade.targets] == [
        (AT[0], True, 20),
        (AT[1], False, 4),
        (AT[2], False, 0),
    ]


def test_a_start_between_the_fill_and_its_targets_places_them() -> None:
    desk = desk_of()
    desk.minute()
    (order,) = placed(desk.predict(20.0), OrderRole.ENTRY)
    desk.accept(order)
    known = len(desk.records)
    desk.fill(order)
    kept = [r for r in desk.records[known:] if getattr(r, "order", order).role is OrderRole.ENTRY]
    after = desk_of()
    restore(after.trader, [*desk.records[:known], *kept])
    after.now_ms = desk.now_ms
    after.bar()
    settle(after, after.watch(1_000))
    assert parts(after) == {0: 20, 1: 12, 2: 9}


def test_finer_rules_of_the_contract_keep_them_where_they_are() -> None:
    desk = held()
    settle(desk, desk.fill(targets(desk)[0]))
    fine = replace(INSTRUMENTS[BTC], tick_size=Decimal("0.01"), lot_size=Decimal("0.0001"), tick_step=10, lot_step=10)
    desk.trader.adopt(replace(fine, min_lots=10, max_lots=10_000_000))
    assert parts(desk) == {1: 120, 2: 90}
    assert placed(desk.watch(1_000)) == canceled(desk.watch(1_000)) == []


def laddered(values: Vector, volatility_pct: float, parameters: Vector) -> tuple[float, Ladder]:
    """Half at one width, the rest at two; of a narrow one only the half."""
    width = values[0] / 20.0
    return width, ((width, 0.5), (2.0 * width if width > 0.5 else math.nan, 0.5))


@pytest.mark.parametrize("bracket", [laddered, numba.njit(laddered)], ids=["plain", "compiled"])
def test_each_signal_has_a_ladder_of_its_own(bracket: Any) -> None:
    desk = desk_of((), bracket=bracket)
    desk.hold(20.0)
    assert {n: (o.trigger_ticks, o.qty_lots) for n, o in targets(desk).items()} == {0: (606_000, 20), 1: (612_000, 21)}
    desk = desk_of((), bracket=bracket)
    desk.hold(10.0)
    assert {n: (o.trigger_ticks, o.qty_lots) for n, o in targets(desk).items()} == {0: (603_000, 20)}


def test_a_ladder_that_no_trade_can_have_is_a_veto_in_words() -> None:
    def wrong(values: Vector, volatility_pct: float, parameters: Vector) -> tuple[float, Ladder]:
        return 1.0, ((1.0, 0.8), (2.0, 0.8))

    desk = desk_of((), bracket=wrong, decide=beyond, outputs=SURE)
    desk.minute()
    commands = desk.handle(said(BTC, desk.now_ms, desk.now_ms + 100, (20.0, 0.6), "plain"))
    (record,) = records(commands, SignalRecord)
    assert (record.signal.action, record.signal.reason) == (
        SignalAction.VETOED,
        "the strategy's bracket is wrong: the targets close 1.6 together; at most 1 is there",
    )


def test_targets_of_a_short_that_would_lie_at_nothing_are_left_out() -> None:
    desk = held(((50.0, 0.5), (100.0, 0.5)), value_bps=-20.0)
    assert {n: (o.trigger_ticks, o.qty_lots) for n, o in targets(desk).items()} == {0: (300_000, 20)}


def test_legs_have_ids_of_their_own() -> None:
    ids = Ids("demo")
    made = {ids.order("plain", BTC, 1, f"{leg}|t", 0) for leg in ("target", "target-2", "target-3", "stop")}
    assert len(made) == 4
