"""What an emergency exit closes and withdraws, worked out from what the account holds and what a journal owns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from core.domain.errors import QuarterdeckError, RefusedError
from core.domain.instrument import Instrument
from core.domain.orders import OUR_PREFIX, Order, Side

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Owned:
    """What a journal says is ours. `amounts` are the net of its fills by symbol, in contracts, negative when short.

    `open_orders` are those whose end it does not tell, each with the contracts of one of its lots; `newest_ms` is when
    each symbol was filled last. `exchange` is where its account is, empty where that is not told. `unread` is why
    nothing is known, None where it was read; `note` says what is odd about the reading.
    """

    amounts: Mapping[str, Decimal] = field(default_factory=dict)
    ids: frozenset[str] = frozenset()
    open_orders: tuple[tuple[Order, Decimal], ...] = ()
    newest_ms: Mapping[str, int] = field(default_factory=dict)
    exchange: str = ""
    unread: QuarterdeckError | None = None
    note: str = ""


def doubt(owned: Owned, exchange_id: str) -> QuarterdeckError | None:
    """Why it is not known what of an account on `exchange_id` is ours; None where it is."""
    if owned.unread is None and owned.exchange not in ("", exchange_id):
        return RefusedError(f"the journal's account is on {owned.exchange}, the settings say {exchange_id}")
    return owned.unread


@dataclass(frozen=True, slots=True)
class Holding:
    """A position of the account, `amount` contracts of it; in hedge mode (`is_hedged`) a contract may have two.

    `unified` is ccxt's symbol, `symbol` ours where we have one.
    """

    unified: str
    symbol: str
    is_long: bool
    amount: Decimal
    is_hedged: bool = False

    @property
    def closing(self) -> Side:
        return Side.SELL if self.is_long else Side.BUY

    def words(self, amount: Decimal) -> str:
        return f"{self.symbol} {'long' if self.is_long else 'short'} {amount.normalize():f}"


@dataclass(frozen=True, slots=True)
class Resting:
    """An order that rests on the account; `words` are its kind, side and price for the operator."""

    unified: str
    symbol: str
    order_id: str
    client_id: str
    is_conditional: bool
    words: str


@dataclass(frozen=True, slots=True)
class Close:
    """`amount` contracts of a position that are to be closed."""

    holding: Holding
    amount: Decimal

    @property
    def words(self) -> str:
        return self.holding.words(self.amount)


@dataclass(frozen=True, slots=True)
class Plan:
    """`others` says in words what is on the account and left alone, `unknown` what could not be read of it. `unsure`
    are the contracts (ccxt's symbols) of which it is not known whether anything is open."""

    closes: tuple[Close, ...]
    cancels: tuple[Resting, ...]
    others: tuple[str, ...]
    unknown: tuple[str, ...] = ()
    unsure: frozenset[str] = frozenset()

    @property
    def is_done(self) -> bool:
        """Nothing is left to do, as far as is known."""
        return not self.closes and not self.cancels

    def lines(self) -> list[str]:
        """What would be done and what would not, for the operator."""
        return [
            *(f"to close at market: {close.words}" for close in self.closes),
            *(f"to withdraw, last: {order.symbol} {order.words}" for order in self.cancels),
            *(f"left alone: {other}" for other in self.others),
            *(f"not known: {unknown}" for unknown in self.unknown),
        ]

    def withdrawable(self) -> list[Resting]:
        """The orders of contracts in which nothing is known to be left to close: stops stay until then."""
        open_in = {close.holding.unified for close in self.closes} | self.unsure
        return [order for order in self.cancels if order.unified not in open_in]


def plan_of(
    holdings: Sequence[Holding],
    resting: Sequence[Resting],
    ours: Mapping[str, Decimal] | None,
    ids: Iterable[str] = (),
) -> Plan:
    """`ours` are signed contracts by symbol that are still ours; None takes everything on the account.

    Never more is closed of a position than it holds, and nothing that lies on the other side of ours.
    """
    closes = [Close(holding, amount) for holding in holdings if (amount := share(holding, ours))]
    known = frozenset(ids)
    cancels = [order for order in resting if ours is None or order.client_id in known]
    others = [holding.words(left) for holding in holdings if (left := holding.amount - share(holding, ours))]
    others += [_of_another(order) for order in resting if ours is not None and order.client_id not in known]
    return Plan(tuple(closes), tuple(cancels), tuple(others))


def share(holding: Holding, ours: Mapping[str, Decimal] | None) -> Decimal:
    """How much of a position is to be closed, in contracts."""
    if ours is None:
        return holding.amount
    signed = ours.get(holding.symbol, ZERO)
    return min(max(signed if holding.is_long else -signed, ZERO), holding.amount)


def _of_another(order: Resting) -> str:
    about = f"{order.symbol} {order.words}"
    if order.client_id.startswith(OUR_PREFIX):
        return f"{about}: an order with our prefix that this journal does not hold; another engine may use the account"
    return about


def lots_to_send(close: Close, instrument: Instrument) -> int:
    """The lots of one market order for `close`; 0 where what is left is smaller than a lot and cannot be told apart.

    A whole position in one-way mode is rounded up: reduce-only cuts the order to what is there, so that nothing that is
    smaller than a lot stays behind.
    """
    is_whole = close.amount == close.holding.amount and not close.holding.is_hedged
    steps = close.amount / instrument.lot_size
    lots = int(steps.to_integral_value(ROUND_CEILING if is_whole else ROUND_FLOOR))
    return min(lots, instrument.max_lots)
