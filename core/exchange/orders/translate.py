"""What ccxt tells of orders, fills, positions and balances, in our ticks and lots: exactly, or not at all."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from core.domain.errors import DataError
from core.domain.instrument import Instrument
from core.domain.orders import Fill, Order, OrderState, OrderType, OrderUpdate, Side
from core.domain.plain import plain
from core.domain.trading import EXACT
from core.exchange.connection.own_words import OwnWords
from core.exchange.connection.wire import Row

log = logging.getLogger("quarterdeck.exchange")

ZERO = Decimal(0)
SETTLEMENT = "USDT"
_STATES = {
    "open": OrderState.ACCEPTED,
    "canceling": OrderState.ACCEPTED,
    "closed": OrderState.FILLED,
    "canceled": OrderState.CANCELED,
    "cancelled": OrderState.CANCELED,
    "expired": OrderState.EXPIRED,
    "rejected": OrderState.REJECTED,
}
_LONGEST_SHOWN = 60

_TOO_LARGE, _TOO_FINE = 15, -30
"""Powers of ten that no price, amount or sum of an exchange has: what has is a fault of the message."""


class OffGridError(DataError):
    """The exchange told a price or an amount that its rules, as they are known, do not allow."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a row proves about an order of ours.

    `filled_lots` is None where the row does not tell. `child_id` names the order that a triggered one made, and
    `ended_in_child` says that only that one tells how it ended.
    """

    state: OrderState
    filled_lots: int | None
    venue_order_id: str
    child_id: str = ""
    ended_in_child: bool = False
    reason: str = ""


def exact(value: Any, what: str) -> Decimal:
    """Raises DataError where `value` is no number that can be. A float counts as the shortest decimal that it is."""
    try:
        number = Decimal("NaN") if isinstance(value, bool) else Decimal(str(value))
    except (InvalidOperation, ValueError):
        number = Decimal("NaN")
    if not number.is_finite():
        raise DataError(f"the exchange told {what} as {shown(value)}, which is no number")
    exponent = number.as_tuple().exponent
    if number.adjusted() >= _TOO_LARGE or (isinstance(exponent, int) and exponent < _TOO_FINE):
        raise DataError(f"the exchange told {what} as {shown(value)}, which cannot be")
    return number


def number_told(value: Any) -> float | None:
    """A number for the screen alone; None for nothing, for zero and for what is none."""
    try:
        return float(exact(value, "a number")) or None
    except DataError:
        return None


def shown(value: Any) -> str:
    """What was told, as a text of bounded length in which nothing controls a terminal."""
    try:
        text = ascii(value)
    except ValueError:
        text = "a number of thousands of digits"
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."


def _steps(value: Decimal, step: Decimal, what: str) -> int:
    count, rest = EXACT.divmod(value, step)
    if rest:
        raise OffGridError(f"the exchange told {what} as {value}, which is no multiple of {step}")
    return int(count)


def lots_of(value: Any, instrument: Instrument) -> int:
    """Lots of an amount in ccxt's units. Raises DataError where it is off the grid."""
    what = f"an amount of {instrument.symbol}"
    return _steps(exact(value, what), instrument.lot_size, what)


def ticks_of(value: Any, instrument: Instrument) -> int:
    """Ticks of a price. Raises DataError where it is off the grid."""
    what = f"a price of {instrument.symbol}"
    return _steps(exact(value, what), instrument.tick_size, what)


def seen_in(row: Row, order: Order, instrument: Instrument, words: OwnWords) -> Seen:
    """What an order row says of `order`. Raises DataError on amounts off the grid and on a status unknown here."""
    status = row.get("status")
    if status is not None and (not isinstance(status, str) or status not in _STATES):
        told = shown(status)
        raise DataError(f"the exchange told a status {told} that is not known here (order {order.client_order_id})")
    state = OrderState.ACCEPTED if status is None else _STATES[status]
    venue_id = plain(str(row.get("id") or ""))
    conditional = words.conditional(row)
    if conditional is None:
        filled = None if row.get("filled") is None else lots_of(row["filled"], instrument)
        if filled is not None and filled < 0:
            raise DataError(f"the exchange told {row['filled']} as filled (order {order.client_order_id})")
        if state is OrderState.ACCEPTED and filled:
            state = OrderState.PARTIALLY_FILLED
        if state is OrderState.FILLED and filled is not None and filled < order.qty_lots:
            # Reduce-only is cut down to the position when it executes: the rest will never come.
            state = OrderState.EXPIRED
        reason = "" if not state.is_terminal or state is OrderState.FILLED else f"{state} at the exchange"
        return Seen(state, filled, venue_id, reason=reason)
    # A conditional order ends where its trigger has passed it on; what became of it then is told by the order it made.
    child = conditional.child_id
    if conditional.stage == "passed on" or (child and conditional.stage != "finished" and state is OrderState.FILLED):
        return Seen(OrderState.ACCEPTED, None, venue_id, child)
    if state is OrderState.FILLED:
        return Seen(OrderState.ACCEPTED, None, venue_id, child, ended_in_child=True)
    reason = conditional.reason or (f"{state} at the exchange" if state.is_terminal else "")
    return Seen(state, 0 if state.is_terminal and not child else None, venue_id, child, reason=reason)


