"""The sweep's matching: which orders of a symbol a price or a bar reaches, and their fills in the order of
`core.venues.matching`.
"""

from __future__ import annotations

from typing import Any

from core.lab.sweep.fills import LATE_STOPS, fill_hit, is_liquidated_by, liquidate
from core.lab.sweep.forms import (
    EXIT,
    REASON_REVERSAL,
    RESTING,
    STOP,
    compiled,
    is_beyond,
    participation_cap_lots,
    stop_is_touched,
    target_is_touched,
    worse_price,
)
from core.lab.sweep.orders import sweep_up

_UNCAPPED = 1 << 62
_STOPS, _LATE_STOPS, _TARGETS, _MARKETS = 0, LATE_STOPS, 2, 3


@compiled
def _find_hits_at_price(book: Any, orders: Any, price: float) -> bool:
    """Note which resting orders a single price reaches, and at which stage; whether there are any."""
    found = False
    for n in range(book.orders):
        order = orders[n]
        order.stage, order.price = -1, price
        if order.status != RESTING:
            continue
        if order.market:
            order.stage = _MARKETS
        elif order.role == STOP:
            if stop_is_touched(order.sign, order.trigger, price, price):
                order.stage = _STOPS
        elif target_is_touched(order.sign, order.trigger, price, price):
            order.stage = _MARKETS
        found = found or order.stage >= 0
    return found


@compiled
def _find_hits_in_bar(book: Any, orders: Any, first: float, low: float, high: float, last: float) -> bool:
    """The same for a whole bar. All orders were there at its first price: they are sent before it, or at it."""
    found = False
    for n in range(book.orders):
        order = orders[n]
        order.stage = -1
        if order.status != RESTING:
            continue
        if order.market:
            order.stage, order.price = _MARKETS, last
        elif order.role == STOP:
            if stop_is_touched(order.sign, order.trigger, low, high):
                order.stage, order.price = _STOPS, worse_price(order.sign, order.trigger, first)
        elif target_is_touched(order.sign, order.trigger, low, high):
            order.stage, order.price = _TARGETS, order.trigger
        found = found or order.stage >= 0
    return found


@compiled
def _take_hits(
    account: Any,
    config: Any,
    book: Any,
    orders: Any,
    trades: Any,
    queue: Any,
    closed: Any,
    s: int,
    first: float,
    low: float,
    high: float,
    volume: float,
    cap: int,
    spent: int,
    now: int,
    policies: Any,
) -> int:
    """Fill what was hit, stage by stage; liquidation comes after the stops that should have prevented it, and before
    those beyond its price. Returns the side of the exit that a reversal asked for and that left the symbol flat, else
    0."""
    there = book.orders
    turned = 0
    if is_liquidated_by(book, low, high):
        for n in range(there):
            if orders[n].stage == _STOPS and is_beyond(book.liquidation, orders[n].sign, orders[n].trigger):
                orders[n].stage = _LATE_STOPS
    for stage in range(_STOPS, _MARKETS + 1):
        for n in range(there):
            if orders[n].stage == stage and orders[n].status == RESTING:
                lots = fill_hit(
                    account, config, book, orders, trades, queue, closed, s, n, cap, spent, volume, now, policies
                )
                cap -= lots
                if lots and book.trade < 0 and orders[n].role == EXIT and orders[n].reason == REASON_REVERSAL:
                    turned = orders[n].sign
        if stage == _STOPS and is_liquidated_by(book, low, high):
            liquidate(account, config, book, orders, trades, queue, closed, s, first, volume, now)
    sweep_up(book, orders)
    return int(turned)


@compiled
def match_first_price(
    account: Any,
    config: Any,
    book: Any,
    orders: Any,
    trades: Any,
    queue: Any,
    closed: Any,
    s: int,
    price: float,
    now: int,
    policies: Any,
) -> int:
    """Match the first price of a bar, against the volume of the bar before, and let the trader answer each fill.
    Returns the side to which a reversal may turn now, else 0."""
    if book.orders == 0 and book.lots == 0:
        return 0
    if not (_find_hits_at_price(book, orders, price) or is_liquidated_by(book, price, price)):
        return 0
    volume, cap = book.volume, _UNCAPPED
    if book.seen:
        cap = participation_cap_lots(volume, book.lot_qty, config.max_participation_pct) - book.spent
    return int(
        _take_hits(
            account,
            config,
            book,
            orders,
            trades,
            queue,
            closed,
            s,
            price,
            price,
            price,
            volume,
            cap,
            0,
            now,
            policies,
        )
    )


@compiled
def match_bar(
    account: Any,
    config: Any,
    book: Any,
    orders: Any,
    trades: Any,
    queue: Any,
    closed: Any,
    s: int,
    first: float,
    low: float,
    high: float,
    last: float,
    volume: float,
    now: int,
    policies: Any,
) -> None:
    """Match a closed bar, and let the trader answer each fill."""
    if book.orders == 0 and book.lots == 0:
        return
    if _find_hits_in_bar(book, orders, first, low, high, last) or is_liquidated_by(book, low, high):
        cap = participation_cap_lots(volume, book.lot_qty, config.max_participation_pct)
        spent = book.spent
        _take_hits(
            account,
            config,
            book,
            orders,
            trades,
            queue,
            closed,
            s,
            first,
            low,
            high,
            volume,
            cap,
            spent,
            now,
            policies,
        )
