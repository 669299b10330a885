"""What was booked of UTC days that no sample of the account has opened yet.

A start over midnight learns of the night's fills before the market of the night is told: the day's first sample then
leaves them out of what the day began with, so that they count as the day's profit or loss.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from core.domain.instrument import Instrument
from core.domain.orders import Fill
from core.domain.trading import EXACT, FundingPayment

_ZERO = Decimal(0)


@dataclass(slots=True)
class Booked:
    """What moved on one day: USDT paid and received, and base units bought less those sold, by symbol."""

    cash_usdt: Decimal = _ZERO
    qty: dict[str, Decimal] = field(default_factory=dict)


@dataclass(slots=True)
class UnopenedDays:
    days: dict[int, Booked] = field(default_factory=dict)

    def note_fill(self, day: int, fill: Fill, instrument: Instrument) -> None:
        booked = self.days.setdefault(day, Booked())
        qty = fill.side.sign * instrument.qty(fill.qty_lots)
        value = EXACT.multiply(qty, instrument.price(fill.price_ticks))
        booked.cash_usdt = EXACT.subtract(EXACT.subtract(booked.cash_usdt, value), fill.fee_usdt)
        booked.qty[fill.symbol] = EXACT.add(booked.qty.get(fill.symbol, _ZERO), qty)

    def note_funding(self, day: int, payment: FundingPayment) -> None:
        booked = self.days.setdefault(day, Booked())
        booked.cash_usdt = EXACT.add(booked.cash_usdt, payment.amount_usdt)

    def gained_usdt(self, from_day: int, mark: Callable[[str], Decimal]) -> Decimal:
        """By how much the equity, valued at `mark`, grew by all that was booked of `from_day` and later."""
        total = _ZERO
        for day, booked in self.days.items():
            if day >= from_day:
                total = EXACT.add(total, booked.cash_usdt)
                for symbol, qty in booked.qty.items():
                    total = EXACT.add(total, EXACT.multiply(qty, mark(symbol)))
        return total

    def opened(self, day: int) -> None:
        """A sample opened `day`: what it began with is known."""
        for known in [known for known in self.days if known <= day]:
            del self.days[known]
