"""The sweep's orders: what a trader wishes for and withdraws of one symbol, as `core.trader.sending` does.

`orders` and `trades` are the rows of one symbol in records of `sweep_forms`; `queue` holds the commands of the step.
"""

from __future__ import annotations

from typing import Any

from core.lab.sweep.forms import (
    CANCEL,
    CROSSED,
    DEAD,
    ENTRIES_ONLY,
    ENTRY,
    EXIT,
    INTENT,
    MAX_ORDERS,
    NONE,
    OVERFLOW,
    PLACE,
    REDUCE,
    STOP,
    TARGET,
    compiled,
    exit_part_lots,
    exit_parts,
    lots_for_notional,
)
from core.trader.state import DAY_MS

_DAY_MS = DAY_MS


@compiled
def find_order(book: Any, orders: Any, order_id: int) -> int:
    for n in range(book.orders):
        if orders[n].id == order_id and orders[n].status != DEAD:
            return n
    return -1


@compiled
def has_order(book: Any, orders: Any, role: int) -> bool:
    found = False
    for n in range(book.orders):
        found |= orders[n].role == role and orders[n].status != DEAD
    return found


@compiled
def sweep_up(book: Any, orders: Any) -> None:
    """Drop the orders that are over; the others keep their sequence."""
    kept = 0
    for n in range(book.orders):
        if orders[n].status != DEAD:
            if kept != n:
                orders[kept] = orders[n]
            kept += 1
    book.orders = kept


@compiled
def pending_entry_lots(book: Any, orders: Any) -> int:
    remaining = 0
    for n in range(book.orders):
        if orders[n].role == ENTRY and orders[n].status != DEAD:
            remaining += orders[n].qty - orders[n].filled
    return remaining


@compiled
def is_stop(book: Any, order: Any) -> bool:
    """Whether it is an open stop of what is held that is to stay."""
    return bool(order.role == STOP and order.status != DEAD and not order.canceling and order.sign * book.lots < 0)


@compiled
def stop_lots(book: Any, orders: Any) -> int:
    lots = 0
    for n in range(book.orders):
        if is_stop(book, orders[n]):
            lots += orders[n].qty - orders[n].filled
    return lots


@compiled
def lots_to_protect(book: Any, orders: Any) -> int:
    """The position with what may still be added to it."""
    lots = abs(book.lots)
    for n in range(book.orders):
        order = orders[n]
        if order.role == ENTRY and order.status != DEAD and order.sign * book.lots > 0:
            lots += order.qty - order.filled
    return int(lots)


@compiled
def _command(account: Any, queue: Any, kind: int, s: int, order_id: int) -> None:
    n = account.commands
    if n >= queue.shape[0]:
        account.error = OVERFLOW
        return
    queue[n, 0], queue[n, 1], queue[n, 2] = kind, s, order_id
    account.commands = n + 1


@compiled
def place(
    account: Any,
    book: Any,
    orders: Any,
    trades: Any,
    queue: Any,
    s: int,
    role: int,
    sign: int,
    lots: int,
    trigger_ticks: int,
    trade_id: int,
    reason: int,
) -> None:
    if book.orders >= MAX_ORDERS:
        account.error = OVERFLOW
        return
    order = orders[book.orders]
    book.orders += 1
    account.next_id += 1
    order.id, order.role, order.status, order.sign = account.next_id, role, INTENT, sign
    order.market = role in (ENTRY, EXIT, REDUCE)
    order.qty, order.filled, order.canceling, order.rejected, order.stage = lots, 0, 0, 0, -1
    order.trigger_ticks, order.trade_id, order.reason = trigger_ticks, trade_id, reason
    # The float of the exact decimal, as the venue holds it.
    order.trigger = trigger_ticks * book.tick_num / book.tick_den
    if role == STOP:
        trades[book.trade].stop_ticks = trigger_ticks
    elif role == TARGET:
        trades[book.trade].target_ticks = trigger_ticks
    _command(account, queue, PLACE, s, order.id)


@compiled
def open_trade(account: Any, trades: Any, trade_id: int, side: int) -> int:
    """A place for a new trade of this id, or of an id that no order has where it is 0."""
    n = 0
    trade = trades[n]
    if trade.used:
        account.error = CROSSED
    if trade_id == 0:
        account.next_id += 1
        trade_id = account.next_id
    trade.used, trade.id, trade.side = 1, trade_id, side
    trade.entry_time_ms = trade.exit_time_ms = 0
    trade.entry_lots = trade.exit_lots = 0
    trade.entry_value_e8 = trade.exit_value_e8 = 0.0
    trade.gross_e8 = trade.fees_e8 = trade.funding_e8 = 0.0
    trade.reason = trade.stop_ticks = trade.target_ticks = 0
    trade.first_stop_ticks = trade.first_target_ticks = trade.leaving = 0
    trade.lost_stops = trade.lost_targets = trade.stop_refused = trade.bars = 0
    return n


@compiled
def enter(
    account: Any, book: Any, orders: Any, trades: Any, queue: Any, s: int, sign: int, lots: int, now: int
) -> None:
    """Wish for a market entry of `lots`."""
    account.next_id += 1
    trade_id = account.next_id
    book.trade = open_trade(account, trades, trade_id, sign)
    day = now // _DAY_MS
    account.entries_today = account.entries_today + 1 if day == account.entries_day else 1
    account.entries_day = day
    place(account, book, orders, trades, queue, s, ENTRY, sign, lots, NONE, trade_id, NONE)


@compiled
def withdraw(account: Any, order: Any, queue: Any, s: int) -> None:
    if not order.canceling:
        order.canceling = 1
        _command(account, queue, CANCEL, s, order.id)


@compiled
def cancel(account: Any, book: Any, orders: Any, queue: Any, s: int, entries_only: bool, but: int) -> None:
    """Withdraw the entries, or everything, but for the order of id `but`."""
    for n in range(book.orders):
        order = orders[n]
        if order.status == DEAD or order.id == but or (entries_only and order.role != ENTRY):
            continue
        withdraw(account, order, queue, s)


@compiled
def leave(account: Any, config: Any, book: Any, orders: Any, trades: Any, queue: Any, s: int, reason: int) -> None:
    """Leave at market, and enter no more. The stop stays until the position is flat."""
    if book.trade < 0 or has_order(book, orders, EXIT):
        return
    cancel(account, book, orders, queue, s, ENTRIES_ONLY, NONE)
    trades[book.trade].leaving = 1
    close_parts(account, config, book, orders, trades, queue, s, EXIT, abs(book.lots), reason)


@compiled
def close_parts(
    account: Any,
    config: Any,
    book: Any,
    orders: Any,
    trades: Any,
    queue: Any,
    s: int,
    role: int,
    lots: int,
    reason: int,
) -> None:
    """Close so many lots of the trade at market, in orders none of which is larger than contract and settings allow."""
    trade = trades[book.trade]
    left = lots
    most = book.max_lots
    if left * book.lot_qty * book.mark > config.max_order_notional_usdt:
        most = min(most, lots_for_notional(config.max_order_notional_usdt, book.mark, book.lot_qty))
    parts = exit_parts(left, most, book.min_lots)
    while parts > 0:
        part = exit_part_lots(left, parts)
        place(account, book, orders, trades, queue, s, role, -trade.side, part, NONE, trade.id, reason)
        left -= part
        parts -= 1
