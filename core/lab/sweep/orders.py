"""The sweep's orders: how trader and venue deal with those of one symbol, as `core.trader.trader` and
`core.venues.simulated` do, in their order.

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
    GONE,
    INTENT,
    MAX_ORDERS,
    NONE,
    OVERFLOW,
    PLACE,
    REASON_STOP,
    REASON_TARGET,
    REASON_UNPROTECTED,
    RESTING,
    STOP,
    TARGET,
    adverse_ticks,
    compiled,
    exit_part_lots,
    exit_parts,
    lots_for_notional,
    reducible_lots,
    remedy,
    stop_is_touched,
    stop_ticks,
    target_is_touched,
    target_ticks,
)
from core.position.stops import LEAVE_BARE, LEAVE_PAST
from core.trader.state import DAY_MS

_DAY_MS = DAY_MS
_LEAVE_PAST, _LEAVE_BARE = LEAVE_PAST, LEAVE_BARE


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
    order.market = role in (ENTRY, EXIT)
    order.qty, order.filled, order.canceling, order.rejected, order.stage = lots, 0, 0, 0, -1
    order.trigger_ticks, order.trade_id, order.reason = trigger_ticks, trade_id, reason
    # The float of the exact decimal, as the venue holds it.
    order.trigger = trigger_ticks * book.tick_num / book.tick_den
    if role == STOP:
        trade = trades[book.trade]
        trade.stop_attempts += 1
        trade.stop_ticks = trigger_ticks
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
    trade.reason = trade.stop_ticks = trade.target_ticks = trade.stop_attempts = 0
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
def cancel(account: Any, book: Any, orders: Any, queue: Any, s: int, entries_only: bool, but: int) -> None:
    """Withdraw the entries, or everything, but for the order of id `but`."""
    for n in range(book.orders):
        order = orders[n]
        if order.status == DEAD or order.canceling or order.id == but or (entries_only and order.role != ENTRY):
            continue
        order.canceling = 1
        _command(account, queue, CANCEL, s, order.id)


@compiled
def leave(account: Any, config: Any, book: Any, orders: Any, trades: Any, queue: Any, s: int, reason: int) -> None:
    """Leave at market, and enter no more. The stop stays until the position is flat."""
    if book.trade < 0 or has_order(book, orders, EXIT):
        return
    cancel(account, book, orders, queue, s, ENTRIES_ONLY, NONE)
    trade = trades[book.trade]
    left = abs(book.lots)
    most = book.max_lots
    if left * book.lot_qty * book.mark > config.max_order_notional_usdt:
        most = min(most, lots_for_notional(config.max_order_notional_usdt, book.mark, book.lot_qty))
    parts = exit_parts(left, most, book.min_lots)
    while parts > 0:
        lots = exit_part_lots(left, parts)
        place(account, book, orders, trades, queue, s, EXIT, -trade.side, lots, NONE, trade.id, reason)
        left -= lots
        parts -= 1


@compiled
def bracket(
    account: Any, config: Any, book: Any, orders: Any, trades: Any, queue: Any, s: int, n: int, ticks: int
) -> None:
    """Stop and target from the first fill, both for the whole order."""
    sign, trade_id = orders[n].sign, trades[book.trade].id
    lots = abs(book.lots) + orders[n].qty - orders[n].filled
    stop = stop_ticks(ticks, sign, config.stop_pct)
    target = target_ticks(ticks, sign, config.target_pct)
    place(account, book, orders, trades, queue, s, STOP, -sign, lots, stop, trade_id, REASON_STOP)
    if target > 0:
        place(account, book, orders, trades, queue, s, TARGET, -sign, lots, target, trade_id, REASON_TARGET)


@compiled
def protect(account: Any, config: Any, book: Any, orders: Any, trades: Any, queue: Any, s: int) -> None:
    """Restore a missing stop; leave at market where the price is beyond it or the venue keeps refusing one."""
    if book.trade < 0 or has_order(book, orders, STOP) or has_order(book, orders, EXIT):
        return
    trade = trades[book.trade]
    sign = 1 if book.lots > 0 else -1
    ticks = trade.stop_ticks
    if ticks == 0:
        entry = (book.cost_e8 / 1e8) / (book.lots * book.lot_qty)
        ticks = stop_ticks(round(entry / book.tick), sign, config.stop_pct)
    wanted = remedy(sign, book.mark, ticks * book.tick, trade.stop_attempts, False)
    if wanted == _LEAVE_PAST:
        leave(account, config, book, orders, trades, queue, s, REASON_STOP)
    elif wanted == _LEAVE_BARE:
        leave(account, config, book, orders, trades, queue, s, REASON_UNPROTECTED)
    else:
        lots = abs(book.lots) + pending_entry_lots(book, orders)
        place(account, book, orders, trades, queue, s, STOP, -sign, lots, ticks, trade.id, REASON_STOP)


@compiled
def end_order(account: Any, config: Any, book: Any, orders: Any, trades: Any, queue: Any, s: int, n: int) -> None:
    """The trader learns that an order is over and not filled."""
    order = orders[n]
    order.status = DEAD
    trade_id, role, rejected = order.trade_id, order.role, order.rejected
    if role == ENTRY and book.trade >= 0 and book.lots == 0:
        trade = trades[book.trade]
        if trade.id == trade_id and trade.entry_lots == 0:
            trade.used = 0
            book.trade = -1
    if book.lots == 0:
        return
    if role == STOP or trades[book.trade].id != trade_id:
        protect(account, config, book, orders, trades, queue, s)
    elif role == TARGET and rejected:
        leave(account, config, book, orders, trades, queue, s, REASON_TARGET)


@compiled
def _opening_e8(book: Any, order: Any) -> float:
    """Notional of that part of an order that would open a position or add to one."""
    if order.role != ENTRY:
        return 0.0
    lots = max(0, order.qty - order.filled - reducible_lots(book.lots, order.sign))
    return float(float(lots) * adverse_ticks(book.mark, book.tick, order.sign) * book.tick_lot_e8)


@compiled
def _has_margin(account: Any, config: Any, books: Any, orders: Any, s: int, order: Any) -> bool:
    """Both sides times leverage and the fee's denominator; what is near a tie is told in whole numbers."""
    opening = _opening_e8(books[s], order)
    if opening == 0.0:
        return True
    bound = 0.0
    for other in range(books.shape[0]):
        bound += abs(books[other].cost_e8)
        for n in range(books[other].orders):
            if orders[other, n].status == RESTING:
                bound += _opening_e8(books[other], orders[other, n])
    free = account.wallet_e8 * config.leverage - bound
    per, of = books[s].taker_den + config.leverage * books[s].taker_num, books[s].taker_den
    over = opening * per - free * of
    if abs(over) < 1e-9 * opening * per:
        # Right even where the products wrap around.
        return bool(int(opening) * per - int(free) * of <= 0)
    return bool(over < 0.0)


