"""Positions between two bars: what a watch sees and does, and what it leaves alone."""

from __future__ import annotations

from decimal import Decimal

from core.domain.errors import RejectKind
from core.domain.operator import Verb
from core.domain.orders import OrderRole, OrderState
from core.domain.records import LimitRecord, WatchRecord
from core.domain.trading import ExitReason
from core.position.stops import MAX_LOST_STOPS
from core.settings.schema import ExchangeSettings, Settings
from core.trader.messages import Command, Journal
from core.trader.protection import CANCEL_AGAIN_MS
from tests.core.trader.desk import BTC, ETH, Desk, canceled, make_trader, placed, records

LIMIT_MS = 6_000


def roles(commands: list[Command]) -> list[tuple[OrderRole, int]]:
    return [(order.role, order.qty_lots) for order in placed(commands)]


def test_a_protected_position_gives_a_watch_nothing_to_do(desk: Desk) -> None:
    desk.hold()
    assert desk.book().unprotected_since_ms is None
    assert desk.watch(60_000) == []


def test_what_a_watch_leads_to_is_journalled_behind_it(desk: Desk) -> None:
    placed(desk.enter())
    commands = desk.watch(LIMIT_MS + 1_000)
    assert commands[0] == Journal(WatchRecord(desk.now_ms))


# Missing, unheard of, too small


def test_a_stop_that_was_lost_beside_an_exit_is_placed_again_while_the_exit_is_unheard_of(desk: Desk) -> None:
    stop = desk.hold()
    out = placed(desk.operator(Verb.FLATTEN, BTC))[0]
    desk.update(out, OrderState.SENT)
    desk.update(out, OrderState.UNKNOWN, "timed out")
    assert placed(desk.update(stop, OrderState.CANCELED, "by the venue")) == []
    assert roles(desk.watch(500)) == [(OrderRole.STOP, 41)]
    assert desk.watch(500) == []


def test_no_stop_is_placed_beside_an_exit_that_works(desk: Desk) -> None:
    stop = desk.hold()
    (out,) = placed(desk.operator(Verb.FLATTEN, BTC))
    desk.accept(out)
    desk.update(stop, OrderState.CANCELED, "by the venue")
    assert desk.watch(500) == []


def test_a_stop_without_an_answer_is_waited_for_and_then_the_position_is_left(desk: Desk) -> None:
    stop, target = placed(desk.enter())
    desk.accept(target)
    since_ms = desk.now_ms + 1_000  # the time of the fill
    assert desk.book().unprotected_since_ms == since_ms
    desk.update(stop, OrderState.SENT)
    desk.to(since_ms + LIMIT_MS - 1)
    assert desk.watch() == []
    desk.update(stop, OrderState.UNKNOWN, "timed out")
    commands = desk.watch(1)
    (out,) = placed(commands)
    assert (out.role, out.reason, out.qty_lots) == (OrderRole.EXIT, ExitReason.UNPROTECTED, 41)
    (event,) = (record.event for record in records(commands, LimitRecord))
    assert (event.limit, event.symbol, event.fired, event.used, event.limit_value) == ("unprotected", BTC, True, 6, 6)
    assert desk.watch(60_000) == [], "an exit without an answer is not stacked"
    assert desk.book().open_order(OrderRole.STOP) is not None, "the stop stays until the position is flat"


def test_a_stop_that_is_found_in_time_is_protection_again(desk: Desk) -> None:
    stop, target = placed(desk.enter())
    desk.accept(target)
    desk.update(stop, OrderState.UNKNOWN, "timed out")
    desk.to(desk.now_ms + LIMIT_MS - 500)
    desk.update(stop, OrderState.ACCEPTED)
    assert desk.book().unprotected_since_ms is None
    assert desk.watch(60_000) == []
    desk.update(stop, OrderState.UNKNOWN, "the cancel timed out")
    assert desk.book().unprotected_since_ms == desk.now_ms


def test_entries_of_a_position_that_is_left_unprotected_are_withdrawn(desk: Desk) -> None:
    desk.enter(lots=10)
    entry = desk.order(OrderRole.ENTRY)
    commands = desk.watch(LIMIT_MS + 1_000)
    assert canceled(commands) == [entry]
    assert roles(commands) == [(OrderRole.EXIT, 10)]


