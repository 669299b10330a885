"""Start-up is recovery: tell the state again from the journal, ask the venue, settle the differences, then trade."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from core.domain.orders import Fill, Order, OrderRole, OrderState, OrderUpdate
from core.domain.records import LOTS, AdjustmentRecord, Record
from core.engine.stepper import Stepper
from core.ports import Venue
from core.trader.memory import Seen, TraderMemory
from core.trader.messages import CancelOrder, Command, PlaceOrder
from core.trader.trader import Trader

_WALLET = "wallet USDT"
BOOK_DIFFERENCES = frozenset({LOTS, _WALLET})
"""Differences after which no new entry may be made before an operator has looked."""

FRESH_MS = 15_000
"""A bar that closed, or an entry that was decided, longer ago than this is not acted on any more."""

_RESENDABLE = frozenset({OrderState.INTENT, OrderState.SENT, OrderState.UNKNOWN})


@dataclass(frozen=True, slots=True)
class Remembered:
    """What stands for the first `seq` records of a journal: the trader's memory of them, the ids of what was taken in,
    and the newest of them for who shows them or knows orders again. They are told to no trader."""

    seq: int
    memory: TraderMemory
    seen: Seen
    earlier: Sequence[Record]


async def reconcile(trader: Trader, venue: Venue, stepper: Stepper, now_ms: int) -> list[AdjustmentRecord]:
    """Bring trader and venue to agree. Returns the differences found, already journalled.

    Orders first: what the venue never saw is sent again under its own id, but for entries that are old by now; what it
    filled or ended is taken in.
    Then withdrawals in hand are repeated, and positions and wallet are compared.
    """
    adjustments: list[AdjustmentRecord] = []
    for s in trader.state.symbols.values():
        for client_order_id in list(s.orders):
            # Meanwhile a halt may have ended it.
            if (order := s.orders.get(client_order_id)) is not None:
                adjustments += await _settle_order(order, venue, stepper, now_ms)
    await stepper.send(_unfinished_cancels(trader, now_ms), now_ms)
    adjustments += await _compare_books(trader, venue, now_ms)
    if adjustments:
        await stepper.step((), now_ms, extra=adjustments)
    return adjustments


async def _settle_order(order: Order, venue: Venue, stepper: Stepper, now_ms: int) -> list[AdjustmentRecord]:
    theirs = await venue.fetch_order(order)
    if theirs is None:
        if order.role is OrderRole.ENTRY and now_ms - order.created_ms > FRESH_MS:
            late = "not sent before the engine ended, and too old to be sent now"
            gone = OrderUpdate(order.client_order_id, order.symbol, OrderState.EXPIRED, now_ms, reason=late)
            await stepper.step([gone], now_ms)
            return [_difference(order, "entry never sent", order.state, "absent", now_ms)]
        if order.state in _RESENDABLE:
            await stepper.send([PlaceOrder(order)], now_ms)
            return []
        gone = OrderUpdate(
            order.client_order_id, order.symbol, OrderState.EXPIRED, now_ms, reason="unknown to the venue"
        )
        await stepper.step([gone], now_ms)
        return [_difference(order, "order unknown to the venue", order.state, "absent", now_ms)]
    if theirs.state is order.state and theirs.filled_lots == order.filled_lots:
        return []
    missed: list[OrderUpdate | Fill] = []
    if order.state is OrderState.INTENT:
        missed.append(OrderUpdate(order.client_order_id, order.symbol, OrderState.SENT, now_ms))
    if order.state in _RESENDABLE:
        missed.append(
            OrderUpdate(order.client_order_id, order.symbol, OrderState.ACCEPTED, now_ms, theirs.venue_order_id)
        )
    missed += await venue.fills_of(order)
    if theirs.state.is_terminal:
        missed.append(OrderUpdate(order.client_order_id, order.symbol, theirs.state, now_ms, reason=theirs.reason))
    await stepper.step(missed, now_ms)
    return [_difference(order, "order moved on while we were away", order.state, theirs.state, now_ms)]


def _unfinished_cancels(trader: Trader, now_ms: int) -> list[Command]:
    """Withdrawals that were journalled and perhaps never sent."""
    return [
        CancelOrder(order, now_ms, "asked for before the restart")
        for s in trader.state.symbols.values()
        for order in s.orders.values()
        if order.client_order_id in s.canceling
    ]


async def _compare_books(trader: Trader, venue: Venue, now_ms: int) -> list[AdjustmentRecord]:
    found: list[AdjustmentRecord] = []
    theirs = await venue.positions_lots()
    for symbol, s in trader.state.symbols.items():
        if s.lots != theirs.get(symbol, 0):
            found.append(_book_difference(symbol, LOTS, s.lots, theirs.get(symbol, 0), now_ms))
    wallet = await venue.wallet_usdt()
    ours = trader.state.ledger.wallet_usdt
    if wallet != ours:
        found.append(_book_difference("", _WALLET, ours, wallet, now_ms))
    return found


def _difference(order: Order, what: str, ours: str, theirs: str, now_ms: int) -> AdjustmentRecord:
    return AdjustmentRecord(f"{order.client_order_id}-{now_ms}", now_ms, order.symbol, what, ours, theirs)


def _book_difference(
    symbol: str, what: str, ours: int | Decimal, theirs: int | Decimal, now_ms: int
) -> AdjustmentRecord:
    return AdjustmentRecord(f"{what}-{symbol}-{now_ms}", now_ms, symbol, what, str(ours), str(theirs))