def fill_id(symbol: str, trade_id: Any) -> str:
    """Trade ids are unique within a symbol only."""
    return f"{symbol}-{trade_id}"


def fill_in(row: Row, client_order_id: str, instrument: Instrument) -> tuple[Fill, str]:
    """The fill of a trade row, and what is wrong with its fee; empty when nothing is.

    Raises DataError on a price or an amount off the grid, and on a fee of more than what was traded. A fee in another
    currency than USDT is booked as none: the wallet that the exchange tells does not hold it either.
    """
    fee = row.get("fee") or {}
    paid, finding = ZERO, ""
    if fee.get("cost") is not None:
        paid = exact(fee["cost"], "a fee")
    if paid and fee.get("currency") != SETTLEMENT:
        finding = f"fee of {paid} {fee.get('currency')} on trade {row.get('id')} is not in {SETTLEMENT}: booked as 0"
        paid = ZERO
    fill = Fill(
        fill_id(instrument.symbol, row["id"]),
        client_order_id,
        instrument.symbol,
        Side(str(row["side"])),
        lots_of(row["amount"], instrument),
        ticks_of(row["price"], instrument),
        paid,
        row.get("takerOrMaker") == "maker",
        int(row["timestamp"]),
    )
    if abs(paid) > instrument.notional_usdt(fill.qty_lots, fill.price_ticks):
        raise DataError(f"the exchange told a fee of {paid} on the whole trade {fill.fill_id}")
    return fill, finding


def fill_of(row: Row, order: Order, instrument: Instrument) -> tuple[Fill, str]:
    """The same of a trade of `order`. Raises DataError also where it is told to have traded the other way."""
    if row.get("side") != order.side.value:
        told = f"a {shown(row.get('side'))} of an order to {order.side.value} ({order.client_order_id})"
        raise DataError(f"the exchange told the trade {fill_id(instrument.symbol, row['id'])} as {told}")
    return fill_in(row, order.client_order_id, instrument)


def position_lots(row: Row, instrument: Instrument) -> int:
    """Signed lots of a position row. Raises DataError off the grid."""
    lots = lots_of(row["contracts"], instrument)
    return -lots if row.get("side") == "short" else lots


def wallet_usdt(balance: Row, words: OwnWords) -> Decimal:
    """The wallet without unrealised profit. Raises DataError where the answer does not tell it."""
    told = words.wallet(balance)
    if told is None:
        told = (balance.get("total") or {}).get(SETTLEMENT)
    return ZERO if told is None else exact(told, "the wallet")


def protects(row: Row, order: Order, instrument: Instrument, lots: int) -> str:
    """What keeps the resting order `row` from being `order`, a stop for `lots` of a position; empty when it is."""
    if row.get("side") != order.side.value:
        return f"it is a {row.get('side')}"
    trigger = row.get("triggerPrice") or row.get("stopPrice") or row.get("stopLossPrice") or row.get("takeProfitPrice")
    if trigger is None or ticks_of(trigger, instrument) not in _triggers(order, instrument):
        return f"its trigger is {trigger}"
    if row.get("reduceOnly") is False:
        return "it is not reduce-only"
    # What is less than a step cannot be ordered everywhere.
    needed = instrument.lots_down(min(lots, order.qty_lots))
    if row.get("amount") is not None and lots_of(row["amount"], instrument) < needed:
        return f"it is for {row['amount']}"
    return ""


def _triggers(order: Order, instrument: Instrument) -> tuple[int | None, ...]:
    """As it was ordered, and as it goes out where the contract's steps have grown since."""
    ticks = order.trigger_ticks
    return (ticks,) if ticks is None else (ticks, instrument.safe_ticks(ticks, -order.side.sign))


def update(order: Order, seen: Seen, state: OrderState, time_ms: int) -> OrderUpdate:
    return OrderUpdate(order.client_order_id, order.symbol, state, time_ms, seen.venue_order_id, seen.reason)


def is_market(order: Order) -> bool:
    return order.type is OrderType.MARKET