def test_a_late_fill_that_outgrows_the_stop_has_a_new_one_placed_first(desk: Desk) -> None:
    desk.enter(lots=10)
    entry, small = desk.order(OrderRole.ENTRY), desk.order(OrderRole.STOP)
    desk.update(small, OrderState.CANCELED, "by the venue")
    desk.update(entry, OrderState.CANCELED, "by the venue")
    # Placed while the rest was still to come, it covers all; the next one covers what is held.
    (whole,) = desk.book().stops()
    desk.update(whole, OrderState.CANCELED, "by the venue")
    (small,) = desk.book().stops()
    assert small.qty_lots == 10
    desk.accept(small)
    assert desk.book().unprotected_since_ms is None

    commands = desk.fill(entry, lots=31)
    (large,) = placed(commands)
    assert (large.role, large.qty_lots, large.trigger_ticks) == (OrderRole.STOP, 41, small.trigger_ticks)
    assert canceled(commands) == []
    assert desk.book().unprotected_since_ms == desk.now_ms + 1_000
    desk.update(large, OrderState.SENT)
    assert canceled(desk.watch(500)) == []
    commands = desk.update(large, OrderState.ACCEPTED)
    assert [order.client_order_id for order in canceled(commands)] == [small.client_order_id]
    assert desk.book().unprotected_since_ms is None
    desk.update(small, OrderState.CANCELED)
    assert desk.watch(60_000) == []


def test_the_watch_shrinks_stop_and_target_to_what_an_entry_came_to(desk: Desk) -> None:
    stop, target = placed(desk.enter(lots=10))
    desk.accept(stop)
    desk.accept(target)
    assert desk.watch(500) == [], "the rest may still fill"
    assert desk.update(desk.order(OrderRole.ENTRY), OrderState.EXPIRED, "no liquidity")
    commands = desk.watch(500)
    smaller = placed(commands)
    assert [(o.role, o.qty_lots, o.trigger_ticks) for o in smaller] == [
        (OrderRole.STOP, 10, stop.trigger_ticks),
        (OrderRole.TARGET, 10, target.trigger_ticks),
    ]
    assert [o.client_order_id for o in canceled(commands)] == [target.client_order_id], (
        "the stop stays until the smaller one is known to rest"
    )
    assert desk.watch(500) == [], "asked for once"
    assert [o.client_order_id for o in canceled(desk.accept(smaller[0]))] == [stop.client_order_id]
    assert desk.book().is_protected()


def test_a_smaller_stop_that_is_refused_is_not_asked_for_again(desk: Desk) -> None:
    stop, target = placed(desk.enter(lots=10))
    desk.accept(stop)
    desk.accept(target)
    desk.update(desk.order(OrderRole.ENTRY), OrderState.EXPIRED, "no liquidity")
    smaller, _ = placed(desk.watch(500))
    commands = desk.update(smaller, OrderState.REJECTED, "filter failure")
    assert placed(commands + desk.watch(500) + desk.watch(500)) == []
    assert desk.book().is_protected(), "the larger one still rests"


def test_a_stop_is_moved_new_before_old(desk: Desk) -> None:
    old = desk.hold()
    (new,) = placed(desk.trader.protection.move_stop(desk.book(), 597_000, desk.now_ms))
    assert (new.trigger_ticks, new.qty_lots, new.reduce_only) == (597_000, 41, True)
    assert desk.watch(500) == []
    desk.accept(new)
    assert list(desk.book().canceling) == [old.client_order_id]
    desk.update(old, OrderState.CANCELED)
    assert desk.book().stops() == [desk.order(OrderRole.STOP)]
    assert desk.book().trade is not None
    assert desk.book().trade.lost_stops == 0


def test_a_refused_new_stop_leaves_the_old_one(desk: Desk) -> None:
    old = desk.hold()
    (new,) = placed(desk.trader.protection.move_stop(desk.book(), 597_000, desk.now_ms))
    desk.reject(new)
    assert desk.book().stops() == [old]
    assert desk.watch(60_000) == []


def test_moving_is_not_losing(desk: Desk) -> None:
    old = desk.hold()
    for n in range(1, 2 * MAX_LOST_STOPS):
        (new,) = placed(desk.trader.protection.move_stop(desk.book(), 594_000 + n, desk.now_ms + n))
        desk.accept(new)
        desk.update(old, OrderState.CANCELED)
        old = new
    assert roles(desk.update(old, OrderState.CANCELED, "by the venue")) == [(OrderRole.STOP, 41)]


# Refusals


def test_a_stop_that_would_trigger_means_leaving_at_once(desk: Desk) -> None:
    stop, _ = placed(desk.enter())
    desk.update(stop, OrderState.SENT)
    (out,) = placed(desk.update(stop, OrderState.REJECTED, "-2021", RejectKind.WOULD_TRIGGER))
    assert (out.role, out.reason) == (OrderRole.EXIT, ExitReason.STOP)


