"""What is added to a trade: through every limit that an entry passes, covered before it is there, never more than was
decided."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from core.domain.operator import Verb
from core.domain.orders import Order, OrderRole, OrderState, Side
from core.domain.records import SignalRecord
from core.domain.trading import ExitReason, Signal, SignalAction
from core.position.kit.trailing import trailing
from core.position.policy import ADD, HOLD, REDUCE, Candle, ExitPolicy, Held
from core.trader.entry import adding_veto
from core.trader.messages import Command, Silence
from core.trader.restore import restore
from tests.core.trader.desk import (
    BTC,
    INSTRUMENTS,
    NOON_MS,
    Desk,
    canceled,
    make_instrument,
    make_trader,
    placed,
    records,
)
from tests.core.trader.test_ladder import parts, settle
from tests.declared import Vector


def _more(state: Vector, held: Held, bar: Candle, values: Vector, parameters: Vector) -> tuple[int, float]:
    """A share more at every bar that closes at the price or beyond it."""
    return (ADD, parameters[1]) if bar.close * held.sign >= parameters[0] * held.sign else (HOLD, 0.0)


def more(share: float = 0.5, from_price: float = 60_000.0) -> ExitPolicy:
    return ExitPolicy("more of it", _more, (from_price, share), says=(ADD,))


def desk_of(*policies: ExitPolicy, strategy: dict[str, Any] | None = None, **limits: Any) -> Desk:
    fields = {"policies": policies or (more(),), "exits": (), **(strategy or {})}
    return Desk(make_trader(strategy=fields, **limits), NOON_MS)


def held(*policies: ExitPolicy, value_bps: float = 20.0, **changes: Any) -> Desk:
    """A position of 41 lots at 60,000 whose stop and target rest, and a bar after its entry."""
    desk = desk_of(*policies, **changes)
    desk.hold(value_bps)
    desk.minute()
    return desk


def ask(desk: Desk) -> list[Command]:
    return desk.handle(Silence(BTC, desk.now_ms + 100))


def entry_of(commands: list[Command]) -> Order:
    (order,) = placed(commands, OrderRole.ENTRY)
    return order


def signals(commands: list[Command]) -> list[Signal]:
    return [record.signal for record in records(commands, SignalRecord)]


def test_a_share_is_added_with_the_stop_for_all_of_it_before_it() -> None:
    desk = held()
    trade = desk.book().trade
    assert trade is not None
    stop, order = placed(ask(desk))
    assert (stop.role, stop.qty_lots, stop.trigger_ticks) == (OrderRole.STOP, 61, 594_000)
    assert (order.role, order.side, order.qty_lots, order.reduce_only) == (OrderRole.ENTRY, Side.BUY, 20, False)
    assert (order.trade_id, order.place, order.reason) == (trade.trade_id, 1, "more of it")
    desk.accept(stop, order)
    desk.fill(order, price=61_000.0)
    assert desk.book().is_protected()
    assert desk.book().trade is trade
    assert desk.book().entry_price == pytest.approx((41 * 60_000 + 20 * 61_000) / 61)
    assert (trade.entry_lots, desk.book().lots) == (61, 61)


def test_it_is_told_in_the_policys_words() -> None:
    desk = held()
    (signal,) = signals(ask(desk))
    assert (signal.action, signal.direction, signal.reason) == (SignalAction.ADD, 1, "more of it")
    assert [(one.what, one.value) for one in signal.because] == [
        ("share to add", 0.5),
        ("price", 60_000.0),
        ("entry", 60_000.0),
    ]


def test_a_short_is_added_to_on_its_side() -> None:
    desk = held(value_bps=-20.0)
    order = entry_of(ask(desk))
    assert (order.side, order.qty_lots) == (Side.SELL, 20)
    desk.accept(order)
    desk.fill(order)
    assert desk.book().lots == -61


def test_targets_grow_once_it_is_there() -> None:
    desk = held(strategy={"ladder": ((1.0, 0.5), (2.0, 0.25))})
    assert parts(desk) == {0: 20, 1: 10}
    orders = placed(ask(desk))
    desk.accept(*orders)
    assert parts(desk) == {0: 20, 1: 10}
    settle(desk, desk.fill(orders[-1]))
    assert parts(desk) == {0: 30, 1: 15}
    assert [o.remaining_lots for o in desk.book().stops()] == [61]


def test_a_target_of_the_whole_grows_without_a_gap() -> None:
    desk = held()
    orders = placed(ask(desk))
    desk.accept(*orders)
    commands = desk.fill(orders[-1])
    (new,) = placed(commands, OrderRole.TARGET)
    assert (new.qty_lots, [o.qty_lots for o in canceled(commands) if o.role is OrderRole.TARGET]) == (61, [41])


def test_each_bar_adds_once_and_not_while_one_is_under_way() -> None:
    desk = held()
    orders = placed(ask(desk))
    desk.accept(*orders)
    assert placed(ask(desk)) == []
    desk.minute()
    assert placed(ask(desk)) == []
    settle(desk, desk.fill(orders[-1]))
    desk.minute()
    again = entry_of(ask(desk))
    assert (again.qty_lots, again.place) == (30, 2)
    assert again.client_order_id != orders[-1].client_order_id


def test_the_same_bar_makes_the_same_id_in_any_process() -> None:
    assert entry_of(ask(held())).client_order_id == entry_of(ask(held())).client_order_id


def vetoed(desk: Desk) -> str:
    commands = ask(desk)
    assert placed(commands) == []
    (signal,) = signals(commands)
    assert signal.action is SignalAction.VETOED
    return signal.reason


def test_the_operator_keeps_it_from_adding() -> None:
    desk = held()
    desk.operator(Verb.PAUSE)
    assert vetoed(desk) == "more of it: entries paused by the operator"
    desk.minute()
    desk.operator(Verb.HALT)
    assert vetoed(desk) == "more of it: halted by the operator"
    desk.operator(Verb.RESUME)
    desk.minute()
    assert entry_of(ask(desk)).place == 1


def test_a_limit_that_forbids_entries_forbids_it() -> None:
    desk = held(max_trades_per_day=1)
    assert vetoed(desk).startswith("more of it: limit day_trades; clears at 00:00 UTC")


def test_it_counts_among_the_entries_of_the_day() -> None:
    desk = held(max_trades_per_day=3)
    desk.accept(*placed(ask(desk)))
    assert desk.trader.state.entries_on(desk.now_ms) == 2


def test_exposure_leaves_so_much_room_and_no_more() -> None:
    desk = held(more(1.0), max_exposure_pct=30.0)
    commands = ask(desk)
    (signal,) = signals(commands)
    assert (entry_of(commands).qty_lots, signal.reason) == (9, "more of it; size cut by exposure")


def test_no_order_is_larger_than_the_settings_allow() -> None:
    desk = held(more(1.0), max_order_notional_usdt=600.0)
    orders = placed(ask(desk))
    desk.accept(*orders)
    settle(desk, desk.fill(orders[-1]))
    assert desk.book().lots == 20
    desk.minute()
    commands = ask(desk)
    (signal,) = signals(commands)
    assert (entry_of(commands).qty_lots, signal.reason) == (10, "more of it; size cut by order_notional")


def test_what_is_held_never_outgrows_the_largest_order() -> None:
    """Or no stop could cover it."""
    small = INSTRUMENTS | {BTC: make_instrument(BTC, "0.1", "0.001", max_lots=50)}
    desk = Desk(make_trader(strategy={"policies": (more(1.0),), "exits": ()}, instruments=small), NOON_MS)
    desk.hold()
    desk.minute()
    assert entry_of(ask(desk)).qty_lots == 9


def test_never_while_the_stop_is_not_known_to_rest() -> None:
    desk = desk_of()
    desk.enter()
    desk.minute()
    assert vetoed(desk) == "more of it: the trade's stop is not known to rest"


def test_never_while_a_part_of_the_trade_is_being_closed() -> None:
    off = ExitPolicy("part off", lambda state, held, bar, values, parameters: (REDUCE, 0.5), says=(REDUCE,))
    desk = desk_of(off)
    desk.hold()
    desk.minute()
    (out,) = placed(ask(desk))
    desk.accept(out)
    after = desk_of(more())
    restore(after.trader, desk.records)
    after.now_ms = desk.now_ms
    after.bar()
    assert after.book().open_order(OrderRole.REDUCE) is not None
    state, guard = after.trader.state, after.trader.guard
    trade = after.book().trade
    assert trade is not None
    said = adding_veto(after.book(), trade, state, guard, after.now_ms)
    assert said == "a part of the trade is being closed"


def test_never_while_the_trade_is_being_left() -> None:
    desk = held()
    desk.operator(Verb.FLATTEN, BTC)
    assert records(ask(desk), SignalRecord) == []
    assert [o.place for o in desk.book().entries()] == []


def test_what_fills_after_its_trade_is_over_is_left_at_once() -> None:
    desk = held()
    orders = placed(ask(desk))
    desk.accept(*orders)
    commands = desk.fill(desk.order(OrderRole.STOP), lots=41, price=59_400.0)
    assert orders[-1].client_order_id in [order.client_order_id for order in canceled(commands)]
    (out,) = placed(desk.fill(orders[-1], price=59_400.0), OrderRole.EXIT)
    assert (out.qty_lots, out.reason) == (20, ExitReason.UNWANTED)


def test_one_that_is_refused_leaves_the_trade_as_it_was() -> None:
    desk = held()
    stop, order = placed(ask(desk))
    desk.accept(stop)
    (again,) = placed(desk.reject(order))
    assert (again.role, again.qty_lots, again.trigger_ticks) == (OrderRole.STOP, 41, 594_000)
    assert desk.book().trade is not None
    assert desk.book().lots == 41


def test_one_that_ends_after_a_part_keeps_that() -> None:
    desk = held()
    stop, order = placed(ask(desk))
    desk.accept(stop, order)
    settle(desk, desk.fill(order, lots=6))
    settle(desk, desk.update(order, OrderState.EXPIRED, "the rest was not filled"))
    assert desk.book().lots == 47
    assert sum(o.remaining_lots for o in desk.book().stops() if o.state is OrderState.ACCEPTED) == 47


def test_it_moves_its_stop_and_adds_in_one() -> None:
    desk = held(trailing(0.5), more(0.5, 61_000.0))
    desk.minute(BTCUSDT=61_000.0)
    commands = ask(desk)
    stop, order = placed(commands)
    assert (stop.role, stop.qty_lots, stop.trigger_ticks) == (OrderRole.STOP, 61, 606_950)
    assert (order.role, order.qty_lots) == (OrderRole.ENTRY, 20)
    assert [signal.action for signal in signals(commands)] == [SignalAction.ADD, SignalAction.MOVE_STOP]


def test_a_start_goes_on_with_what_was_added() -> None:
    desk = held()
    stop, order = placed(ask(desk))
    desk.accept(stop, order)
    settle(desk, desk.fill(order, lots=6, price=60_500.0, fee="0.25"))
    told = desk_of()
    assert restore(told.trader, desk.records) == []
    assert told.book().trade == desk.book().trade
    assert told.trader.state.entries_on(desk.now_ms) == 2
    assert told.book().lots == 47
    assert [o.place for o in told.book().entries()] == [1]


def test_the_books_of_a_trade_that_was_added_to_and_reduced_are_exact() -> None:
    desk = held()
    stop, order = placed(ask(desk))
    desk.accept(stop, order)
    settle(desk, desk.fill(order, price=60_500.0, fee="0.5"))
    settle(desk, desk.fill(desk.book().stops()[-1], price=60_200.0, fee="1"))
    (closed,) = desk.book().closed
    bought, sold = Decimal("0.041") * 60_000 + Decimal("0.020") * 60_500, Decimal("0.061") * 60_200
    assert (closed.qty, closed.gross_pnl_usdt) == (Decimal("0.061"), sold - bought)
    assert closed.fees_usdt == Decimal("1.5")
    assert desk.trader.state.ledger.imbalance_usdt == 0
