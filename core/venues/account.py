"""The account that a simulated venue keeps."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from core.domain.instrument import Instrument
from core.domain.orders import Fill, Order
from core.domain.regrid import Factor, rescaled_fill, rescaled_order
from core.domain.trading import FundingPayment
from core.venues.book import Book


@dataclass(slots=True)
class VenueAccount:
    """`books` by symbol; `orders`, and the `fills` of each, by client id; `paid` are the ids of all funding."""

    books: dict[str, Book]
    wallet_usdt: Decimal
    orders: dict[str, Order] = field(default_factory=dict)
    fills: dict[str, list[Fill]] = field(default_factory=dict)
    paid: set[str] = field(default_factory=set)

    def take_fill(self, book: Book, fill: Fill) -> None:
        self.fills.setdefault(fill.client_order_id, []).append(fill)
        self.wallet_usdt += book.apply_fill(fill) - fill.fee_usdt

    def pay(self, payment: FundingPayment) -> None:
        self.paid.add(payment.funding_id)
        self.wallet_usdt += payment.amount_usdt

    def adopt(self, instrument: Instrument, by: Factor) -> None:
        """Count a contract `by` times finer from now on."""
        if not by.is_one:
            ours = [order for order in self.orders.values() if order.symbol == instrument.symbol]
            for order in ours:
                self.orders[order.client_order_id] = rescaled_order(order, by)
                fills = self.fills.get(order.client_order_id, ())
                self.fills[order.client_order_id] = [rescaled_fill(fill, by) for fill in fills]
        self.books[instrument.symbol].adopt(instrument, by)
