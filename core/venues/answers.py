"""How the simulated venue speaks of its orders, and the orders it makes itself."""

from __future__ import annotations

from core.domain.orders import Order, OrderRole, OrderState, OrderType, OrderUpdate, Side, with_state
from core.domain.origin import ACCOUNT

LIQUIDATION_PREFIX = "liq-"


def venue_order_id(client_order_id: str) -> str:
    return f"sim-{client_order_id}"


def update_of(order: Order) -> OrderUpdate:
    """The order's state as the venue told it when it changed; a reason is the venue's only once it is over."""
    reason = order.reason if order.state in (OrderState.CANCELED, OrderState.EXPIRED) else ""
    return OrderUpdate(order.client_order_id, order.symbol, order.state, order.updated_ms, order.venue_order_id, reason)


def accepted(order: Order, now_ms: int) -> Order:
    return with_state(order, OrderState.ACCEPTED, 0, venue_order_id(order.client_order_id), now_ms, order.reason)


def closing_order(
    client_order_id: str, symbol: str, side: Side, lots: int, time_ms: int, role: OrderRole = OrderRole.LIQUIDATION
) -> Order:
    """The order by which the venue closes a whole position of its own accord; accepted at once."""
    order = Order(
        client_order_id=client_order_id,
        symbol=symbol,
        side=side,
        type=OrderType.MARKET,
        role=role,
        qty_lots=lots,
        created_ms=time_ms,
        trade_id="",
        origin=ACCOUNT,
        reduce_only=True,
        reason=role,
    )
    return accepted(order, time_ms)
