"""Orders the trader can want, made as intents with ids that follow from what they are for."""

from __future__ import annotations

from core.domain.orders import Order, OrderRole, OrderType, Side
from core.domain.origin import Origin
from core.position.ladder import Ladder
from core.trader.ids import Ids
from core.trader.open_trade import OpenTrade, leg
from core.trader.strategy_book import StrategyBook

_TYPES = {OrderRole.STOP: OrderType.STOP_MARKET, OrderRole.TARGET: OrderType.TAKE_PROFIT_MARKET}


def entry_order(
    ids: Ids,
    s: StrategyBook,
    side: Side,
    lots: int,
    *,
    decision_ms: int,
    now_ms: int,
    origin: Origin,
    stop_pct: float | None = None,
    target_pct: float | None = None,
    ladder: Ladder = (),
) -> Order:
    """A market entry. `decision_ms` is the close of the bar that was decided on; it names the trade. `stop_pct` and
    `target_pct` are what was decided of its stop and target, None where those are the strategy's fixed ones; `ladder`
    are several targets, fixed or decided on."""
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
        ladder=ladder,
    )


def adding_order(ids: Ids, trade: OpenTrade, lots: int, *, bar_close_ms: int, now_ms: int, reason: str) -> Order:
    """A market entry into a trade that is held, decided on at the close of a bar; what it adds has the stop and the
    targets of the trade."""
    role, place = OrderRole.ENTRY, max(1, trade.entries)
    return Order(
        ids.order(trade.origin.strategy, trade.symbol, bar_close_ms, f"{leg(role, place)}|{trade.trade_id}", 0),
        trade.symbol,
        trade.side,
        OrderType.MARKET,
        role,
        lots,
        now_ms,
        trade.trade_id,
        trade.origin,
        updated_ms=now_ms,
        reason=reason,
        place=place,
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
    place: int = 0,
) -> Order:
    """A reduce-only order against `trade`: its stop or a target, which `place` tells, or at market, as a stop or target
    without a trigger is."""
    return Order(
        client_order_id=ids.order(
            trade.origin.strategy,
            trade.symbol,
            trade.decision_ms,
            f"{leg(role, place)}|{trade.trade_id}",
            trade.tries(role, place),
        ),
        symbol=trade.symbol,
        side=trade.side.opposite,
        type=OrderType.MARKET if trigger_ticks is None else _TYPES[role],
        role=role,
        qty_lots=lots,
        created_ms=now_ms,
        updated_ms=now_ms,
        trade_id=trade.trade_id,
        origin=trade.origin,
        trigger_ticks=trigger_ticks,
        reduce_only=True,
        reason=reason,
        place=place,
    )
