"""The sweep's stops and targets: placed with the first fill, kept true ever after, as `core.trader.protection` does."""

from __future__ import annotations

from typing import Any

from core.lab.sweep.forms import (
    EXIT,
    REASON_STOP,
    REASON_TARGET,
    REASON_UNPROTECTED,
    RESTING,
    STOP,
    TARGET,
    compiled,
    remedy,
    stop_ticks,
    target_ticks,
)
from core.lab.sweep.orders import has_order, is_stop, leave, lots_to_protect, place, stop_lots, withdraw
from core.lab.sweep.policies import entry_stop
from core.position.stops import LEAVE_BARE, LEAVE_PAST, MAX_LOST_STOPS
from core.trader.targets import MAX_LOST_TARGETS

_LEAVE_PAST, _LEAVE_BARE = LEAVE_PAST, LEAVE_BARE
_MAX_LOST_STOPS, _MAX_LOST_TARGETS = MAX_LOST_STOPS, MAX_LOST_TARGETS


@compiled
def bracket(
    account: Any,
    config: Any,
    book: Any,
    orders: Any,
    trades: Any,
    queue: Any,
    s: int,
    n: int,
    ticks: int,
    policies: Any,
) -> None:
    """Stop and target from the first fill, both for the whole order."""
    sign, trade_id = orders[n].sign, trades[book.trade].id
    lots = abs(book.lots) + orders[n].qty - orders[n].filled
    stop = stop_ticks(ticks, sign, config.stop_pct)
    target = target_ticks(ticks, sign, config.target_pct)
    if policies is not None:
        stop = entry_stop(account, book, policies, sign, lots, ticks, stop)
    trades[book.trade].first_stop_ticks, trades[book.trade].first_target_ticks = stop, max(target, 0)
    place(account, book, orders, trades, queue, s, STOP, -sign, lots, stop, trade_id, REASON_STOP)
    if target > 0:
        place(account, book, orders, trades, queue, s, TARGET, -sign, lots, target, trade_id, REASON_TARGET)


@compiled
def protect(account: Any, config: Any, book: Any, orders: Any, trades: Any, queue: Any, s: int) -> None:
    """Restore a missing stop; leave at market where the price is beyond it or the venue keeps refusing one."""
    if book.trade < 0 or has_order(book, orders, EXIT):
        return
    lots = lots_to_protect(book, orders)
    if stop_lots(book, orders) >= lots:
        return
    trade = trades[book.trade]
    sign = 1 if book.lots > 0 else -1
    ticks = trade.stop_ticks
    if ticks == 0:
        entry = (book.cost_e8 / 1e8) / (book.lots * book.lot_qty)
        ticks = stop_ticks(round(entry / book.tick), sign, config.stop_pct)
    wanted = remedy(sign, book.mark, ticks * book.tick, trade.lost_stops, trade.stop_refused != 0)
    if wanted == _LEAVE_PAST:
        leave(account, config, book, orders, trades, queue, s, REASON_STOP)
    elif wanted == _LEAVE_BARE:
        leave(account, config, book, orders, trades, queue, s, REASON_UNPROTECTED)
    else:
        place(account, book, orders, trades, queue, s, STOP, -sign, lots, ticks, trade.id, REASON_STOP)


@compiled
def restore_target(account: Any, config: Any, book: Any, orders: Any, trades: Any, queue: Any, s: int) -> None:
    """Place the target again where it ended without closing the position; leave where the price is past it."""
    if book.trade < 0 or has_order(book, orders, EXIT) or has_order(book, orders, TARGET):
        return
    trade = trades[book.trade]
    ticks = trade.target_ticks
    if ticks == 0 or trade.leaving:
        return
    sign = 1 if book.lots > 0 else -1
    if sign * (book.mark - ticks * book.tick) >= 0.0:
        leave(account, config, book, orders, trades, queue, s, REASON_TARGET)
    elif trade.lost_targets <= _MAX_LOST_TARGETS:
        lots = lots_to_protect(book, orders)
        place(account, book, orders, trades, queue, s, TARGET, -sign, lots, ticks, trade.id, REASON_TARGET)


@compiled
def cut(account: Any, book: Any, orders: Any, trades: Any, queue: Any, s: int) -> None:
    """Stop and target for what is held and may still be added, where they rest larger than that."""
    if book.trade < 0 or has_order(book, orders, EXIT):
        return
    trade = trades[book.trade]
    lots = lots_to_protect(book, orders)
    sign = 1 if book.lots > 0 else -1
    last, target_lots = -1, 0
    for n in range(book.orders):
        order = orders[n]
        if is_stop(book, order):
            last = n
        elif order.role == TARGET and order.status == RESTING and not order.canceling:
            target_lots += order.qty - order.filled
    if last >= 0 and not trade.stop_refused and trade.lost_stops < _MAX_LOST_STOPS:
        stop = orders[last]
        if stop.status == RESTING and stop.qty - stop.filled > lots:
            place(account, book, orders, trades, queue, s, STOP, -sign, lots, trade.stop_ticks, trade.id, REASON_STOP)
    if trade.target_ticks and trade.lost_targets <= _MAX_LOST_TARGETS and target_lots > lots:
        ticks = trade.target_ticks
        place(account, book, orders, trades, queue, s, TARGET, -sign, lots, ticks, trade.id, REASON_TARGET)
        for n in range(book.orders):
            if orders[n].role == TARGET and orders[n].status == RESTING:
                withdraw(account, orders[n], queue, s)


@compiled
def retire(account: Any, book: Any, orders: Any, trades: Any, queue: Any, s: int) -> None:
    """Withdraw the stops that a later one, which rests and covers everything, has taken the place of."""
    if book.trade < 0:
        return
    ticks, lots = trades[book.trade].stop_ticks, lots_to_protect(book, orders)
    newest = -1
    for n in range(book.orders):
        stop = orders[n]
        is_there = is_stop(book, stop) and stop.status == RESTING and stop.trigger_ticks == ticks
        if is_there and stop.qty - stop.filled >= lots:
            newest = n
    for n in range(book.orders):
        if newest >= 0 and is_stop(book, orders[n]) and (n < newest or orders[n].trigger_ticks != ticks):
            withdraw(account, orders[n], queue, s)
