"""News that no order of ours was asked for: fills of the venue's own making or of others', and fills that come late."""

from __future__ import annotations

from core.domain.orders import (
    HOLE_PREFIX,
    OUTSIDE_PREFIX,
    RESTING_STATES,
    Fill,
    Order,
    OrderRole,
    OrderState,
    OrderType,
    OrderUpdate,
)
from core.domain.origin import ACCOUNT
from core.domain.records import AdjustmentRecord
from core.trader.strategy_book import StrategyBook
from core.trader.symbol_state import SymbolState


def unasked_order(s: SymbolState, fill: Fill) -> Order:
    """An order that only the venue knows: a liquidation, the end of a history's bars, or what others on the account did
    to the position."""
    trade, role, qty_lots = s.oldest_trade(), OrderRole.LIQUIDATION, max(abs(s.lots), fill.qty_lots)
    if fill.client_order_id.startswith(OUTSIDE_PREFIX):
        role, qty_lots = OrderRole.OUTSIDE, fill.qty_lots
    elif fill.client_order_id.startswith(HOLE_PREFIX):
        role = OrderRole.HOLE
    return Order(
        client_order_id=fill.client_order_id,
        symbol=fill.symbol,
        side=fill.side,
        type=OrderType.MARKET,
        role=role,
        qty_lots=qty_lots,
        created_ms=fill.time_ms,
        updated_ms=fill.time_ms,
        trade_id=trade.trade_id if trade else f"{fill.symbol}-{fill.time_ms}",
        origin=trade.origin if trade else ACCOUNT,
        reduce_only=True,
        state=OrderState.SENT,
        reason=role,
    )


def is_overtaken(s: SymbolState, fill: Fill) -> bool:
    """Whether what others took from the position is gone already by other ways: what is left of it is found anew."""
    return fill.client_order_id.startswith(OUTSIDE_PREFIX) and fill.qty_lots > -s.lots * fill.side.sign


def found_again(s: StrategyBook, update: OrderUpdate) -> Order | None:
    """An order that was given up because nobody found it, of which the venue now says that it works there."""
    order = s.ended.get(update.client_order_id)
    if order is None or order.state is not OrderState.REJECTED or order.venue_order_id:
        return None
    return order if update.state in RESTING_STATES else None


def late_fill(before: Order, fill: Fill) -> AdjustmentRecord:
    return AdjustmentRecord(
        f"late-fill-{fill.symbol}-{fill.fill_id}",
        fill.time_ms,
        fill.symbol,
        "a fill came of an order that was given up; it is booked",
        f"{before.state}: {before.reason}",
        f"{fill.side} {fill.qty_lots} lots of {before.client_order_id}",
    )


def lost_target(order: Order) -> AdjustmentRecord:
    return AdjustmentRecord(
        f"lost-target-{order.client_order_id}",
        order.updated_ms,
        order.symbol,
        "a target ended though nobody asked for that; it is placed again, or the position left",
        f"{order.qty_lots} lots of {order.client_order_id}",
        f"{order.state}, {order.filled_lots} lots filled: {order.reason}",
    )


def refused_fill(order: Order, fill: Fill) -> AdjustmentRecord:
    return AdjustmentRecord(
        f"refused-fill-{fill.symbol}-{fill.fill_id}",
        fill.time_ms,
        fill.symbol,
        f"fill {fill.fill_id} is more than its order has left; it is not booked",
        f"{order.remaining_lots} lots left of {order.client_order_id}",
        f"{fill.side} {fill.qty_lots} lots at {fill.price_ticks} ticks",
    )
