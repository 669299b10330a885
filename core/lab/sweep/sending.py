"""The sweep's way to the venue: orders sent and withdrawn, what it answers (`core.venues.filters`), and what the trader
does about that."""

from __future__ import annotations

from typing import Any

from core.lab.sweep.forms import (
    DEAD,
    ENTRY,
    GONE,
    PLACE,
    REASON_STOP,
    REASON_TARGET,
    REFUSED,
    RESTING,
    STOP,
    TAKEN,
    TARGET,
    WOULD_TRIGGER,
    adverse_ticks,
    compiled,
    reducible_lots,
    stop_is_touched,
    target_is_touched,
)
from core.lab.sweep.orders import find_order, leave, sweep_up
from core.lab.sweep.protection import cut, protect, restore_target, retire


@compiled
def end_order(
    account: Any, config: Any, book: Any, orders: Any, trades: Any, queue: Any, s: int, n: int, policies: Any
) -> None:
    """The trader learns that an order is over and not filled. Only where `policies` move stops and reduce does a target
    end while its trade goes on."""
    order = orders[n]
    order.status = DEAD
    trade_id, role, refused, filled = order.trade_id, order.role, order.rejected, order.filled
    if role == ENTRY and book.trade >= 0 and book.lots == 0:
        trade = trades[book.trade]
        if trade.id == trade_id and trade.entry_lots == 0:
            trade.used = 0
            book.trade = -1
    if book.lots == 0:
        return
    trade = trades[book.trade]
    is_of_trade = trade.id == trade_id
    if is_of_trade and role == STOP and not order.canceling:
        trade.lost_stops += 1
        trade.stop_refused |= refused == REFUSED
    is_past = refused == WOULD_TRIGGER or (role == STOP and filled > 0)
    if is_of_trade and is_past:
        reason = REASON_STOP if role == STOP else REASON_TARGET
        leave(account, config, book, orders, trades, queue, s, reason)
    elif role == STOP or not is_of_trade:
        protect(account, config, book, orders, trades, queue, s)
    elif policies is not None and role == TARGET:
        trade.lost_targets += not order.canceling
        if filled:
            cut(account, book, orders, trades, queue, s)
        restore_target(account, config, book, orders, trades, queue, s)


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
def _answer(account: Any, config: Any, books: Any, orders: Any, s: int, order: Any) -> int:
    """The venue's checks of a new order (core.venues.filters)."""
    book = books[s]
    if order.qty < book.min_lots or order.qty > book.max_lots:
        return int(REFUSED)
    if order.role == ENTRY:
        notional = float(order.qty) * adverse_ticks(book.mark, book.tick, order.sign) * book.tick_lot_e8
        if notional < book.min_notional_e8 or not _has_margin(account, config, books, orders, s, order):
            return int(REFUSED)
        return int(TAKEN)
    if (not order.market and order.trigger_ticks <= 0) or reducible_lots(book.lots, order.sign) == 0:
        return int(REFUSED)
    if order.role == STOP and stop_is_touched(order.sign, order.trigger, book.mark, book.mark):
        return int(WOULD_TRIGGER)
    if order.role == TARGET and target_is_touched(order.sign, order.trigger, book.mark, book.mark):
        return int(WOULD_TRIGGER)
    return int(TAKEN)


@compiled
def send(
    account: Any, config: Any, books: Any, orders: Any, trades: Any, queue: Any, answers: Any, policies: Any
) -> bool:
    """Send the commands; the trader takes in the answers when all are sent, and what it wishes then is to be sent next.
    Whether a market order went out. That a stop is taken makes a difference only where `policies` move stops."""
    told, taking = 0, False
    for c in range(account.commands):
        s, order_id = queue[c, 1], queue[c, 2]
        n = find_order(books[s], orders[s], order_id)
        if n < 0:
            continue
        order = orders[s, n]
        if queue[c, 0] == PLACE:
            taking |= order.market != 0
            order.rejected = _answer(account, config, books, orders, s, order)
            if order.rejected == TAKEN:
                order.status = RESTING
                if policies is None:
                    continue
                if order.role != STOP:
                    continue
            else:
                order.status = GONE
        elif order.status == RESTING:
            order.status = GONE
        else:
            continue
        answers[told, 0], answers[told, 1] = s, order_id
        told += 1
    account.commands = 0
    for a in range(told):
        s = answers[a, 0]
        n = find_order(books[s], orders[s], answers[a, 1])
        if policies is not None and orders[s, n].status == RESTING:
            retire(account, books[s], orders[s], trades[s], queue, s)
            continue
        end_order(account, config, books[s], orders[s], trades[s], queue, s, n, policies)
    for a in range(told):
        sweep_up(books[answers[a, 0]], orders[answers[a, 0]])
    return taking


@compiled
def dispatch(
    account: Any, config: Any, books: Any, orders: Any, trades: Any, queue: Any, answers: Any, policies: Any
) -> None:
    """Send the commands, and what follows from the answers."""
    while account.commands > 0 and account.error == 0:
        send(account, config, books, orders, trades, queue, answers, policies)
