"""A simulated venue's account taken up from its journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from core.domain.errors import StorageError
from core.domain.market import Bar, FirstPrice, Quote
from core.domain.orders import Fill, Order, OrderState, apply_fill
from core.domain.trading import FundingPayment, Position
from core.venues.account import VenueAccount
from core.venues.answers import LIQUIDATION_PREFIX, closing_order
from core.venues.book import rest


@dataclass(frozen=True, slots=True)
class Beginning:
    """What stands for the beginning of a journal: the wallet and the positions behind it, how much of each order that
    is known had been filled by then, its newest fills, and the ids of all funding paid in it."""

    wallet_usdt: Decimal
    positions: Mapping[str, Position]
    filled_lots: Mapping[str, int]
    fills: Sequence[Fill]
    paid: Iterable[str]


def restore_account(
    account: VenueAccount,
    orders: Iterable[Order],
    fills: Iterable[Fill],
    payments: Iterable[FundingPayment],
    last_bars: Iterable[Bar],
    last_prices: Iterable[FirstPrice | Quote],
    before: Beginning | None,
) -> None:
    """Bring a new account to what a journal tells; see `core.venues.simulated.SimulatedVenue.restore`."""
    for bar in last_bars:
        if bar.symbol in account.books:
            account.books[bar.symbol].see_bar(bar)
    for price in last_prices:
        if price.symbol in account.books:
            bid, ask = (price.price, price.price) if isinstance(price, FirstPrice) else (price.bid, price.ask)
            account.books[price.symbol].see_price(price.time_ms, bid, ask)
    for order in orders:
        if order.venue_order_id or order.filled_lots:
            account.orders[order.client_order_id] = order
    filled = Counter(before.filled_lots) if before is not None else Counter[str]()
    if before is not None:
        _stand(account, before)
    for fill in fills:
        _take_again(account, fill)
        filled[fill.client_order_id] += fill.qty_lots
    for payment in payments:
        account.pay(payment)
    for order in account.orders.values():
        _rest_again(account, order, filled[order.client_order_id])


def _stand(account: VenueAccount, before: Beginning) -> None:
    account.wallet_usdt = before.wallet_usdt
    account.paid = set(before.paid)
    for symbol, position in before.positions.items():
        book = account.books.get(symbol)
        if book is None:
            raise StorageError(f"journal: a position in {symbol}, which is not traded; add the symbol")
        book.stand(position)
    for fill in before.fills:
        account.fills.setdefault(fill.client_order_id, []).append(fill)
        if fill.symbol in account.books:
            account.books[fill.symbol].note(fill, spends=not fill.client_order_id.startswith(LIQUIDATION_PREFIX))


def _take_again(account: VenueAccount, fill: Fill) -> None:
    book = account.books.get(fill.symbol)
    if book is None:
        raise StorageError(f"journal: fill {fill.fill_id} is of {fill.symbol}, which is not traded; add the symbol")
    is_liquidation = fill.client_order_id.startswith(LIQUIDATION_PREFIX)
    if is_liquidation and fill.client_order_id not in account.orders:
        order = closing_order(fill.client_order_id, fill.symbol, fill.side, fill.qty_lots, fill.time_ms)
        account.orders[order.client_order_id] = apply_fill(order, fill)
    elif fill.client_order_id not in account.orders:
        raise StorageError(f"journal: fill {fill.fill_id} has no order; the journal is damaged")
    if not is_liquidation:
        book.spend(fill.time_ms, fill.qty_lots)
    account.take_fill(book, fill)


def _rest_again(account: VenueAccount, order: Order, filled: int) -> None:
    if filled != order.filled_lots:
        raise StorageError(
            f"journal: order {order.client_order_id} says {order.filled_lots} lots filled, its fills say {filled}; "
            "the journal is damaged"
        )
    if not order.is_open:
        return
    book = account.books.get(order.symbol)
    if book is None:
        raise StorageError(f"journal: order {order.client_order_id} is of {order.symbol}, which is not traded; add it")
    state = OrderState.PARTIALLY_FILLED if order.filled_lots else OrderState.ACCEPTED
    order = replace(order, state=state)
    account.orders[order.client_order_id] = order
    book.resting[order.client_order_id] = rest(order, book.instrument)