def test_what_a_stop_that_fired_left_over_is_left_at_market(desk: Desk) -> None:
    stop = desk.hold()
    desk.fill(stop, lots=11)
    (out,) = placed(desk.update(stop, OrderState.EXPIRED, "no liquidity"))
    assert (out.role, out.reason, out.qty_lots) == (OrderRole.EXIT, ExitReason.STOP, 30)


# Exits that come to nothing


def test_an_exit_that_comes_to_nothing_is_asked_for_again_and_ever_later(desk: Desk) -> None:
    desk.hold()
    (out,) = placed(desk.operator(Verb.FLATTEN, BTC))
    waits = []
    for _ in range(7):
        assert placed(desk.reject(out)) == []
        waited_ms = 0
        while not (again := placed(desk.watch(500))):
            waited_ms += 500
        (out,) = again
        assert (out.role, out.reason) == (OrderRole.EXIT, ExitReason.FLATTEN)
        waits.append(waited_ms + 500)
    assert waits == [500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000]


def test_the_rest_of_an_exit_that_expired_is_left_too(desk: Desk) -> None:
    desk.hold()
    (out,) = placed(desk.operator(Verb.FLATTEN, BTC))
    desk.accept(out)
    desk.fill(out, lots=30)
    desk.update(out, OrderState.EXPIRED, "no liquidity")
    (rest,) = placed(desk.watch(500))
    assert (rest.role, rest.reason, rest.qty_lots) == (OrderRole.EXIT, ExitReason.FLATTEN, 11)


def test_a_venue_that_refuses_stops_and_exits_is_not_flooded(desk: Desk) -> None:
    stop, target = placed(desk.enter())
    desk.accept(target)
    (out,) = placed(desk.reject(stop))
    assert out.role is OrderRole.EXIT
    desk.reject(out)
    asked = 0
    for _ in range(120):
        for order in placed(desk.watch(500)):
            asked += 1
            desk.reject(order)
    assert asked <= 12


# What has no purpose any more


def test_what_rests_under_no_position_is_withdrawn(desk: Desk) -> None:
    stop = desk.hold()
    target = desk.order(OrderRole.TARGET)
    assert canceled(desk.fill(target, lots=41)) == [stop]
    desk.update(stop, OrderState.UNKNOWN, "the cancel timed out")
    assert desk.watch(500) == [], "nobody knows whether it rests"
    desk.update(stop, OrderState.ACCEPTED)
    (again,) = canceled(desk.watch(500))
    assert again.client_order_id == stop.client_order_id
    assert desk.watch(500) == []


def test_a_withdrawal_that_nobody_answers_is_asked_for_again(desk: Desk) -> None:
    stop = desk.hold()
    desk.fill(desk.order(OrderRole.TARGET), lots=41)
    desk.to(desk.book().canceling[stop.client_order_id])
    assert desk.watch(CANCEL_AGAIN_MS - 1) == []
    assert canceled(desk.watch(1)) == [stop]
    assert desk.watch(CANCEL_AGAIN_MS - 1) == []


def test_an_entry_that_was_given_up_and_turns_up_is_withdrawn(desk: Desk) -> None:
    desk.minute()
    (entry,) = placed(desk.predict(20))
    desk.update(entry, OrderState.SENT)
    desk.update(entry, OrderState.UNKNOWN, "timed out")
    desk.give_up(entry)
    assert desk.book().trade is None
    assert desk.update(entry, OrderState.ACCEPTED)
    (gone,) = canceled(desk.watch(500))
    assert gone.client_order_id == entry.client_order_id
    # It fills before the cancel comes to it: what it bought is protected like any other position.
    assert [role for role, _ in roles(desk.fill(entry, lots=41))] == [OrderRole.STOP, OrderRole.TARGET]
    assert desk.book().lots == 41


def test_halted_entries_that_turn_out_to_rest_are_withdrawn(desk: Desk) -> None:
    desk.minute()
    (entry,) = placed(desk.predict(20, ETH))
    desk.accept(entry)
    desk.operator(Verb.HALT)
    desk.update(entry, OrderState.UNKNOWN, "the cancel timed out")
    desk.update(entry, OrderState.ACCEPTED)
    assert [order.client_order_id for order in canceled(desk.watch(500))] == [entry.client_order_id]