@compiled
def _is_accepted(account: Any, config: Any, books: Any, orders: Any, s: int, order: Any) -> bool:
    """The venue's checks of a new order (core.venues.filters)."""
    book = books[s]
    if order.qty < book.min_lots or order.qty > book.max_lots:
        return False
    if order.role != ENTRY:
        if not order.market and order.trigger_ticks <= 0:
            return False
        if reducible_lots(book.lots, order.sign) == 0:
            return False
        if order.role == STOP:
            return not stop_is_touched(order.sign, order.trigger, book.mark, book.mark)
        if order.role == TARGET:
            return not target_is_touched(order.sign, order.trigger, book.mark, book.mark)
        return True
    notional = float(order.qty) * adverse_ticks(book.mark, book.tick, order.sign) * book.tick_lot_e8
    return notional >= book.min_notional_e8 and _has_margin(account, config, books, orders, s, order)


@compiled
def send(account: Any, config: Any, books: Any, orders: Any, trades: Any, queue: Any, answers: Any) -> bool:
    """Send the commands; the trader takes in the answers when all are sent, and what it wishes then is to be sent next.
    Whether a market order went out."""
    told, taking = 0, False
    for c in range(account.commands):
        s, order_id = queue[c, 1], queue[c, 2]
        n = find_order(books[s], orders[s], order_id)
        if n < 0:
            continue
        order = orders[s, n]
        if queue[c, 0] == PLACE:
            taking |= order.market != 0
            if _is_accepted(account, config, books, orders, s, order):
                order.status = RESTING
                continue
            order.rejected = 1
        elif order.status != RESTING:
            continue
        order.status = GONE
        answers[told, 0], answers[told, 1] = s, order_id
        told += 1
    account.commands = 0
    for a in range(told):
        s = answers[a, 0]
        n = find_order(books[s], orders[s], answers[a, 1])
        end_order(account, config, books[s], orders[s], trades[s], queue, s, n)
    for a in range(told):
        sweep_up(books[answers[a, 0]], orders[answers[a, 0]])
    return taking


@compiled
def dispatch(account: Any, config: Any, books: Any, orders: Any, trades: Any, queue: Any, answers: Any) -> None:
    """Send the commands, and what follows from the answers."""
    while account.commands > 0 and account.error == 0:
        send(account, config, books, orders, trades, queue, answers)
