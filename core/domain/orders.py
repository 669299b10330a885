"""Orders as immutable values and the one table of their allowed state changes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from core.domain.errors import InvalidTransitionError, RejectKind
from core.domain.origin import Origin
from core.domain.quick import quick

OUR_PREFIX = "qd"
"""How every client order id of ours begins, so that an order is known as ours where no journal holds it."""


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(StrEnum):
    MARKET = "market"
    LIMIT = "limit"
    STOP_MARKET = "stop_market"
    TAKE_PROFIT_MARKET = "take_profit_market"


class OrderRole(StrEnum):
    """Why the trader placed the order."""

    ENTRY = "entry"
    STOP = "stop"
    TARGET = "target"
    EXIT = "exit"
    REDUCE = "reduce"
    LIQUIDATION = "liquidation"
    HOLE = "hole"
    OUTSIDE = "closed outside"


HOLE_PREFIX = "hole-"
"""How the ids of orders begin by which a simulated venue closes what is held where a history has a hole ahead."""

AHEAD = 1
"""The `place` of a stop that was placed ahead."""

OUTSIDE_PREFIX = "outside-"
"""How the ids of orders begin that stand for what others did to a position of ours: they were never placed by us."""


class OrderState(StrEnum):
    INTENT = "intent"
    SENT = "sent"
    ACCEPTED = "accepted"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"
    EXPIRED = "expired"
    UNKNOWN = "unknown"

    @property
    def is_terminal(self) -> bool:
        return self in TERMINAL_STATES


_HEX, _ID_DIGEST = frozenset("0123456789abcdef"), 12

TERMINAL_STATES = frozenset({OrderState.FILLED, OrderState.CANCELED, OrderState.REJECTED, OrderState.EXPIRED})
RESTING_STATES = frozenset({OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED})
"""In these, and in no other, an order is known to work at the venue."""

_S = OrderState
_AFTER_SENT = frozenset({_S.ACCEPTED, _S.PARTIALLY_FILLED, _S.FILLED, _S.REJECTED, _S.EXPIRED, _S.CANCELED, _S.UNKNOWN})
TRANSITIONS: dict[OrderState, frozenset[OrderState]] = {
    # News of an order can overtake the news that it was sent, or survive a crash that the latter did not.
    _S.INTENT: _AFTER_SENT | {_S.SENT},
    _S.SENT: _AFTER_SENT,
    _S.ACCEPTED: frozenset({_S.PARTIALLY_FILLED, _S.FILLED, _S.CANCELED, _S.EXPIRED, _S.REJECTED, _S.UNKNOWN}),
    _S.PARTIALLY_FILLED: frozenset({_S.PARTIALLY_FILLED, _S.FILLED, _S.CANCELED, _S.EXPIRED, _S.UNKNOWN}),
    _S.UNKNOWN: frozenset({_S.SENT, _S.ACCEPTED, _S.PARTIALLY_FILLED, _S.FILLED, _S.CANCELED, _S.REJECTED, _S.EXPIRED}),
    # A fill can overtake the answer to a cancel on its way here.
    _S.CANCELED: frozenset({_S.PARTIALLY_FILLED, _S.FILLED}),
    _S.EXPIRED: frozenset({_S.PARTIALLY_FILLED, _S.FILLED}),
    _S.FILLED: frozenset(),
    # What was taken for never arrived, because nobody found it, may turn up after all.
    _S.REJECTED: frozenset({_S.ACCEPTED, _S.PARTIALLY_FILLED, _S.FILLED}),
}


@quick
@dataclass(frozen=True, slots=True)
class Order:
    """One order from its intent on. Prices in ticks, quantities in lots, times in UTC milliseconds.

    `price_ticks` is the limit of a LIMIT order; `trigger_ticks` the trigger of a stop or take-profit.
    `trade_id` names the round trip it opens or closes, `origin` whose that is; `reason` says why it was placed (an exit
    reason for exits) and, once it is rejected, canceled or expired, why. `stop_pct` and `target_pct` are the distances
    of stop and target that were decided on with an entry, None where those are its strategy's fixed ones; an entry
    with several targets has each as (distance in percent, share) in `ladder`. `place` says which of its kind it is in
    its trade: of a target the place in the ladder, of an entry how many entries of the trade there were before, of a
    stop 1 where it was placed ahead, before anybody knew whether its entry had opened anything.
    """

    client_order_id: str
    symbol: str
    side: Side
    type: OrderType
    role: OrderRole
    qty_lots: int
    created_ms: int
    trade_id: str
    origin: Origin
    price_ticks: int | None = None
    trigger_ticks: int | None = None
    reduce_only: bool = False
    state: OrderState = OrderState.INTENT
    filled_lots: int = 0
    venue_order_id: str = ""
    updated_ms: int = 0
    reason: str = ""
    stop_pct: float | None = None
    target_pct: float | None = None
    ladder: tuple[tuple[float, float], ...] = ()
    place: int = 0

    @property
    def remaining_lots(self) -> int:
        return self.qty_lots - self.filled_lots

    @property
    def is_open(self) -> bool:
        return self.state not in TERMINAL_STATES

    @property
    def is_ahead(self) -> bool:
        """Whether it is a stop that was placed ahead: its refusal says nothing of the stops of what is held."""
        return self.role is OrderRole.STOP and self.place == AHEAD


@quick
@dataclass(frozen=True, slots=True)
class Fill:
    """One execution. `fill_id` is the venue's id and is applied once. The fee is positive when paid."""

    fill_id: str
    client_order_id: str
    symbol: str
    side: Side
    qty_lots: int
    price_ticks: int
    fee_usdt: Decimal
    is_maker: bool
    time_ms: int


