"""REST answers about orders: placing, cancelling, asking; the account's trades and income."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from tests.venue.exchange import Exchange
from tests.venue.orders import Order, Row, algo_row, order_row, queried_algo_row, queried_order_row, trade_row
from tests.venue.refusals import RefusalError, integer

Params = Mapping[str, str]
DAY_MS = 86_400_000


def place_order(exchange: Exchange, params: Params, now_ms: int) -> Row:
    order = exchange.place(params, now_ms)
    row = order_row(order)
    if params.get("newOrderRespType", "ACK") != "RESULT":
        zero = order.contract.qty_text(0)
        row |= {"status": "NEW", "executedQty": zero, "cumQty": zero, "cumQuote": "0", "avgPrice": "0.00"}
    return row


def examine_order(exchange: Exchange, params: Params, now_ms: int) -> Row:
    """Examined as if it were placed; nobody hears of it and nothing is kept."""
    order = exchange.examine(params, now_ms)
    return order_row(order) | {"orderId": 0}


def query_order(exchange: Exchange, params: Params, now_ms: int) -> Row:
    return queried_order_row(exchange.find_order(params))


def query_open_order(exchange: Exchange, params: Params, now_ms: int) -> Row:
    order = exchange.find_order(params)
    if not order.is_open:
        raise RefusalError(-2013)
    return queried_order_row(order)


def cancel_order(exchange: Exchange, params: Params, now_ms: int) -> Row:
    order = exchange.find_order(params, -2011)
    exchange.cancel(order, now_ms)
    return order_row(order)


def amend_order(exchange: Exchange, params: Params, now_ms: int) -> Row:
    order = exchange.find_order(params)
    exchange.amend(order, params, now_ms)
    return order_row(order)


def _each(entries: list[Any], act: Callable[[Any], Row]) -> list[Row]:
    rows: list[Row] = []
    for entry in entries:
        try:
            rows.append(act(entry))
        except RefusalError as refusal:
            rows.append(refusal.body())
    return rows


def place_batch(exchange: Exchange, params: Params, now_ms: int) -> list[Row]:
    entries = [{key: str(value) for key, value in entry.items()} for entry in json.loads(params["batchOrders"])]
    return _each(entries, lambda entry: place_order(exchange, entry, now_ms))


def cancel_batch(exchange: Exchange, params: Params, now_ms: int) -> list[Row]:
    symbol = params.get("symbol", "")
    if params.get("orderIdList"):
        entries = [{"symbol": symbol, "orderId": str(entry)} for entry in json.loads(params["orderIdList"])]
    else:
        names = json.loads(params.get("origClientOrderIdList") or "[]")
        entries = [{"symbol": symbol, "origClientOrderId": entry} for entry in names]
    return _each(entries, lambda entry: cancel_order(exchange, entry, now_ms))


def open_orders(exchange: Exchange, params: Params, now_ms: int) -> list[Row]:
    return [queried_order_row(order) for symbol in symbols_of(exchange, params) for order in _open(exchange, symbol)]


def _open(exchange: Exchange, symbol: str) -> list[Order]:
    return list(exchange.open_orders[symbol].values())


def symbols_of(exchange: Exchange, params: Params) -> list[str]:
    return [exchange.contract(params["symbol"]).symbol] if params.get("symbol") else list(exchange.contracts)


def all_orders(exchange: Exchange, params: Params, now_ms: int) -> list[Row]:
    symbol = exchange.contract(params.get("symbol")).symbol
    first, start_ms, end_ms = integer(params, "orderId", 0), *_window(params, now_ms)
    found = [
        order
        for order in exchange.orders.values()
        if order.symbol == symbol and order.order_id >= first and start_ms <= order.created_ms <= end_ms
    ]
    return [queried_order_row(order) for order in _page(found, params)]


def _window(params: Params, now_ms: int) -> tuple[int, int]:
    """As the exchange does: seven days back where no start is asked for."""
    end_ms = integer(params, "endTime", now_ms)
    return integer(params, "startTime", end_ms - 7 * DAY_MS), end_ms


def _page(rows: list[Any], params: Params) -> list[Any]:
    """The oldest where a start is asked for, else the newest."""
    limit = min(integer(params, "limit", 500), 1000)
    return rows[:limit] if params.get("startTime") or params.get("fromId") or params.get("orderId") else rows[-limit:]


def cancel_all_orders(exchange: Exchange, params: Params, now_ms: int) -> Row:
    for order in _open(exchange, exchange.contract(params.get("symbol")).symbol):
        exchange.cancel(order, now_ms)
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


def place_algo(exchange: Exchange, params: Params, now_ms: int) -> Row:
    return algo_row(exchange.place_algo(params, now_ms)) | {"activatePrice": "", "callbackRate": ""}


def query_algo(exchange: Exchange, params: Params, now_ms: int) -> Row:
    return queried_algo_row(exchange.find_algo(params))


def cancel_algo(exchange: Exchange, params: Params, now_ms: int) -> Row:
    algo = exchange.find_algo(params, -2011)
    exchange.cancel_algo(algo, now_ms)
    return {"algoId": algo.algo_id, "clientAlgoId": algo.client_id, "code": "200", "msg": "success"}


def open_algos(exchange: Exchange, params: Params, now_ms: int) -> list[Row]:
    symbols = symbols_of(exchange, params)
    return [queried_algo_row(algo) for symbol in symbols for algo in exchange.open_algos[symbol].values()]


def all_algos(exchange: Exchange, params: Params, now_ms: int) -> list[Row]:
    symbol = exchange.contract(params.get("symbol")).symbol
    start_ms, end_ms = _window(params, now_ms)
    found = [
        algo for algo in exchange.algos.values() if algo.symbol == symbol and start_ms <= algo.created_ms <= end_ms
    ]
    return [queried_algo_row(algo) for algo in _page(found, params)]


def cancel_all_algos(exchange: Exchange, params: Params, now_ms: int) -> Row:
    for algo in list(exchange.open_algos[exchange.contract(params.get("symbol")).symbol].values()):
        exchange.cancel_algo(algo, now_ms)
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


def user_trades(exchange: Exchange, params: Params, now_ms: int) -> list[Row]:
    symbol = exchange.contract(params.get("symbol")).symbol
    first, order_id = integer(params, "fromId", 0), integer(params, "orderId", 0)
    start_ms, end_ms = (0, now_ms) if first else _window(params, now_ms)
    found = [
        trade
        for trade in exchange.ledger.trades
        if trade.order.symbol == symbol
        and trade.trade_id >= first
        and start_ms <= trade.time_ms <= end_ms
        and (not order_id or trade.order.order_id == order_id)
    ]
    return [trade_row(trade) for trade in _page(found, params)]


def income(exchange: Exchange, params: Params, now_ms: int) -> list[Row]:
    start_ms, end_ms = _window(params, now_ms)
    symbol, kind = params.get("symbol"), params.get("incomeType")
    found = [
        row
        for row in exchange.ledger.income
        if start_ms <= row["time"] <= end_ms
        and (not symbol or row["symbol"] == symbol)
        and (not kind or row["incomeType"] == kind)
    ]
    limit = min(integer(params, "limit", 100), 1000)
    page = integer(params, "page", 1) - 1
    return found[page * limit : (page + 1) * limit]
