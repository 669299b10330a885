"""A stop ahead of the news of its entry: placed where nobody knows what became of that, and true to what did."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.domain.errors import RejectKind
from core.domain.operator import Verb
from core.domain.orders import Order, OrderRole, OrderState, OrderType, Side
from core.domain.records import Record
from core.domain.trading import ExitReason
from core.trader.invariants import check_state
from core.trader.memory import Seen, recall, remember
from core.trader.messages import Command
from core.trader.restore import restore
from tests.core.trader.desk import BTC, Desk, canceled, make_trader, placed

MARK, FILLED_AT = 60_000.0, 60_120.0


def entering(desk: Desk) -> Order:
    """An entry on its way, of 41 lots at the mark."""
    desk.minute()
    (entry,) = placed(desk.predict(20.0))
    desk.update(entry, OrderState.SENT)
    return entry


def lost(desk: Desk) -> tuple[Order, Order]:
    """An entry of which nobody knows what became, and its stop ahead."""
    entry = entering(desk)
    (stop,) = placed(desk.update(entry, OrderState.UNKNOWN, "timed out"))
    return entry, stop


def known_of(commands: list[Command]) -> list[tuple[OrderRole, int, int | None]]:
    return [(order.role, order.qty_lots, order.trigger_ticks) for order in placed(commands)]


def test_an_entry_that_may_be_a_position_has_its_stop_at_once(desk: Desk) -> None:
    entry, stop = lost(desk)
    assert (stop.role, stop.type, stop.reduce_only) == (OrderRole.STOP, OrderType.STOP_MARKET, True)
    assert (stop.side, stop.qty_lots, stop.trigger_ticks) == (Side.SELL, entry.qty_lots, 594_000)
    assert stop.is_ahead
    assert check_state(desk.trader.state) == []
    desk.accept(stop)
    assert desk.watch(1_000) == [], "it stays while the entry may have filled, and is not placed twice"


def test_no_entry_that_is_answered_has_one(desk: Desk) -> None:
    entry = entering(desk)
    assert placed(desk.watch(900)) == []
    desk.update(entry, OrderState.ACCEPTED)
    assert placed(desk.watch(900)) == []


def test_an_entry_that_has_arrived_and_tells_no_fills_has_one(desk: Desk) -> None:
    desk.update(entering(desk), OrderState.ACCEPTED)
    assert known_of(desk.watch(1_000)) == [(OrderRole.STOP, 41, 594_000)]
    assert desk.watch(1_000) == []


def test_an_entry_of_which_a_start_hears_nothing_has_one(desk: Desk) -> None:
    entering(desk)
    assert placed(desk.watch(5_000)) == []
    assert known_of(desk.watch(100)) == [(OrderRole.STOP, 41, 594_000)]


def test_the_first_fill_finds_a_protected_position_and_places_the_stop_proper(desk: Desk) -> None:
    entry, ahead = lost(desk)
    desk.accept(ahead)
    stop, target = placed(desk.fill(entry, price=FILLED_AT))
    assert desk.book().unprotected_since_ms is None
    assert (stop.trigger_ticks, stop.qty_lots, stop.is_ahead) == (595_188, 41, False)
    desk.accept(target)
    assert canceled(desk.accept(stop)) == [desk.book().orders[ahead.client_order_id]]
    desk.update(ahead, OrderState.CANCELED)
    assert desk.watch(60_000) == []


def test_the_ids_of_what_follows_are_those_of_an_entry_that_was_answered(desk: Desk) -> None:
    entry, _ = lost(desk)
    other = Desk(make_trader())
    answered = entering(other)
    assert [o.client_order_id for o in placed(desk.fill(entry))] == [
        o.client_order_id for o in placed(other.fill(answered))
    ]


def test_of_an_entry_that_filled_in_part_the_stop_is_cut_down(desk: Desk) -> None:
    entry, ahead = lost(desk)
    desk.accept(ahead)
    stop, target = placed(desk.fill(entry, lots=10))
    desk.accept(stop, target)
    desk.update(ahead, OrderState.CANCELED)
    desk.update(entry, OrderState.EXPIRED)
    assert (OrderRole.STOP, 10) in [(o.role, o.qty_lots) for o in placed(desk.watch(500))]


@pytest.mark.parametrize("end", [OrderState.REJECTED, OrderState.EXPIRED, OrderState.CANCELED])
def test_of_an_entry_that_filled_nothing_it_is_withdrawn(desk: Desk, end: OrderState) -> None:
    entry, ahead = lost(desk)
    desk.accept(ahead)
    assert [o.client_order_id for o in canceled(desk.update(entry, end))] == [ahead.client_order_id]
    desk.update(ahead, OrderState.CANCELED)
    assert not desk.book().orders
    assert desk.book().trade is None
    assert desk.limits("stop_refused") == []


def test_one_that_comes_to_rest_after_its_entry_has_ended_is_withdrawn(desk: Desk) -> None:
    entry, ahead = lost(desk)
    desk.update(ahead, OrderState.UNKNOWN)
    desk.update(entry, OrderState.REJECTED)
    desk.update(ahead, OrderState.UNKNOWN)
    desk.update(ahead, OrderState.ACCEPTED)
    desk.watch(5_000)
    assert ahead.client_order_id in desk.book().canceling


@pytest.mark.parametrize("kind", [RejectKind.REDUCE_ONLY, RejectKind.WOULD_TRIGGER, RejectKind.OTHER])
def test_its_refusal_is_none_of_the_trades_stop(desk: Desk, kind: RejectKind) -> None:
    entry, ahead = lost(desk)
    assert placed(desk.update(ahead, OrderState.REJECTED, "refused", kind)) == []
    assert desk.watch(1_000) == [], "one try: the stop proper is waited for"
    stop, target = placed(desk.fill(entry))
    assert (stop.role, stop.is_ahead, target.role) == (OrderRole.STOP, False, OrderRole.TARGET)
    trade = desk.book().trade
    assert trade is not None
    assert (trade.lost_stops, trade.stop_refused) == (0, False)


@pytest.mark.parametrize("kind", [RejectKind.REDUCE_ONLY, RejectKind.WOULD_TRIGGER, RejectKind.OTHER])
def test_a_refusal_that_comes_after_the_fill_is_none_either(desk: Desk, kind: RejectKind) -> None:
    entry, ahead = lost(desk)
    stop, target = placed(desk.fill(entry))
    assert desk.update(ahead, OrderState.REJECTED, "refused", kind)[1:] == []
    desk.accept(stop, target)
    trade = desk.book().trade
    assert trade is not None
    assert (trade.lost_stops, trade.stop_refused, trade.leaving) == (0, False, "")
    assert desk.book().is_protected()


def test_a_stop_proper_that_is_refused_leaves_the_one_ahead_in_its_place(desk: Desk) -> None:
    entry, ahead = lost(desk)
    desk.accept(ahead)
    stop, target = placed(desk.fill(entry))
    desk.accept(target)
    commands = desk.update(stop, OrderState.REJECTED, "refused")
    assert placed(commands) == canceled(commands) == []
    assert desk.book().is_protected()


def test_a_flattened_entry_keeps_it_until_what_it_filled_is_closed(desk: Desk) -> None:
    entry, ahead = lost(desk)
    desk.accept(ahead)
    desk.operator(Verb.FLATTEN)
    assert desk.watch(1_000) == []
    (out,) = placed(desk.fill(entry))
    assert (out.role, out.reason) == (OrderRole.EXIT, ExitReason.FLATTEN)
    assert desk.book().is_protected()
    commands = desk.fill(out)
    assert [o.client_order_id for o in canceled(commands)] == [ahead.client_order_id]


def test_a_halted_entry_has_one_too(desk: Desk) -> None:
    entry = entering(desk)
    desk.operator(Verb.HALT)
    assert known_of(desk.update(entry, OrderState.UNKNOWN)) == [(OrderRole.STOP, 41, 594_000)]


def test_what_is_added_to_a_position_needs_none(desk: Desk) -> None:
    entry, ahead = lost(desk)
    desk.accept(ahead)
    stop, target = placed(desk.fill(entry, lots=10))
    desk.accept(stop, target)
    assert placed(desk.update(entry, OrderState.UNKNOWN)) == []


def breaks(desk: Desk, order: Order) -> list[str]:
    desk.book().orders[order.client_order_id] = order
    return check_state(desk.trader.state)


def test_nothing_else_may_stand_before_its_position(desk: Desk) -> None:
    _, ahead = lost(desk)
    assert "before anything of its trade was filled" in breaks(desk, replace(ahead, place=0))[0]
    assert "does not fit its entry" in breaks(desk, replace(ahead, qty_lots=42))[0]
    assert "does not fit its entry" in breaks(desk, replace(ahead, side=Side.BUY))[0]
    assert "is not reduce-only" in breaks(desk, replace(ahead, reduce_only=False))[0]


def test_a_journal_and_a_memory_tell_of_it(desk: Desk) -> None:
    entry, ahead = lost(desk)
    desk.accept(ahead)
    told = make_trader()
    journal: list[Record] = desk.records
    assert restore(told, journal) == []
    assert told.state.symbols[BTC].book(told.strategy.name).stop_ahead() == desk.book().stop_ahead() is not None
    again = make_trader()
    recall(again, remember(told), Seen())
    s = again.state.symbols[BTC].book(again.strategy.name)
    assert s.stop_ahead() == desk.book().stop_ahead()
    assert s.trade is not None
    assert s.trade.attempts == {"entry": 1, "stop-2": 1}
    assert s.untold_entry() == desk.book().orders[entry.client_order_id]
