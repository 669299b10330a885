"""What the simulated venue refuses on arrival. Each check raises VenueRejectedError with one line."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from core.arithmetic.fills import stop_is_touched, target_is_touched
from core.domain.errors import RejectKind, VenueRejectedError
from core.domain.orders import Order, OrderType
from core.venues.book import TRIGGERED, Book
from core.venues.margin import available_usdt, needed_usdt, reference_ticks


def check_order(order: Order, book: Book, books: Iterable[Book], wallet_usdt: Decimal) -> None:
    """All checks, the cheapest and most telling first."""
    _check_size(order, book)
    _check_prices(order)
    _check_reduce_only(order, book)
    if order.type in TRIGGERED:
        _check_trigger(order, book)
    if not order.reduce_only:
        _check_notional(order, book)
        _check_margin(order, book, books, wallet_usdt)


def _refuse(order: Order, why: str, kind: RejectKind = RejectKind.OTHER) -> VenueRejectedError:
    return VenueRejectedError(f"order {order.client_order_id}: {order.symbol} {why}", kind)


def _check_size(order: Order, book: Book) -> None:
    instrument = book.instrument
    if order.qty_lots % instrument.lot_step:
        # What an earlier rule of the contract left is closed whole: with an order cut down to it.
        if not order.reduce_only:
            why = f"{order.qty_lots} lots are no multiple of {instrument.lot_step}"
            raise _refuse(order, why, RejectKind.PRECISION)
    elif order.qty_lots < instrument.min_lots:
        raise _refuse(order, f"{order.qty_lots} lots are below the minimum of {instrument.min_lots}")
    if order.qty_lots > instrument.max_lots:
        raise _refuse(order, f"{order.qty_lots} lots are above the maximum of {instrument.max_lots}")


def _check_prices(order: Order) -> None:
    if order.type is OrderType.LIMIT and (order.price_ticks is None or order.price_ticks <= 0):
        raise _refuse(order, f"a limit order needs a price above zero, got {order.price_ticks} ticks")
    if order.type in TRIGGERED and (order.trigger_ticks is None or order.trigger_ticks <= 0):
        raise _refuse(order, f"a {order.type} order needs a trigger above zero, got {order.trigger_ticks} ticks")


def _check_reduce_only(order: Order, book: Book) -> None:
    if order.reduce_only and not book.reducible_lots(order.side.sign):
        raise _refuse(
            order,
            f"reduce-only {order.side} has no position to reduce (position {book.lots} lots)",
            RejectKind.REDUCE_ONLY,
        )


def _check_trigger(order: Order, book: Book) -> None:
    """Against the newest price known; before any there is nothing to fire on."""
    sign = order.side.sign
    price = book.ask if sign > 0 else book.bid
    if not price:
        return
    trigger = float(book.instrument.price(order.trigger_ticks or 0))
    touched = stop_is_touched if order.type is OrderType.STOP_MARKET else target_is_touched
    if touched(sign, trigger, price, price):
        raise _refuse(order, f"trigger {trigger} would fire at once, the price is {price}", RejectKind.WOULD_TRIGGER)


def _check_notional(order: Order, book: Book) -> None:
    ticks = reference_ticks(order, book)
    if ticks is None:
        raise _refuse(order, "no price is known yet, so notional and margin cannot be checked")
    notional = book.instrument.notional_usdt(order.qty_lots, ticks)
    if notional < book.instrument.min_notional_usdt:
        raise _refuse(
            order, f"notional {notional:f} USDT is below the minimum of {book.instrument.min_notional_usdt:f}"
        )


def _check_margin(order: Order, book: Book, books: Iterable[Book], wallet_usdt: Decimal) -> None:
    needed = needed_usdt(order, book)
    if not needed:
        return
    available = available_usdt(wallet_usdt, books)
    if needed > available:
        raise _refuse(
            order,
            f"needs {needed:.2f} USDT of margin and fee at {book.leverage}x, {available:.2f} are available",
            RejectKind.NO_MARGIN,
        )
