"""A flatten is a wish that stands until flat: whatever fills under it is left at once."""

from __future__ import annotations

import pytest

from core.domain.operator import OperatorCommand, Verb
from core.domain.orders import OrderRole, OrderState
from core.domain.records import OperatorRecord, Record, SignalRecord
from core.domain.trading import ExitReason
from core.trader.messages import Command
from core.trader.restore import restore
from tests.core.trader.desk import BTC, ETH, Desk, make_trader, placed, records
from tests.core.trader.session import knowledge

PAUSED = "; entries paused until resumed"
ONE_ENTRY = f"withdrawing 1 entry under way and closing what fills of it{PAUSED}"
FLAT = "flat, nothing open"


def results(commands: list[Command]) -> list[str]:
    return [record.result for record in records(commands, OperatorRecord)]


def told(desk: Desk) -> list[str]:
    return [record.result for record in desk.records if isinstance(record, OperatorRecord)]


def journalled(desk: Desk) -> list[Record]:
    return desk.records


@pytest.mark.parametrize("state", [OrderState.INTENT, OrderState.SENT, OrderState.ACCEPTED, OrderState.UNKNOWN])
def test_an_entry_under_way_that_fills_is_left_at_once(state: OrderState) -> None:
    desk = Desk(make_trader())
    desk.minute()
    (entry,) = placed(desk.predict(20))
    if state is not OrderState.INTENT:
        desk.update(entry, state)
    assert results(desk.operator(Verb.FLATTEN)) == [ONE_ENTRY]
    first = desk.fill(entry, lots=10)
    (out,) = placed(first)
    assert (out.role, out.qty_lots, out.reason) == (OrderRole.EXIT, 10, ExitReason.FLATTEN)
    assert placed(desk.fill(entry, lots=31), OrderRole.STOP) == []
    assert told(desk) == [ONE_ENTRY]
    desk.fill(out)
    (rest,) = placed(desk.watch(1_700))[-1:]
    assert (rest.role, rest.qty_lots) == (OrderRole.EXIT, 31)
    commands = desk.fill(rest)
    for order in list(desk.book().orders.values()):
        commands += desk.update(order, OrderState.CANCELED)
    assert results(commands) == [FLAT]
    assert (desk.book().lots, desk.book().trade) == (0, None)


@pytest.mark.parametrize("scope", ["", BTC])
def test_an_entry_that_was_given_up_and_fills_after_all_is_left_at_once(scope: str) -> None:
    desk = Desk(make_trader())
    desk.minute()
    (entry,) = placed(desk.predict(20))
    (ahead,) = placed(desk.update(entry, OrderState.UNKNOWN, "timed out"))
    desk.operator(Verb.FLATTEN, scope)
    assert results(desk.give_up(entry)) == []
    assert results(desk.update(ahead, OrderState.CANCELED)) == [FLAT]
    (out,) = placed(desk.fill(entry))
    assert (out.role, out.qty_lots, out.reason) == (OrderRole.EXIT, 41, ExitReason.FLATTEN)


def test_a_flatten_of_one_symbol_ends_a_reversal_there() -> None:
    desk = Desk(make_trader(strategy={"reverses": True, "cooldown_ms": 0}))
    desk.hold()
    desk.minute()
    (out,) = placed(desk.predict(-20))
    assert results(desk.operator(Verb.FLATTEN, BTC)) == ["closing 1 position at market"]
    assert placed(desk.fill(out)) == []
    assert desk.book().lots == 0


def test_a_flatten_with_nothing_open_says_so() -> None:
    desk = Desk(make_trader())
    desk.minute()
    assert results(desk.operator(Verb.FLATTEN)) == [FLAT + PAUSED]
    assert results(desk.minute()) == []


def test_a_symbol_that_is_being_flattened_takes_no_entry_until_it_is_flat() -> None:
    desk = Desk(make_trader(strategy={"cooldown_ms": 0}))
    desk.minute()
    (entry,) = placed(desk.predict(20))
    desk.operator(Verb.FLATTEN, BTC)
    desk.minute()
    (vetoed,) = records(desk.predict(20), SignalRecord)
    assert vetoed.signal.reason == "flattened by the operator"
    desk.update(entry, OrderState.CANCELED)
    desk.minute()
    assert len(placed(desk.predict(20), OrderRole.ENTRY)) == 1


