"""Orders the trader can want, made as intents with ids that follow from what they are for."""

from __future__ import annotations

from core.domain.orders import Order, OrderRole, OrderType, Side
from core.domain.origin import Origin
from core.trader.ids import Ids
from core.trader.symbol_state import OpenTrade, SymbolState

_TYPES = {OrderRole.STOP: OrderType.STOP_MARKET, OrderRole.TARGET: OrderType.TAKE_PROFIT_MARKET}


def entry_order(
    ids: Ids,
    s: SymbolState,
    side: Side,
    lots: int,
    *,
    decision_ms: int,
    now_ms: int,
    origin: Origin,
    stop_pct: float | None = None,
    target_pct: float | None = None,
) -> Order:
    """A market entry. `decision_ms` is the close of the bar that was decided on; it names the trade. `stop_pct` and
    `target_pct` are what was decided of its stop and target, None where those are the strategy's fixed ones."""
    symbol = s.instrument.symbol
    role = OrderRole.ENTRY
    return Order(
        ids.order(origin.strategy, symbol, decision_ms, role, 0),
        symbol,
        side,
        OrderType.MARKET,
        role,
        lots,
        now_ms,
        ids.trade(origin.strategy, symbol, decision_ms),
        origin,
        updated_ms=now_ms,
        reason="signal",
        stop_pct=stop_pct,
        target_pct=target_pct,
    )


def closing_order(
    ids: Ids,
    trade: OpenTrade,
    role: OrderRole,
    lots: int,
    *,
    now_ms: int,
    reason: str,
    trigger_ticks: int | None = None,
) -> Order:
    """A reduce-only order against `trade`: its stop, its target or a market exit."""
    return Order(
        client_order_id=ids.order(
            trade.origin.strategy,
            trade.symbol,
            trade.decision_ms,
            f"{role}|{trade.trade_id}",
            trade.attempts.get(role, 0),
        ),
        symbol=trade.symbol,
        side=trade.side.opposite,
        type=_TYPES.get(role, OrderType.MARKET),
        role=role,
        qty_lots=lots,
        created_ms=now_ms,
        updated_ms=now_ms,
        trade_id=trade.trade_id,
        origin=trade.origin,
        trigger_ticks=trigger_ticks,
        reduce_only=True,
        reason=reason,
    )
