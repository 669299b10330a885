"""Exits that look back on a trade, at the trader's desk: the new stop first, their own words, and nothing said of what
is not known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.domain.errors import BadInputError
from core.domain.market import MINUTE_MS, Bar
from core.domain.orders import OrderRole, OrderState
from core.domain.records import SignalRecord
from core.domain.trading import Signal, SignalAction
from core.position.kit.hard_loss import hard_loss
from core.position.kit.time_limit import time_limit
from core.position.kit.trailing import trailing
from core.position.policy import HOLD, REDUCE, Candle, ExitPolicy, Held
from core.trader.messages import Command, Silence
from core.trader.restore import restore
from tests.core.trader.desk import BTC, NOON_MS, Desk, canceled, make_trader, placed, records
from tests.declared import Vector


def desk_of(*policies: ExitPolicy) -> Desk:
    return Desk(make_trader(strategy={"policies": policies, "exits": ()}), NOON_MS)


def silence(desk: Desk) -> list[Command]:
    """Nothing was forecast of the newest bar."""
    return desk.handle(Silence(BTC, desk.now_ms + 100))


def signal_of(commands: list[Command]) -> Signal:
    (record,) = records(commands, SignalRecord)
    return record.signal


def test_a_trail_places_the_new_stop_before_it_withdraws_the_old_one() -> None:
    desk = desk_of(trailing(1.0))
    old = desk.hold()
    desk.minute(BTCUSDT=61_000.0)
    moved = silence(desk)
    (new,) = placed(moved)
    assert (new.role, new.trigger_ticks, new.qty_lots) == (OrderRole.STOP, 603_900, old.qty_lots)
    assert canceled(moved) == []
    signal = signal_of(moved)
    assert (signal.action, signal.direction, signal.reason) == (SignalAction.MOVE_STOP, 1, "trailing stop")
    assert [(one.what, one.value) for one in signal.because[:2]] == [("stop", 60_390.0), ("before", 59_400.0)]
    assert canceled(desk.accept(new)) == [desk.book().orders[old.client_order_id]]
    desk.update(old, OrderState.CANCELED)
    assert desk.book().is_protected()


def test_it_is_moved_towards_the_price_only_and_once() -> None:
    desk = desk_of(trailing(1.0))
    desk.hold()
    desk.minute(BTCUSDT=61_000.0)
    desk.accept(*placed(silence(desk)))
    assert silence(desk) == []
    desk.minute(BTCUSDT=60_500.0)
    assert silence(desk) == []
    assert records(desk.predict(1.0), SignalRecord) == []
    desk.minute(BTCUSDT=61_010.0)
    (new,) = placed(silence(desk))
    assert new.trigger_ticks == 603_999


def test_a_short_is_trailed_from_above() -> None:
    desk = desk_of(trailing(1.0))
    desk.hold(-20.0)
    desk.minute(BTCUSDT=59_000.0)
    (new,) = placed(silence(desk))
    assert new.trigger_ticks == 595_900


def test_where_the_price_is_past_the_stop_already_the_trade_is_left_in_the_exits_words() -> None:
    desk = desk_of(trailing(0.1))
    desk.hold()
    desk.handle(Bar(BTC, desk.now_ms, MINUTE_MS, 60_000.0, 61_000.0, 60_000.0, 60_100.0, 100.0))
    desk.now_ms += MINUTE_MS
    left = silence(desk)
    (out,) = placed(left)
    assert (out.role, out.reason, signal_of(left).action) == (OrderRole.EXIT, "trailing stop", SignalAction.EXIT)
    desk.accept(out)
    desk.fill(out)
    (closed,) = desk.book().closed
    assert closed.exit_reason == "trailing stop"


def test_the_largest_loss_rests_from_the_first_fill() -> None:
    desk = desk_of(hard_loss(5.0))
    desk.hold()
    s = desk.book()
    stop = desk.order(OrderRole.STOP)
    assert stop.trigger_ticks is not None
    lost = (60_000.0 - stop.trigger_ticks * s.tick) * s.lots * s.lot_qty
    assert 5.0 - s.tick * s.lots * s.lot_qty < lost <= 5.0
    desk = desk_of(hard_loss(5_000.0))
    assert desk.hold().trigger_ticks == 594_000


def test_a_bar_of_before_the_entry_is_none_of_the_trades() -> None:
    desk = desk_of(trailing(1.0))
    desk.minute(BTCUSDT=70_000.0)
    desk.minute(BTCUSDT=60_000.0)
    desk.hold()
    desk.minute()
    assert silence(desk) == []


def test_a_bar_that_is_told_twice_counts_once() -> None:
    desk = desk_of(time_limit(2.0 * MINUTE_MS))
    desk.hold()
    desk.minute()
    desk.bar()
    assert silence(desk) == []
    desk.minute()
    (out,) = placed(silence(desk))
    assert out.reason == "time limit"


def _half(state: Vector, held: Held, bar: Candle, values: Vector, parameters: Vector) -> tuple[int, float]:
    """Half of it, at every bar that asks."""
    return (REDUCE, 0.5) if bar.close >= parameters[0] else (HOLD, 0.0)


HALF = ExitPolicy("half off", _half, (61_000.0,), says=(REDUCE,))


def test_half_leaves_at_market_and_stop_and_target_are_cut_to_the_rest() -> None:
    desk = desk_of(HALF, trailing(1.0))
    stop = desk.hold()
    held = desk.book().lots
    desk.minute(BTCUSDT=61_000.0)
    told = silence(desk)
    out, new = placed(told)
    assert (out.role, out.qty_lots, out.reduce_only, out.reason) == (OrderRole.REDUCE, held // 2, True, "half off")
    assert (new.role, new.qty_lots) == (OrderRole.STOP, held)
    actions = [record.signal.action for record in records(told, SignalRecord)]
    assert actions == [SignalAction.REDUCE, SignalAction.MOVE_STOP]
    desk.accept(new, out)
    desk.update(stop, OrderState.CANCELED)
    after = placed(desk.fill(out))
    assert [(order.role, order.qty_lots) for order in after] == [
        (OrderRole.STOP, held - held // 2),
        (OrderRole.TARGET, held - held // 2),
    ]
    assert not desk.book().closed
    desk.accept(*after)
    last = desk.order(OrderRole.TARGET)
    desk.fill(next(o for o in desk.book().stops()), lots=held - held // 2, price=60_390.0)
    (closed,) = desk.book().closed
    assert closed.qty == desk.book().instrument.qty(held)
    assert last.client_order_id in desk.book().canceling


def test_one_bar_reduces_once_however_often_it_is_asked_about() -> None:
    desk = desk_of(HALF)
    desk.hold()
    desk.minute(BTCUSDT=61_000.0)
    (out,) = placed(silence(desk))
    assert placed(silence(desk)) == []
    desk.accept(out)
    desk.fill(out)
    assert placed(desk.predict(1.0), OrderRole.REDUCE) == []
    again = started_again(desk)
    again.trader.recall_bars(BTC, [Bar(BTC, again.now_ms - MINUTE_MS, MINUTE_MS, *[61_000.0] * 4, 100.0)])
    assert placed(silence(again)) == []
    desk.minute(BTCUSDT=61_000.0)
    assert len(placed(silence(desk), OrderRole.REDUCE)) == 1


def test_a_share_that_was_refused_is_asked_for_at_the_next_bar() -> None:
    desk = desk_of(HALF)
    desk.hold()
    held = desk.book().lots
    desk.minute(BTCUSDT=61_000.0)
    (out,) = placed(silence(desk))
    assert placed(desk.reject(out)) == []
    assert (desk.book().lots, desk.book().is_protected()) == (held, True)
    desk.minute(BTCUSDT=61_000.0)
    assert len(placed(silence(desk), OrderRole.REDUCE)) == 1


def test_an_exit_goes_over_a_share_that_is_under_way() -> None:
    desk = desk_of(HALF, time_limit(2.0 * MINUTE_MS))
    desk.hold()
    held = desk.book().lots
    desk.minute(BTCUSDT=61_000.0)
    desk.accept(*placed(silence(desk)))
    desk.minute(BTCUSDT=61_000.0)
    (out,) = placed(silence(desk))
    assert (out.role, out.qty_lots) == (OrderRole.EXIT, held)


def started_again(desk: Desk) -> Desk:
    """Another trader that was told what this one journalled, and a stop that rests."""
    again = desk_of(*desk.trader.strategy.policies)
    restore(again.trader, desk.records)
    again.now_ms = desk.now_ms
    again.book().mark, again.book().bar_close_ms = desk.book().mark, desk.book().bar_close_ms
    return again


def test_after_a_start_nothing_is_said_before_the_bars_are_told_again() -> None:
    desk = desk_of(trailing(1.0))
    desk.hold()
    entry_ms = desk.now_ms
    desk.minute(BTCUSDT=61_000.0)
    again = started_again(desk)
    assert again.trader.lacks_bars(BTC)
    again.minute(BTCUSDT=60_900.0)
    assert silence(again) == []
    told = [(entry_ms, 61_000.0), (entry_ms + MINUTE_MS, 60_900.0)]
    again.trader.recall_bars(BTC, [Bar(BTC, at, MINUTE_MS, p, p, p, p, 100.0) for at, p in told])
    assert not again.trader.lacks_bars(BTC)
    (new,) = placed(silence(again))
    assert new.trigger_ticks == 603_900


def test_without_a_trade_there_is_nothing_to_tell() -> None:
    desk = desk_of(trailing(1.0))
    assert not desk.trader.lacks_bars(BTC)
    desk.trader.recall_bars(BTC, [])
    assert not desk_of().trader.lacks_bars(BTC)


def test_a_trade_goes_on_by_the_exits_that_it_was_entered_with() -> None:
    desk = desk_of(time_limit(2.0 * MINUTE_MS, reason="of before"))
    desk.hold()
    desk.trader.follow(replace(desk.trader.strategy, policies=(time_limit(MINUTE_MS, reason="of now"),)))
    desk.minute()
    assert silence(desk) == []
    desk.minute()
    (out,) = placed(silence(desk))
    assert out.reason == "of before"


def test_the_next_trade_begins_with_nothing_remembered() -> None:
    desk = desk_of(trailing(2.0))
    desk.hold()
    desk.minute(BTCUSDT=61_000.0)
    (new,) = placed(silence(desk))
    for order in canceled(desk.accept(new) + desk.fill(new, price=59_780.0)):
        desk.update(order, OrderState.CANCELED, "position closed")
    for _ in range(4):
        desk.minute(BTCUSDT=60_000.0)
    desk.hold()
    desk.minute()
    assert silence(desk) == []


def test_an_exit_that_may_say_what_no_trade_does_is_refused_at_once() -> None:
    odd = ExitPolicy("odd", time_limit(1.0).step, says=(HOLD,))
    with pytest.raises(BadInputError, match="its exit 'odd' may hold, which no trade here does; what it can is: "):
        desk_of(odd)
    with pytest.raises(BadInputError, match="strategy plain: its exit 'odd' may 7, which no trade here does; what it"):
        desk_of(replace(odd, says=(7,)))
