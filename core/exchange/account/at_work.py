"""What of the desk needs a trader: put together in one go once there is one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from core.domain.errors import RejectKind
from core.domain.orders import Fill, Order
from core.exchange.account.reconciliation import Reconciler
from core.exchange.markets.watch import ContractWatch, Keep
from core.exchange.orders.books import Books
from core.exchange.orders.incoming import Incoming
from core.exchange.orders.outside import Outside
from core.exchange.orders.questions import Questions
from core.exchange.orders.resolver import Resolver
from core.exchange.orders.signs import Signs
from core.exchange.orders.venue import ExchangeVenue
from core.settings.schema import Settings
from core.trader.stepping import Stepping
from core.trader.trader import Trader


@dataclass(frozen=True, slots=True)
class DeskAtWork:
    """The parts of a desk whose trader lives, each made of those before it."""

    signs: Signs
    questions: Questions
    books: Books
    contracts: ContractWatch
    incoming: Incoming
    outside: Outside
    resolver: Resolver
    reconciler: Reconciler


def put_to_work(
    venue: ExchangeVenue,
    settings: Settings,
    trader: Trader,
    stepper: Stepping,
    *,
    keep: Keep,
    fill_was_asked_for: Callable[[Fill], None],
    entry_was_refused: Callable[[Order, RejectKind, str], None],
) -> DeskAtWork:
    """After `venue.restore`: everything that the journal left open is asked for. `keep` is as `ContractWatch` has it,
    the others are as `Books` has them."""
    wire = venue.wire
    signs, questions = Signs(wire.health), Questions(wire.clock)
    books = Books(
        venue,
        trader,
        stepper,
        wire.clock,
        signs,
        fill_was_asked_for=fill_was_asked_for,
        entry_was_refused=entry_was_refused,
    )
    contracts = ContractWatch(wire, settings, venue, keep, trader, stepper, account=venue)
    incoming = Incoming(books, signs, questions)
    outside = Outside(books, incoming, signs)
    resolver = Resolver(books, incoming, outside, questions)
    reconciler = Reconciler(books, incoming, resolver, outside, questions)
    records = venue.take_records()
    reconciler.restore(records)
    outside.restore(records)
    for order in books.open_orders():
        questions.ask(order)
    return DeskAtWork(signs, questions, books, contracts, incoming, outside, resolver, reconciler)
