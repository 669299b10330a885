"""How orders meet the book: taking, resting, triggering; and what the private connections hear of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.venue import broadcast
from tests.venue.market import SymbolMarket
from tests.venue.orders import AlgoOrder, Order, Row, Trade, algo_event, order_event, plain, trade_lite_event
from tests.venue.refusals import RefusalError

if TYPE_CHECKING:
    from tests.venue.exchange import Exchange

IOC_UNFILLED = "2"
REDUCE_ONLY_KNOCKED_OUT = "4"
MARKET_UNFILLED = "9"
LIQUIDATION = "autoclose-"


def require_book(market: SymbolMarket) -> None:
    """Raises RefusalError -4131 where there is nobody to trade with."""
    if not market.bids or not market.asks:
        raise RefusalError(-4131)


def working_ticks(market: SymbolMarket, algo: AlgoOrder) -> int:
    return market.mark_ticks() if algo.working_type == "MARK_PRICE" else market.last_ticks


def would_take(exchange: Exchange, order: Order) -> bool:
    levels = _opposite(exchange.markets[order.symbol], order)
    return bool(levels) and _reaches(order, levels[0][0])


def _opposite(market: SymbolMarket, order: Order) -> list[list[int]]:
    return market.asks if order.sign > 0 else market.bids


def _reaches(order: Order, ticks: int) -> bool:
    if order.type == "MARKET":
        return True
    return ticks <= order.price_ticks if order.sign > 0 else ticks >= order.price_ticks


def _fillable_lots(exchange: Exchange, order: Order) -> int:
    """How much may still be filled: of a reduce-only order no more than the position that is left."""
    if not order.reduce_only:
        return order.remaining_lots
    position = exchange.ledger.position(order.symbol, order.position_side)
    return min(order.remaining_lots, position.reducible_lots(order.sign))


def execute(exchange: Exchange, order: Order, now_ms: int) -> None:
    """A new order meets the book: it fills, rests or expires, and is told of. Raises RefusalError -5021 (FOK)."""
    market = exchange.markets[order.symbol]
    script = exchange.scripts.pop(order.symbol, None)
    hits = _plan(exchange, market, order, None if script is None else script.fill_lots)
    if order.time_in_force == "FOK" and sum(lots for _, lots in hits) < order.lots:
        del exchange.orders[order.order_id], exchange.orders_by_client_id[order.client_id]
        raise RefusalError(-5021)
    new = order_event(order, "NEW", now_ms)
    _take(exchange, market, order, hits, now_ms, new)
    if order.remaining_lots:
        if order.type == "LIMIT" and order.time_in_force in {"GTC", "GTX", "GTD"} and script is None:
            exchange.open_orders[order.symbol][order.order_id] = order
        else:
            exchange.close_order(order, "EXPIRED", now_ms, _expiry_reason(order))
    if hits:
        after_trades(exchange, market, now_ms)


def _expiry_reason(order: Order) -> str:
    if order.reduce_only:
        return REDUCE_ONLY_KNOCKED_OUT
    return MARKET_UNFILLED if order.type == "MARKET" else IOC_UNFILLED


def execute_amended(exchange: Exchange, order: Order, now_ms: int) -> None:
    market = exchange.markets[order.symbol]
    hits = _plan(exchange, market, order, None)
    _take(exchange, market, order, hits, now_ms, None)
    if not order.remaining_lots:
        exchange.open_orders[order.symbol].pop(order.order_id, None)
    if hits:
        after_trades(exchange, market, now_ms)


def _plan(exchange: Exchange, market: SymbolMarket, order: Order, limit_lots: int | None) -> list[tuple[int, int]]:
    """The (ticks, lots) an order would take now, best level first."""
    left = _fillable_lots(exchange, order)
    if limit_lots is not None:
        left = min(left, limit_lots)
    hits: list[tuple[int, int]] = []
    for ticks, size in _opposite(market, order):
        if not left or not _reaches(order, ticks):
            break
        if size:
            hits.append((ticks, min(left, size)))
            left -= hits[-1][1]
    return hits


def _take(
    exchange: Exchange,
    market: SymbolMarket,
    order: Order,
    hits: list[tuple[int, int]],
    now_ms: int,
    new: Row | None,
) -> None:
    """Make the trades. The quick TRADE_LITE of each comes before NEW, account and order events after it."""
    levels = _opposite(market, order)
    if hits:
        broadcast.before_change(exchange.hub, market)
    events: list[tuple[Trade, Row, Row]] = []
    for ticks, lots in hits:
        _consume(levels, lots)
        broadcast.trade(exchange.hub, market, market.print_trade(ticks, lots, order.sign < 0, now_ms))
        events.append(_trade(exchange, order, lots, ticks, False, now_ms))
    for trade, _, _ in events:
        exchange.hub.publish_private(trade_lite_event(trade))
    if new is not None:
        exchange.hub.publish_private(new)
    for _, account, event in events:
        exchange.hub.publish_private(account)
        exchange.hub.publish_private(event)
    if hits:
        market.update_id += 1
        broadcast.book(exchange.hub, market, now_ms)


def _consume(levels: list[list[int]], lots: int) -> None:
    for level in levels:
        taken = min(level[1], lots)
        level[1] -= taken
        lots -= taken
        if not lots:
            break
    while len(levels) > 1 and not levels[0][1]:
        levels.pop(0)


def _trade(
    exchange: Exchange, order: Order, lots: int, ticks: int, is_maker: bool, now_ms: int
) -> tuple[Trade, Row, Row]:
    """Book one execution; the trade with its ACCOUNT_UPDATE and ORDER_TRADE_UPDATE as they were at that moment."""
    settings = exchange.settings
    rate = settings.maker_fee_rate if is_maker else settings.taker_fee_rate
    trade = exchange.ledger.book_trade(order, lots, ticks, rate, is_maker, exchange.next_trade_id(), now_ms)
    order.status = "PARTIALLY_FILLED" if order.remaining_lots else "FILLED"
    wallet = f"{exchange.ledger.wallet_usdt:.8f}"
    account: Row = {
        "e": "ACCOUNT_UPDATE",
        "T": now_ms,
        "E": now_ms,
        "a": {
            "B": [{"a": "USDT", "wb": wallet, "cw": wallet, "bc": "0"}],
            "P": [position_event_row(exchange, order.symbol, order.position_side)],
            "m": "ORDER",
        },
    }
    execution = "CALCULATED" if order.client_id.startswith(LIQUIDATION) else "TRADE"
    event = order_event(order, execution, now_ms, trade)
    exchange.changed(order.symbol, now_ms)
    return trade, account, event


def position_event_row(exchange: Exchange, symbol: str, side: str) -> Row:
    position, mark = exchange.ledger.position(symbol, side), exchange.markets[symbol].mark
    entry = position.entry_price()
    sign = 1 if position.lots > 0 else -1
    break_even = entry * (1 + sign * exchange.settings.taker_fee_rate)
    return {
        "s": symbol,
        "pa": plain(position.contract.qty(position.lots)),
        "ep": plain(entry),
        "cr": plain(position.realised_usdt),
        "up": f"{position.unrealised_usdt(mark):.8f}" if position.lots else "0",
        "mt": "cross" if exchange.settings.margin_type(symbol) == "CROSSED" else "isolated",
        "iw": "0",
        "ps": side,
        "ma": "USDT",
        "bep": plain(break_even),
    }


def match_resting(exchange: Exchange, market: SymbolMarket, now_ms: int) -> None:
    """Resting orders that the book now reaches fill at their own price, oldest first, as far as its size goes."""
    traded = False
    for order in list(exchange.open_orders[market.symbol].values()):
        levels = _opposite(market, order)
        while order.is_open and levels and levels[0][1] and _reaches(order, levels[0][0]):
            lots = min(levels[0][1], _fillable_lots(exchange, order))
            if not lots:
                exchange.close_order(order, "EXPIRED", now_ms, REDUCE_ONLY_KNOCKED_OUT)
                break
            _consume(levels, lots)
            print_ = market.print_trade(order.price_ticks, lots, order.sign > 0, now_ms)
            broadcast.trade(exchange.hub, market, print_)
            fill_resting(exchange, order, lots, now_ms)
            traded = True
    if traded:
        market.update_id += 1
        after_trades(exchange, market, now_ms)


def match_print(exchange: Exchange, market: SymbolMarket, ticks: int, lots: int, now_ms: int) -> None:
    """A public trade of others at `ticks` fills resting orders that stood at that price or better, up to its size."""
    for order in list(exchange.open_orders[market.symbol].values()):
        if not lots:
            return
        if _reaches(order, ticks):
            taken = min(lots, _fillable_lots(exchange, order))
            if not taken:
                exchange.close_order(order, "EXPIRED", now_ms, REDUCE_ONLY_KNOCKED_OUT)
                continue
            lots -= taken
            fill_resting(exchange, order, taken, now_ms)


def fill_resting(exchange: Exchange, order: Order, lots: int, now_ms: int) -> None:
    """One maker execution of a resting order, with its events."""
    trade, account, event = _trade(exchange, order, lots, order.price_ticks, True, now_ms)
    if not order.remaining_lots:
        exchange.open_orders[order.symbol].pop(order.order_id, None)
    for message in (trade_lite_event(trade), account, event):
        exchange.hub.publish_private(message)
    finish_parent(exchange, order, now_ms)


def after_trades(exchange: Exchange, market: SymbolMarket, now_ms: int) -> None:
    """What follows a trade: GTE conditional orders end with their position, others may be triggered."""
    for algo in list(exchange.open_algos[market.symbol].values()):
        if algo.time_in_force == "GTE_GTC" and algo.reduce_only:
            position = exchange.ledger.position(algo.symbol, algo.position_side)
            if not position.reducible_lots(algo.sign):
                exchange.close_algo(algo, "EXPIRED", now_ms)
    trigger(exchange, market, now_ms)


def trigger(exchange: Exchange, market: SymbolMarket, now_ms: int) -> None:
    """Conditional orders that the price has reached become children, one at a time: each may move the price."""
    open_algos = exchange.open_algos[market.symbol]
    if not open_algos or not market.last_ticks:
        return
    reached = [algo for algo in open_algos.values() if algo.is_triggered_by(working_ticks(market, algo))]
    for algo in reached:
        if algo.is_open:
            _release_child(exchange, market, algo, now_ms)


def _release_child(exchange: Exchange, market: SymbolMarket, algo: AlgoOrder, now_ms: int) -> None:
    hub = exchange.hub
    del exchange.open_algos[algo.symbol][algo.algo_id]
    algo.status, algo.triggered_ms, algo.updated_ms = "TRIGGERING", now_ms, now_ms
    hub.publish_private(algo_event(algo, "TRIGGERING", now_ms))
    exchange.changed(algo.symbol, now_ms)
    if algo.symbol in exchange.stuck_triggers:
        return
    position = exchange.ledger.position(algo.symbol, algo.position_side)
    reducible = position.reducible_lots(algo.sign)
    if algo.reduce_only and not reducible:
        exchange.close_algo(algo, "REJECTED", now_ms, "Reduce Only reject")
        return
    if algo.type.endswith("_MARKET") and not any(size for _, size in _opposite_of(market, algo)):
        exchange.close_algo(algo, "REJECTED", now_ms, "No liquidity")
        return
    child = _child(exchange, algo, reducible if algo.close_position else algo.lots, now_ms)
    algo.child = child
    exchange.orders[child.order_id] = child
    exchange.orders_by_client_id[child.client_id] = child
    execute_child(exchange, algo, child, now_ms)


def execute_child(exchange: Exchange, algo: AlgoOrder, child: Order, now_ms: int) -> None:
    """The child meets the book: its own events come first, then TRIGGERED, and FINISHED once it is done."""
    execute(exchange, child, now_ms)
    algo.status, algo.updated_ms = "TRIGGERED", now_ms
    exchange.hub.publish_private(algo_event(algo, "TRIGGERED", now_ms))
    finish_parent(exchange, child, now_ms)


def finish_parent(exchange: Exchange, child: Order, now_ms: int) -> None:
    """A conditional order whose child is done is finished; of other orders there is nothing to do."""
    algo = exchange.algos.get(child.parent)
    if algo is not None and not child.is_open and algo.status == "TRIGGERED":
        algo.status, algo.updated_ms = "FINISHED", now_ms
        exchange.hub.publish_private(algo_event(algo, "FINISHED", now_ms))
        exchange.changed(algo.symbol, now_ms)


def _opposite_of(market: SymbolMarket, algo: AlgoOrder) -> list[list[int]]:
    return market.asks if algo.sign > 0 else market.bids


def _child(exchange: Exchange, algo: AlgoOrder, lots: int, now_ms: int) -> Order:
    order_id = exchange.next_order_id()
    return Order(
        order_id,
        f"child_{order_id}" if exchange.child_has_own_client_id else algo.client_id,
        algo.contract,
        algo.side,
        "MARKET" if algo.type.endswith("_MARKET") else "LIMIT",
        lots,
        algo.price_ticks,
        algo.time_in_force if algo.time_in_force in {"GTC", "IOC", "FOK", "GTX"} else "GTC",
        algo.reduce_only,
        algo.position_side,
        now_ms,
        now_ms,
        parent=algo.algo_id,
        close_position=algo.close_position,
    )
