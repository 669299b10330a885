"""Orders wanted and withdrawn: the state learns of each before its command leaves the trader."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from core.domain.operator import LimitEvent
from core.domain.orders import Order, OrderRole
from core.domain.records import CancelRecord, IntentRecord, LimitRecord
from core.domain.trading import ExitReason
from core.trader.intents import closing_order
from core.trader.messages import CancelOrder, Command, Journal, PlaceOrder
from core.trader.state import SymbolState, TraderState


def place(state: TraderState, order: Order) -> list[Command]:
    state.apply_intent(order)
    return [Journal(IntentRecord(order)), PlaceOrder(order)]


def cancel(state: TraderState, orders: Sequence[Order], now_ms: int, reason: str) -> list[Command]:
    """Withdraw `orders`, but for those whose withdrawal was asked for already."""
    commands: list[Command] = []
    for order in orders:
        canceling = state.symbols[order.symbol].canceling
        if order.client_order_id not in canceling:
            wish = CancelRecord(order.client_order_id, order.symbol, now_ms, reason)
            state.apply_cancel(wish)
            commands += [Journal(wish), CancelOrder(order, now_ms, reason)]
    return commands


def cancel_entries(state: TraderState, s: SymbolState, now_ms: int, reason: str) -> list[Command]:
    return cancel(state, [o for o in s.orders.values() if o.role is OrderRole.ENTRY], now_ms, reason)


def leave(account: str, state: TraderState, s: SymbolState, reason: ExitReason | str, now_ms: int) -> list[Command]:
    """Leave at market, and enter no more. The stop stays until the position is flat. While an exit is open, whatever
    is known of it, there is no second one."""
    if s.trade is None or not s.lots or s.open_exit() is not None:
        return []
    order = closing_order(account, s.trade, OrderRole.EXIT, abs(s.lots), now_ms=now_ms, reason=reason)
    return cancel_entries(state, s, now_ms, reason) + place(state, order)


def journalled(events: Iterable[LimitEvent]) -> list[Command]:
    return [Journal(LimitRecord(event)) for event in events]
