"""What goes into the trader and what comes out of it, beside market and venue events."""

from __future__ import annotations

from dataclasses import dataclass

from core.domain.market import Bar, FirstPrice, Quote
from core.domain.operator import OperatorCommand
from core.domain.orders import Fill, Order, OrderUpdate
from core.domain.records import Record
from core.domain.trading import FundingPayment, Prediction


@dataclass(frozen=True, slots=True)
class Timer:
    """Time has come to `time_ms`: limits are measured and the account is sampled."""

    time_ms: int


@dataclass(frozen=True, slots=True)
class PlaceOrder:
    """Send `order`; its intent is in the same list of commands as a record and must be durable first."""

    order: Order


@dataclass(frozen=True, slots=True)
class CancelOrder:
    order: Order
    time_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class Journal:
    """Make `record` durable."""

    record: Record


TraderEvent = Bar | FirstPrice | Quote | Timer | Prediction | OrderUpdate | Fill | FundingPayment | OperatorCommand
Command = PlaceOrder | CancelOrder | Journal