def test_a_fill_that_goes_through_zero_unplanned_is_a_trade_of_its_own(desk: Desk) -> None:
    """The stop's fill overtakes the news of the entry's second part."""
    desk.accept(*placed(desk.enter(lots=10)))
    entry, stop = desk.order(OrderRole.ENTRY), desk.order(OrderRole.STOP)
    desk.fill(stop, lots=41, price=60_100)
    s = desk.book()
    assert s.lots == -31
    assert s.trade is not None
    assert (s.trade.side, s.trade.entry_lots) == (stop.side, 31)
    (cover,) = s.stops()
    assert (cover.role, cover.side, cover.qty_lots) == (OrderRole.STOP, entry.side, 31)
    desk.fill(entry, lots=31, price=60_000)
    assert (s.lots, s.trade) == (0, None)
    assert desk.trader.state.ledger.wallet_usdt == Decimal(10_000) + 100 * 41 / Decimal(1000)


def test_the_limit_on_protection_is_a_setting() -> None:
    desk = Desk(make_trader(settings=Settings(exchange=ExchangeSettings(protection_limit_ms=2_000))))
    desk.enter()
    desk.to(desk.now_ms + 1_000)
    assert desk.watch(1_999) == []
    assert roles(desk.watch(1)) == [(OrderRole.EXIT, 41)]


def test_no_stop_is_pressed_past_its_price_while_the_exit_is_on_its_way(desk: Desk) -> None:
    stop, target = placed(desk.enter())
    desk.accept(target)
    desk.update(stop, OrderState.SENT)
    (out,) = placed(desk.update(stop, OrderState.REJECTED, "-2021", RejectKind.WOULD_TRIGGER))
    desk.update(out, OrderState.SENT)
    assert placed(desk.watch(500), OrderRole.STOP) == []
    # Nobody knows what became of the exit: a stop is wanted again.
    desk.update(out, OrderState.UNKNOWN, "timed out")
    assert [order.qty_lots for order in placed(desk.watch(500), OrderRole.STOP)] == [41]


def test_a_stop_follows_a_target_that_fills_in_part(desk: Desk) -> None:
    stop, held = desk.hold(), desk.book().lots
    target = desk.order(OrderRole.TARGET)
    desk.fill(target, held // 2, price=61_800.0)
    (cut,) = placed(desk.watch(), OrderRole.STOP)
    assert (cut.qty_lots, cut.trigger_ticks) == (held - held // 2, stop.trigger_ticks)
    assert [order.client_order_id for order in canceled(desk.accept(cut))] == [stop.client_order_id]


def test_a_target_that_ended_in_part_leaves_a_stop_of_what_is_left(desk: Desk) -> None:
    stop = desk.hold()
    target = desk.order(OrderRole.TARGET)
    desk.fill(target, lots=3)
    (cut,) = placed(desk.update(target, OrderState.EXPIRED, "no liquidity"), OrderRole.STOP)
    assert (cut.qty_lots, cut.trigger_ticks) == (38, stop.trigger_ticks)
    assert [order.client_order_id for order in canceled(desk.accept(cut))] == [stop.client_order_id]


def test_a_clock_that_was_set_back_holds_no_exit_and_no_withdrawal() -> None:
    desk = Desk(make_trader())
    desk.hold()
    desk.to(desk.now_ms + 600_000)
    desk.operator(Verb.FLATTEN)
    out = desk.order(OrderRole.EXIT)
    desk.reject(out)
    desk.to(desk.now_ms - 600_000)
    (again,) = placed(desk.watch(1_000))
    assert again.role is OrderRole.EXIT
    desk.reject(again)
    assert placed(desk.watch(100)) == []
    assert len(placed(desk.watch(2_000))) == 1


def test_a_position_that_is_bare_since_a_time_that_has_not_come_yet_is_closed() -> None:
    desk = Desk(make_trader())
    desk.enter()
    desk.to(desk.now_ms - 600_000)
    (out,) = placed(desk.watch(), OrderRole.EXIT)
    assert out.reason == "unprotected"


def test_a_withdrawal_that_was_asked_for_by_a_clock_ahead_is_asked_for_again() -> None:
    desk = Desk(make_trader())
    desk.hold()
    target = desk.order(OrderRole.TARGET)
    desk.to(desk.now_ms + 600_000)
    desk.fill(desk.order(OrderRole.STOP))
    assert target.client_order_id in desk.book().canceling
    desk.to(desk.now_ms - 600_000)
    assert [order.client_order_id for order in canceled(desk.watch())] == [target.client_order_id]
