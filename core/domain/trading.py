"""Signals, positions, trades and the account."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Context, Decimal
from enum import StrEnum

from core.domain.forecast import Because, Contribution
from core.domain.orders import Side
from core.domain.origin import Origin
from core.domain.quick import quick

# Sums of products of prices and quantities never round at this precision.
EXACT = Context(prec=60)

KEPT_TRADES = 16
"""So many closed trades of a symbol a trader remembers."""

ASSUMED_PREFIX = "assumed-"


class ExitReason(StrEnum):
    STOP = "stop"
    TARGET = "target"
    REVERSAL = "reversal"
    FLATTEN = "flatten"
    TIME = "time"
    LIMIT = "limit"
    LIQUIDATION = "liquidation"
    HOLE = "hole"
    UNPROTECTED = "unprotected"
    OUTSIDE = "closed outside"
    UNWANTED = "not wanted"
    OPERATOR = "closed by the operator"

    @property
    def is_at_a_price(self) -> bool:
        """Whether a price that the market reached ended the trade, at an unknown moment of a bar, and not a decision or
        what others did."""
        match self:
            case ExitReason.STOP | ExitReason.TARGET | ExitReason.LIQUIDATION:
                return True
            case ExitReason.REVERSAL | ExitReason.FLATTEN | ExitReason.TIME | ExitReason.LIMIT | ExitReason.HOLE:
                return False
            case ExitReason.UNPROTECTED | ExitReason.OUTSIDE | ExitReason.UNWANTED | ExitReason.OPERATOR:
                return False


AT_A_PRICE = tuple(reason for reason in ExitReason if reason.is_at_a_price)


def closed_early(exit_reason: str) -> bool:
    """Whether a trade was left before its stop, its target or a liquidation ended it."""
    return exit_reason not in AT_A_PRICE


class SignalAction(StrEnum):
    ENTER = "enter"
    EXIT = "exit"
    REDUCE = "reduce"
    ADD = "add"
    MOVE_STOP = "stop"
    VETOED = "vetoed"


@quick
@dataclass(frozen=True, slots=True)
class Signal:
    """What a strategy wants, and what became of it. `direction` is +1 long, -1 short: where a stop is moved, that of
    the trade.

    `because` says what was compared with what; `confidence` is None where nothing was forecast, or none is known.
    """

    signal_id: str
    symbol: str
    time_ms: int
    direction: int
    confidence: float | None
    action: SignalAction
    reason: str
    origin: Origin
    contributions: tuple[Contribution, ...] = ()
    because: tuple[Because, ...] = ()


@dataclass(frozen=True, slots=True)
class FundingPayment:
    """Funding booked to the wallet: positive when received. The id of one for a settlement that is missing in a history
    begins with ASSUMED_PREFIX."""

    funding_id: str
    symbol: str
    time_ms: int
    rate: Decimal
    mark_price: Decimal
    position_lots: int
    amount_usdt: Decimal

    @property
    def is_assumed(self) -> bool:
        return self.funding_id.startswith(ASSUMED_PREFIX)


@quick
@dataclass(frozen=True, slots=True)
class Position:
    """An open position: signed lots and the exact signed cost of what is still open, in USDT."""

    symbol: str
    lots: int
    cost_usdt: Decimal
    opened_ms: int
    trade_id: str

    @property
    def side(self) -> Side:
        return Side.BUY if self.lots > 0 else Side.SELL


@quick
@dataclass(frozen=True, slots=True)
class Trade:
    """A closed round trip. `side` is that of the entry; net = gross - fees + funding."""

    trade_id: str
    symbol: str
    side: Side
    qty: Decimal
    entry_price: Decimal
    exit_price: Decimal
    entry_time_ms: int
    exit_time_ms: int
    gross_pnl_usdt: Decimal
    fees_usdt: Decimal
    funding_usdt: Decimal
    net_pnl_usdt: Decimal
    exit_reason: str
    origin: Origin


@quick
@dataclass(frozen=True, slots=True)
class Account:
    """The books at one instant, in USDT. Fees are positive when paid, funding when received."""

    initial_usdt: Decimal
    wallet_usdt: Decimal
    unrealised_usdt: Decimal
    realised_usdt: Decimal
    fees_usdt: Decimal
    funding_usdt: Decimal
    adjustments_usdt: Decimal

    @property
    def equity_usdt(self) -> Decimal:
        return EXACT.add(self.wallet_usdt, self.unrealised_usdt)


@quick
@dataclass(frozen=True, slots=True)
class EquitySample:
    """The account at one instant. `peak_equity_usdt` and `day_start_equity_usdt` are what the limits measure from."""

    time_ms: int
    wallet_usdt: Decimal
    unrealised_usdt: Decimal
    equity_usdt: Decimal
    peak_equity_usdt: Decimal
    day_start_equity_usdt: Decimal
