"""What is journalled: every fact from which the trader's state can be told again."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from core.domain.forecast import Forecast
from core.domain.operator import LimitEvent, OperatorCommand
from core.domain.orders import Fill, Order, OrderUpdate
from core.domain.origin import Origin
from core.domain.trading import EquitySample, FundingPayment, Position, Signal, Trade


class TrainingStatus(StrEnum):
    """SWAPPED: the version trades from now on. REFUSED: it failed validation. FAILED: no version was made."""

    REQUESTED = "requested"
    SWAPPED = "swapped"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class IntentRecord:
    """An order that is about to be sent, whole."""

    order: Order


@dataclass(frozen=True, slots=True)
class CancelRecord:
    """An order that is about to be withdrawn: the wish outlives a crash until the order has ended."""

    client_order_id: str
    symbol: str
    time_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class OrderUpdateRecord:
    """An order's new state; `order` is the order after the change."""

    update: OrderUpdate
    order: Order


@dataclass(frozen=True, slots=True)
class FillRecord:
    """A fill and the order after it."""

    fill: Fill
    order: Order


@dataclass(frozen=True, slots=True)
class FundingRecord:
    payment: FundingPayment


@dataclass(frozen=True, slots=True)
class TradeRecord:
    trade: Trade


@dataclass(frozen=True, slots=True)
class PositionRecord:
    """A symbol's position after a fill; zero lots when flat. Where others hold it too, or may, that of `strategy`."""

    position: Position
    time_ms: int
    strategy: str = ""


@dataclass(frozen=True, slots=True)
class ForecastRecord:
    forecast: Forecast


@dataclass(frozen=True, slots=True)
class SignalRecord:
    signal: Signal


@dataclass(frozen=True, slots=True)
class LimitRecord:
    event: LimitEvent


@dataclass(frozen=True, slots=True)
class OperatorRecord:
    command: OperatorCommand
    result: str


@dataclass(frozen=True, slots=True)
class EquityRecord:
    sample: EquitySample


@dataclass(frozen=True, slots=True)
class CursorRecord:
    """The last bar of a symbol that venue and trader have fully taken in."""

    symbol: str
    open_time_ms: int


@dataclass(frozen=True, slots=True)
class FirstPriceRecord:
    """The newest bar whose first price the venue has matched against, and that price; None where it was not kept."""

    symbol: str
    open_time_ms: int
    price: float | None = None


@dataclass(frozen=True, slots=True)
class WatchRecord:
    """Time came to `time_ms` between two bars, and the trader had something to do about what protects its positions."""

    time_ms: int


@dataclass(frozen=True, slots=True)
class TrainingRecord:
    """A training job at one of its stages. The version of `origin` and `metrics` are empty until a model was made."""

    symbol: str
    origin: Origin
    requested_ms: int
    due_ms: int
    status: TrainingStatus
    note: str = ""
    metrics: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class AdjustmentRecord:
    """A difference between the books and the venue, settled in the venue's favour where that was possible.

    `amount_usdt` was added to the wallet because of it; most differences move no money.
    """

    adjustment_id: str
    time_ms: int
    symbol: str
    what: str
    ours: str
    theirs: str
    amount_usdt: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class AgedRecord:
    """In this place stood a record that was aged out: nothing that a trader said or was told. Read, never written."""


EXTERNAL_LOTS = "external position lots"
"""What an AdjustmentRecord tells that others hold."""

LOTS = "position lots"
"""What an AdjustmentRecord tells that we hold."""

COUNTED_IN_LOTS = frozenset({LOTS, EXTERNAL_LOTS})
"""Of what an AdjustmentRecord tells in lots."""

Record = (
    IntentRecord
    | CancelRecord
    | OrderUpdateRecord
    | FillRecord
    | FundingRecord
    | TradeRecord
    | PositionRecord
    | ForecastRecord
    | SignalRecord
    | LimitRecord
    | OperatorRecord
    | EquityRecord
    | CursorRecord
    | FirstPriceRecord
    | WatchRecord
    | TrainingRecord
    | AdjustmentRecord
    | AgedRecord
)
