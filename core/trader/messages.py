"""What goes into the trader and what comes out of it, beside market and venue events."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from msgspec import Struct

from core.domain.forecast import Forecast
from core.domain.market import Bar, FirstPrice
from core.domain.operator import OperatorCommand
from core.domain.orders import Fill, Order, OrderUpdate
from core.domain.records import Record
from core.domain.trading import FundingPayment


@dataclass(frozen=True, slots=True)
class Timer:
    """Time has come to `time_ms`: limits are measured and the account is sampled."""

    time_ms: int


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing was forecast for `strategy` at the close of a symbol's newest bar; `time_ms` is when a forecast would
    have been made. Without a name it is the first that trades."""

    symbol: str
    time_ms: int
    strategy: str = ""


@dataclass(frozen=True, slots=True)
class Watch:
    """Time has come to `time_ms` between two bars: what protects the positions is looked after."""

    time_ms: int


@dataclass(frozen=True, slots=True)
class VenueHealth:
    """Whether the venue can be relied on, as a whole or, where `symbol` is given, for one contract; `problem` says why
    not, and is empty when it can."""

    time_ms: int
    problem: str
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something about the venue that only an operator can judge: `limit`, by its name, forbids entries in `symbol`, or
    everywhere, until he resumes. `note` says what was seen."""

    time_ms: int
    limit: str
    note: str
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class FundingDue:
    """Known from `time_ms` on: funding of a contract is settled next at `due_ms`; 0 where nobody knows any more."""

    symbol: str
    time_ms: int
    due_ms: int


@dataclass(frozen=True, slots=True)
class WalletAdjustment:
    """The venue's wallet moved for a reason that is not ours: a transfer, another's trade, rounding.

    `amount_usdt` is added to the wallet; `what` tells the operator why. The id is applied once.
    """

    adjustment_id: str
    time_ms: int
    amount_usdt: Decimal
    what: str


class PlaceOrder(Struct, frozen=True):
    """Send `order`; its intent is in the same list of commands as a record and must be durable first."""

    order: Order


class CancelOrder(Struct, frozen=True):
    order: Order
    time_ms: int
    reason: str


class Journal(Struct, frozen=True):
    """Make `record` durable."""

    record: Record


TraderEvent = (
    Bar
    | FirstPrice
    | Timer
    | Watch
    | VenueHealth
    | Alarm
    | FundingDue
    | WalletAdjustment
    | Forecast
    | Silence
    | OrderUpdate
    | Fill
    | FundingPayment
    | OperatorCommand
)
Command = PlaceOrder | CancelOrder | Journal