def test_the_wish_outlives_an_exit_that_comes_to_nothing_and_a_resume() -> None:
    desk = Desk(make_trader())
    desk.hold()
    (out,) = placed(desk.operator(Verb.FLATTEN))
    desk.update(out, OrderState.REJECTED, "not today")
    desk.operator(Verb.RESUME)
    (again,) = placed(desk.watch(500))
    assert (again.role, again.reason) == (OrderRole.EXIT, ExitReason.FLATTEN)


def test_the_wish_outlives_a_restart() -> None:
    desk = Desk(make_trader())
    desk.hold(symbol=ETH)
    desk.minute()
    (entry,) = placed(desk.predict(20))
    desk.operator(Verb.FLATTEN)
    again = make_trader()
    assert restore(again, journalled(desk)) == []
    for symbol, s in again.state.symbols.items():
        theirs = desk.book(symbol)
        s.see_bar(theirs.mark, theirs.bar_close_ms)
        ours = s.book(theirs.strategy)
        assert (ours.flattened_ms, ours.flattening) == (theirs.flattened_ms, theirs.flattening)
    desk.trader = again
    (out,) = placed(desk.fill(entry))
    assert out.reason == ExitReason.FLATTEN


def test_what_was_told_at_the_end_is_no_second_wish() -> None:
    desk = Desk(make_trader())
    desk.hold()
    (out,) = placed(desk.operator(Verb.FLATTEN))
    desk.fill(out)
    for order in list(desk.book().orders.values()):
        desk.update(order, OrderState.CANCELED)
    assert told(desk) == [f"closing 1 position at market{PAUSED}", FLAT]
    desk.operator(Verb.RESUME)
    again = make_trader()
    restore(again, journalled(desk))
    assert not again.state.paused
    assert again.state.flatten is None


def test_an_entry_that_fills_while_a_limit_closes_everything_is_left_at_once() -> None:
    desk = Desk(make_trader(max_drawdown_pct=0.5, day_loss_usdt=9_000.0, day_loss_pct=99.0))
    desk.hold(symbol=ETH)
    desk.minute()
    (entry,) = placed(desk.predict(20))
    desk.minute(ETHUSDT=2_400.0)
    (out,) = placed(desk.fill(entry))
    assert (out.role, out.reason) == (OrderRole.EXIT, ExitReason.LIMIT)


@pytest.mark.parametrize("side", [1, -1])
def test_a_late_fill_ahead_of_another_entry_is_left_with_all_that_follows(side: int) -> None:
    """The first entry was given up and fills while the second waits: never both are held."""
    desk = Desk(make_trader(strategy={"cooldown_ms": 0}))
    desk.minute()
    (first,) = placed(desk.predict(20 * side))
    (ahead,) = placed(desk.update(first, OrderState.UNKNOWN, "timed out"))
    desk.give_up(first)
    desk.update(ahead, OrderState.CANCELED)
    desk.minute()
    (second,) = placed(desk.predict(20))
    desk.accept(second)
    commands = desk.fill(first, lots=5)
    (out,) = placed(commands)
    assert (out.role, out.qty_lots, out.reason) == (OrderRole.EXIT, 5, ExitReason.UNWANTED)
    later = desk.fill(second)
    desk.fill(out, lots=min(5, abs(desk.book().lots))) if side > 0 else desk.update(out, OrderState.EXPIRED)
    for _ in range(20):
        later += desk.watch(1_000)
        for order in placed(later):
            held = desk.book().lots * -order.side.sign
            now = desk.book().orders.get(order.client_order_id)
            if order.role is OrderRole.EXIT and now is not None and held > 0:
                desk.fill(now, lots=min(now.remaining_lots, held))
    assert desk.book().lots == 0
    for order in list(desk.book().orders.values()):
        desk.update(order, OrderState.CANCELED)
    desk.watch(10_000)
    assert (desk.book().trade, desk.book().next_trade, desk.book().orders) == (None, None, {})


def test_a_trader_that_knows_of_a_flatten_is_told_apart() -> None:
    """`knowledge` sees the wish, so the tests of restarts do."""
    desk, other = Desk(make_trader()), Desk(make_trader())
    for each in (desk, other):
        each.hold()
    desk.handle(OperatorCommand("op", Verb.FLATTEN, BTC, "test", desk.now_ms))
    assert knowledge(desk.trader) != knowledge(other.trader)
