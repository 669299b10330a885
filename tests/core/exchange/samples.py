"""Orders to send to MEXC and Apex."""

from __future__ import annotations

from core.domain.orders import Order, OrderRole, OrderType, Side
from core.domain.origin import champion


def order(client_id: str, side: Side, kind: OrderType, lots: int, **rest) -> Order:
    role = OrderRole.STOP if kind is OrderType.STOP_MARKET else OrderRole.ENTRY
    return Order(client_id, "BTCUSDT", side, kind, role, lots, 0, "t1", champion("tests"), **rest)
