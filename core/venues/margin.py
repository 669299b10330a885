"""Isolated margin: what is bound, what is free, what an order would bind.

A position binds its open cost / leverage. An order binds the notional that it would open / leverage; one that can
only reduce binds nothing. Unrealised profit is no margin for another position. Checked when an order arrives, not
again when it fills.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from core.domain.orders import Order, OrderType
from core.venues.book import TRIGGERED, ZERO, Book


def reference_ticks(order: Order, book: Book) -> int | None:
    """The price an order is valued at: its limit, its trigger, else the newest price; None where none is known."""
    if order.type is OrderType.LIMIT:
        return order.price_ticks
    if order.type in TRIGGERED:
        return order.trigger_ticks
    sign = order.side.sign
    price = book.ask if sign > 0 else book.bid
    return book.adverse_ticks(price, sign) if price else None


def opening_usdt(order: Order, book: Book) -> Decimal:
    """Notional of that part of an order that would open a position or add to one."""
    if order.reduce_only:
        return ZERO
    lots = max(0, order.remaining_lots - book.reducible_lots(order.side.sign))
    ticks = reference_ticks(order, book)
    return book.instrument.notional_usdt(lots, ticks) if lots and ticks is not None else ZERO


def needed_usdt(order: Order, book: Book) -> Decimal:
    """Margin of what a new order would open, and the taker fee on it."""
    opening = opening_usdt(order, book)
    return opening / book.leverage + opening * book.instrument.taker_fee_bps / 10_000


def available_usdt(wallet_usdt: Decimal, books: Iterable[Book]) -> Decimal:
    """Wallet less what positions and open orders bind; can be negative after losses."""
    free = wallet_usdt
    for book in books:
        if book.lots:
            free -= abs(book.cost_usdt) / book.leverage
        for resting in book.resting.values():
            free -= opening_usdt(resting.order, book) / book.leverage
    return free