@quick
@dataclass(frozen=True, slots=True)
class OrderUpdate:
    """What a venue says of an order, apart from its fills; `kind` is what a refusal means for what comes next."""

    client_order_id: str
    symbol: str
    state: OrderState
    time_ms: int
    venue_order_id: str = ""
    reason: str = ""
    kind: RejectKind = RejectKind.OTHER


def advance(order: Order, state: OrderState, time_ms: int, *, venue_order_id: str = "", reason: str = "") -> Order:
    """The order in its next state.

    Raises InvalidTransitionError where TRANSITIONS does not list the change.
    """
    return with_state(
        order,
        _checked(order, state),
        order.filled_lots,
        venue_order_id or order.venue_order_id,
        time_ms,
        reason or order.reason,
    )


def news_in(told: OrderState, order: Order) -> OrderState | None:
    """The state that an order is in after a venue told `told` of it, whatever the order in which its messages came;
    None where that is no news.

    That it is filled, and how far, is told by fills alone. An order whose outcome is unknown stays so when it is sent
    again. An end that the table does not allow, such as a refusal after a fill, is an end nevertheless.
    """
    if told is OrderState.FILLED:
        return None
    state = told
    if told in RESTING_STATES:
        state = OrderState.PARTIALLY_FILLED if order.filled_lots else OrderState.ACCEPTED
    if state is order.state or (state is OrderState.SENT and order.state is not OrderState.INTENT):
        return None
    if state in TRANSITIONS[order.state]:
        return state
    return OrderState.EXPIRED if state.is_terminal and order.is_open else None


def apply_fill(order: Order, fill: Fill) -> Order:
    """The order after one more execution.

    Raises InvalidTransitionError on an overfill or on a fill that the order's state cannot take.
    """
    filled = order.filled_lots + fill.qty_lots
    if fill.qty_lots <= 0 or filled > order.qty_lots:
        raise InvalidTransitionError(
            f"order {order.client_order_id}: fill of {fill.qty_lots} lots exceeds the {order.remaining_lots} left"
        )
    state = OrderState.FILLED if filled == order.qty_lots else OrderState.PARTIALLY_FILLED
    return with_state(order, _checked(order, state), filled, order.venue_order_id, fill.time_ms, order.reason)


def _checked(order: Order, state: OrderState) -> OrderState:
    if state not in TRANSITIONS[order.state]:
        raise InvalidTransitionError(f"order {order.client_order_id}: {order.state} cannot become {state}")
    return state


def with_state(
    order: Order, state: OrderState, filled_lots: int, venue_order_id: str, updated_ms: int, reason: str
) -> Order:
    """The order with everything that can change in it replaced, unchecked: `dataclasses.replace` in a fifth of its
    time."""
    return Order(
        order.client_order_id,
        order.symbol,
        order.side,
        order.type,
        order.role,
        order.qty_lots,
        order.created_ms,
        order.trade_id,
        order.origin,
        order.price_ticks,
        order.trigger_ticks,
        order.reduce_only,
        state,
        filled_lots,
        venue_order_id,
        updated_ms,
        reason,
        order.stop_pct,
        order.target_pct,
        order.ladder,
        order.place,
    )


def is_made_here(client_order_id: str) -> bool:
    """Whether the id has the form of `make_client_order_id`, whichever engine made it."""
    digits = client_order_id.removeprefix(OUR_PREFIX)
    return len(digits) == 2 * _ID_DIGEST and len(client_order_id) > len(digits) and set(digits) <= _HEX


def make_client_order_id(*intent: str) -> str:
    """A pure function of what an order is for, so that a resend can never become a second order: at most 32 characters
    of letters and digits, which every exchange takes."""
    return OUR_PREFIX + hashlib.blake2b("|".join(intent).encode(), digest_size=_ID_DIGEST).hexdigest()
