"""Double-entry books in Decimal: wallet, realised profit, fees, funding, and positions at cost.

The identity that every test leans on, to the last digit:
equity - initial balance == realised + unrealised - fees + funding received + adjustments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from enum import StrEnum

from core.arithmetic.cost_basis import release
from core.domain.instrument import Instrument
from core.domain.orders import Fill
from core.domain.regrid import Factor
from core.domain.trading import EXACT, Account, FundingPayment, Position

ZERO = Decimal(0)


class Book(StrEnum):
    WALLET = "wallet"
    CAPITAL = "capital"
    REALISED = "realised"
    FEES = "fees"
    FUNDING = "funding"
    ADJUSTMENTS = "adjustments"


@dataclass(frozen=True, slots=True)
class Entry:
    """One balanced entry: the postings sum to zero."""

    time_ms: int
    ref: str
    postings: tuple[tuple[Book, Decimal], ...]


@dataclass(frozen=True, slots=True)
class FillEffect:
    """What a fill did: profit realised before fees, lots closed and opened, the position after it (None if flat)."""

    realised_usdt: Decimal
    closed_lots: int
    opened_lots: int
    position: Position | None


class Ledger:
    """The account's books. Only `book`, `recall` and the `apply_...` methods change them. A venue numbers its fills by
    symbol."""

    def __init__(self, initial_balance_usdt: Decimal, instruments: Mapping[str, Instrument]) -> None:
        self._instruments = dict(instruments)
        self._balances: dict[Book, Decimal] = dict.fromkeys(Book, ZERO)
        self._seen_fills: set[tuple[str, str]] = set()
        self._seen_payments: set[str] = set()
        self._seen_adjustments: set[str] = set()
        self.positions: dict[str, Position] = {}
        self.book(Entry(0, "opening", ((Book.WALLET, initial_balance_usdt), (Book.CAPITAL, -initial_balance_usdt))))

    def adopt(self, instrument: Instrument, by: Factor) -> None:
        """Count a contract by other rules, which are `by` times finer."""
        symbol = instrument.symbol
        self._instruments[symbol] = instrument
        if symbol in self.positions:
            position = self.positions[symbol]
            self.positions[symbol] = replace(position, lots=position.lots * by.lots)

    def book(self, entry: Entry) -> None:
        """Raises ValueError when the postings do not balance."""
        total = ZERO
        for _, amount in entry.postings:
            total = EXACT.add(total, amount)
        if total:
            raise ValueError(f"ledger entry {entry.ref} does not balance")
        for book, amount in entry.postings:
            self._balances[book] = EXACT.add(self._balances[book], amount)

    def balances(self) -> dict[Book, Decimal]:
        return dict(self._balances)

    def recall(
        self,
        balances: Mapping[Book, Decimal],
        positions: Mapping[str, Position],
        fills: Iterable[tuple[str, str]],
        payments: Iterable[str],
        adjustments: Iterable[str],
    ) -> None:
        """Stand where other books stood, which had booked what bears these ids."""
        self._balances = dict(balances)
        self.positions = dict(positions)
        self._seen_fills, self._seen_payments, self._seen_adjustments = set(fills), set(payments), set(adjustments)

    def has_fill(self, symbol: str, fill_id: str) -> bool:
        return (symbol, fill_id) in self._seen_fills

    def has_payment(self, funding_id: str) -> bool:
        return funding_id in self._seen_payments

    def has_adjustment(self, adjustment_id: str) -> bool:
        return adjustment_id in self._seen_adjustments

    def apply_fill(self, fill: Fill, trade_id: str) -> FillEffect:
        """Book one execution. A fill that crosses zero closes the position and opens the rest on the other side.

        Raises ValueError when the fill was applied before.
        """
        if (fill.symbol, fill.fill_id) in self._seen_fills:
            raise ValueError(f"fill {fill.fill_id} was applied before")
        with localcontext(EXACT):
            held = self.positions.pop(fill.symbol, None)
            effect = traded(held, fill, self._instruments[fill.symbol], trade_id)
            if effect.position is not None:
                self.positions[fill.symbol] = effect.position
        self._seen_fills.add((fill.symbol, fill.fill_id))
        self.book(
            Entry(
                fill.time_ms,
                fill.fill_id,
                (
                    (Book.WALLET, EXACT.subtract(effect.realised_usdt, fill.fee_usdt)),
                    (Book.REALISED, EXACT.minus(effect.realised_usdt)),
                    (Book.FEES, fill.fee_usdt),
                ),
            )
        )
        return effect

    def apply_funding(self, payment: FundingPayment) -> None:
        """Raises ValueError when the payment was applied before."""
        if payment.funding_id in self._seen_payments:
            raise ValueError(f"funding {payment.funding_id} was applied before")
        self._seen_payments.add(payment.funding_id)
        self.book(
            Entry(
                payment.time_ms,
                payment.funding_id,
                ((Book.WALLET, payment.amount_usdt), (Book.FUNDING, -payment.amount_usdt)),
            )
        )

    def apply_adjustment(self, adjustment_id: str, time_ms: int, amount_usdt: Decimal) -> None:
        """Add `amount_usdt` to the wallet. Raises ValueError when the adjustment was applied before."""
        if adjustment_id in self._seen_adjustments:
            raise ValueError(f"adjustment {adjustment_id} was applied before")
        self._seen_adjustments.add(adjustment_id)
        self.book(Entry(time_ms, adjustment_id, ((Book.WALLET, amount_usdt), (Book.ADJUSTMENTS, -amount_usdt))))

    @property
    def wallet_usdt(self) -> Decimal:
        return self._balances[Book.WALLET]

    @property
    def imbalance_usdt(self) -> Decimal:
        """The sum of all books: zero, or something other than `book` changed one."""
        total = ZERO
        for balance in self._balances.values():
            total = EXACT.add(total, balance)
        return total

    def unrealised_usdt(self, symbol: str, mark_price: Decimal) -> Decimal:
        position = self.positions.get(symbol)
        if position is None:
            return ZERO
        with localcontext(EXACT):
            return self._instruments[symbol].qty(position.lots) * mark_price - position.cost_usdt

    def all_unrealised_usdt(self, mark_prices: Mapping[str, Decimal]) -> Decimal:
        """Raises KeyError when an open position has no mark."""
        total = ZERO
        for symbol, position in self.positions.items():
            value = EXACT.multiply(self._instruments[symbol].qty(position.lots), mark_prices[symbol])
            total = EXACT.add(total, EXACT.subtract(value, position.cost_usdt))
        return total

    def account(self, mark_prices: Mapping[str, Decimal]) -> Account:
        """The account at the given marks. Raises KeyError when an open position has no mark."""
        with localcontext(EXACT):
            unrealised = self.all_unrealised_usdt(mark_prices)
            return Account(
                initial_usdt=-self._balances[Book.CAPITAL],
                wallet_usdt=self._balances[Book.WALLET],
                unrealised_usdt=unrealised,
                realised_usdt=-self._balances[Book.REALISED],
                fees_usdt=self._balances[Book.FEES],
                funding_usdt=-self._balances[Book.FUNDING],
                adjustments_usdt=-self._balances[Book.ADJUSTMENTS],
            )


def traded(position: Position | None, fill: Fill, instrument: Instrument, trade_id: str) -> FillEffect:
    """What a fill does to a position at mean cost. What it opens from flat, or on the other side, is of `trade_id`. To
    be computed in EXACT."""
    price = instrument.price(fill.price_ticks)
    sign = fill.side.sign
    realised, closed = ZERO, 0
    if position is not None and (position.lots > 0) != (sign > 0):
        held = abs(position.lots)
        closed = min(held, fill.qty_lots)
        released = release(held, position.cost_usdt, closed)
        realised = -sign * instrument.qty(closed) * price - released
        left = position.lots + sign * closed
        position = (
            Position(fill.symbol, left, position.cost_usdt - released, position.opened_ms, position.trade_id)
            if left
            else None
        )
    opened = fill.qty_lots - closed
    if opened:
        cost = sign * instrument.qty(opened) * price
        position = (
            Position(fill.symbol, sign * opened, cost, fill.time_ms, trade_id)
            if position is None
            else Position(
                fill.symbol,
                position.lots + sign * opened,
                position.cost_usdt + cost,
                position.opened_ms,
                position.trade_id,
            )
        )
    return FillEffect(realised, closed, opened, position)
