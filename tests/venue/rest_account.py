"""REST answers about the account: balance, positions, orders, trades, income and settings."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from tests.venue.exchange import Exchange
from tests.venue.ledger import Position
from tests.venue.orders import (
    Order,
    Row,
    algo_row,
    money,
    order_row,
    plain,
    queried_algo_row,
    queried_order_row,
    trade_row,
)
from tests.venue.refusals import RefusalError

Params = Mapping[str, str]
DAY_MS = 86_400_000
SUCCESS: Row = {"code": 200, "msg": "success"}
ZERO = "0.00000000"


# Orders


def place_order(exchange: Exchange, params: Params, now_ms: int) -> Row:
    order = exchange.place(params, now_ms)
    row = order_row(order)
    if params.get("newOrderRespType", "ACK") != "RESULT":
        zero = order.contract.qty_text(0)
        row |= {"status": "NEW", "executedQty": zero, "cumQty": zero, "cumQuote": "0", "avgPrice": "0.00"}
    return row


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
    return [queried_order_row(order) for symbol in _symbols(exchange, params) for order in _open(exchange, symbol)]


def _open(exchange: Exchange, symbol: str) -> list[Order]:
    return list(exchange.open_orders[symbol].values())


def _symbols(exchange: Exchange, params: Params) -> list[str]:
    return [exchange.contract(params["symbol"]).symbol] if params.get("symbol") else list(exchange.contracts)


def all_orders(exchange: Exchange, params: Params, now_ms: int) -> list[Row]:
    symbol = exchange.contract(params.get("symbol")).symbol
    first, start_ms, end_ms = int(params.get("orderId") or 0), *_window(params, now_ms)
    found = [
        order
        for order in exchange.orders.values()
        if order.symbol == symbol and order.order_id >= first and start_ms <= order.created_ms <= end_ms
    ]
    return [queried_order_row(order) for order in _page(found, params)]


def _window(params: Params, now_ms: int) -> tuple[int, int]:
    """As the exchange does: seven days back where no start is asked for."""
    end_ms = int(params.get("endTime") or now_ms)
    return int(params.get("startTime") or end_ms - 7 * DAY_MS), end_ms


def _page(rows: list[Any], params: Params) -> list[Any]:
    """The oldest where a start is asked for, else the newest."""
    limit = min(int(params.get("limit") or 500), 1000)
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
    symbols = _symbols(exchange, params)
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
    first, order_id = int(params.get("fromId") or 0), int(params.get("orderId") or 0)
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
    limit = min(int(params.get("limit") or 100), 1000)
    page = int(params.get("page") or 1) - 1
    return found[page * limit : (page + 1) * limit]


# Balance and positions


def _totals(exchange: Exchange) -> dict[str, str]:
    margin, wallet = exchange.margin(), money(exchange.ledger.wallet_usdt)
    initial = margin.positions + margin.orders
    return {
        "totalInitialMargin": f"{initial:.8f}",
        "totalMaintMargin": f"{margin.maintenance:.8f}",
        "totalWalletBalance": wallet,
        "totalUnrealizedProfit": f"{margin.unrealised:.8f}",
        "totalMarginBalance": f"{margin.wallet + margin.unrealised:.8f}",
        "totalPositionInitialMargin": f"{margin.positions:.8f}",
        "totalOpenOrderInitialMargin": f"{margin.orders:.8f}",
        "totalCrossWalletBalance": wallet,
        "totalCrossUnPnl": f"{margin.unrealised:.8f}",
        "availableBalance": f"{margin.available:.8f}",
        "maxWithdrawAmount": f"{max(0.0, min(margin.available, margin.wallet)):.8f}",
    }


def _asset_rows(exchange: Exchange) -> list[Row]:
    totals = _totals(exchange)
    return [
        {
            "asset": "USDT",
            "walletBalance": totals["totalWalletBalance"],
            "unrealizedProfit": totals["totalUnrealizedProfit"],
            "marginBalance": totals["totalMarginBalance"],
            "maintMargin": totals["totalMaintMargin"],
            "initialMargin": totals["totalInitialMargin"],
            "positionInitialMargin": totals["totalPositionInitialMargin"],
            "openOrderInitialMargin": totals["totalOpenOrderInitialMargin"],
            "crossWalletBalance": totals["totalCrossWalletBalance"],
            "crossUnPnl": totals["totalCrossUnPnl"],
            "availableBalance": totals["availableBalance"],
            "maxWithdrawAmount": totals["maxWithdrawAmount"],
            "marginAvailable": True,
            "updateTime": exchange.ledger.updated_ms,
        }
    ]


def _position_margin(exchange: Exchange, position: Position) -> tuple[float, float]:
    """Initial and maintenance margin, USDT."""
    symbol = position.contract.symbol
    notional = abs(float(position.notional_usdt(exchange.markets[symbol].mark)))
    bracket = position.contract.bracket(notional)
    return notional / exchange.settings.leverage(symbol), notional * bracket["maintMarginRatio"] - bracket["cum"]


def account_v3(exchange: Exchange, params: Params, now_ms: int) -> Row:
    rows = []
    for position in exchange.ledger.positions.values():
        if position.lots:
            mark = exchange.markets[position.contract.symbol].mark
            initial, maintenance = _position_margin(exchange, position)
            rows.append(
                {
                    "symbol": position.contract.symbol,
                    "positionSide": position.side,
                    "positionAmt": position.contract.qty_text(position.lots),
                    "unrealizedProfit": money(position.unrealised_usdt(mark)),
                    "isolatedMargin": ZERO,
                    "notional": money(position.notional_usdt(mark)),
                    "isolatedWallet": "0",
                    "initialMargin": f"{initial:.8f}",
                    "maintMargin": f"{maintenance:.8f}",
                    "updateTime": position.updated_ms,
                }
            )
    return {**_totals(exchange), "assets": _asset_rows(exchange), "positions": rows}


def account_v2(exchange: Exchange, params: Params, now_ms: int) -> Row:
    rows = []
    for position in _every_position(exchange, list(exchange.contracts)):
        symbol = position.contract.symbol
        leverage = exchange.settings.leverage(symbol)
        initial, maintenance = _position_margin(exchange, position)
        rows.append(
            {
                "symbol": symbol,
                "initialMargin": f"{initial:.8f}",
                "maintMargin": f"{maintenance:.8f}",
                "unrealizedProfit": money(position.unrealised_usdt(exchange.markets[symbol].mark)),
                "positionInitialMargin": f"{initial:.8f}",
                "openOrderInitialMargin": "0",
                "leverage": str(leverage),
                "isolated": exchange.settings.margin_type(symbol) == "ISOLATED",
                "entryPrice": plain(position.entry_price()),
                "maxNotional": str(position.contract.max_notional(leverage)),
                "bidNotional": "0",
                "askNotional": "0",
                "positionSide": position.side,
                "positionAmt": position.contract.qty_text(position.lots),
                "updateTime": position.updated_ms,
            }
        )
    settings = account_config(exchange, params, now_ms)
    del settings["dualSidePosition"]
    return {**settings, **_totals(exchange), "assets": _asset_rows(exchange), "positions": rows}


def balance(exchange: Exchange, params: Params, now_ms: int) -> list[Row]:
    totals = _totals(exchange)
    return [
        {
            "accountAlias": "SgsR",
            "asset": "USDT",
            "balance": totals["totalWalletBalance"],
            "crossWalletBalance": totals["totalCrossWalletBalance"],
            "crossUnPnl": totals["totalCrossUnPnl"],
            "availableBalance": totals["availableBalance"],
            "maxWithdrawAmount": totals["maxWithdrawAmount"],
            "marginAvailable": True,
            "updateTime": exchange.ledger.updated_ms,
        }
    ]


def _every_position(exchange: Exchange, symbols: list[str]) -> list[Position]:
    sides = ("LONG", "SHORT") if exchange.settings.is_dual_side else ("BOTH",)
    return [exchange.ledger.position(symbol, side) for symbol in symbols for side in sides]


def _risk_row(exchange: Exchange, position: Position) -> Row:
    symbol, contract = position.contract.symbol, position.contract
    mark = exchange.markets[symbol].mark
    entry = position.entry_price()
    return {
        "symbol": symbol,
        "positionSide": position.side,
        "positionAmt": contract.qty_text(position.lots),
        "entryPrice": plain(entry) if position.lots else "0.0",
        "breakEvenPrice": plain(entry) if position.lots else "0.0",
        "markPrice": f"{mark:.8f}",
        "unRealizedProfit": money(position.unrealised_usdt(mark)),
        "liquidationPrice": _liquidation_price(exchange, position, mark),
        "isolatedMargin": ZERO,
        "notional": money(position.notional_usdt(mark)),
        "isolatedWallet": "0",
        "updateTime": position.updated_ms,
    }


def _liquidation_price(exchange: Exchange, position: Position, mark: Decimal) -> str:
    """Where, all else standing still, the margin balance would meet the maintenance margin."""
    if not position.lots:
        return "0"
    margin, qty = exchange.margin(), float(position.contract.qty(position.lots))
    ratio = position.contract.bracket(abs(float(position.notional_usdt(mark))))["maintMarginRatio"]
    spare = margin.wallet + margin.unrealised - margin.maintenance
    price = float(mark) - spare / (qty - abs(qty) * ratio)
    return f"{max(price, 0.0):.8f}" if price > 0 else "0"


def position_risk_v3(exchange: Exchange, params: Params, now_ms: int) -> list[Row]:
    """Symbols with a position or an open order, as version 3 does."""
    rows = []
    for position in _every_position(exchange, _symbols(exchange, params)):
        if position.lots or exchange.open_orders[position.contract.symbol]:
            initial, maintenance = _position_margin(exchange, position)
            rows.append(
                _risk_row(exchange, position)
                | {
                    "marginAsset": "USDT",
                    "initialMargin": f"{initial:.8f}",
                    "maintMargin": f"{maintenance:.8f}",
                    "positionInitialMargin": f"{initial:.8f}",
                    "openOrderInitialMargin": "0",
                    "adl": 0,
                    "bidNotional": "0",
                    "askNotional": "0",
                }
            )
    return rows


def position_risk_v2(exchange: Exchange, params: Params, now_ms: int) -> list[Row]:
    rows = []
    for position in _every_position(exchange, _symbols(exchange, params)):
        symbol, leverage = position.contract.symbol, exchange.settings.leverage(position.contract.symbol)
        rows.append(
            _risk_row(exchange, position)
            | {
                "leverage": str(leverage),
                "maxNotionalValue": str(position.contract.max_notional(leverage)),
                "marginType": "cross" if exchange.settings.margin_type(symbol) == "CROSSED" else "isolated",
                "isAutoAddMargin": "false",
            }
        )
    return rows


# Settings


def set_leverage(exchange: Exchange, params: Params, now_ms: int) -> Row:
    return exchange.set_leverage(params.get("symbol", ""), int(params.get("leverage") or 0), now_ms)


def set_margin_type(exchange: Exchange, params: Params, now_ms: int) -> Row:
    exchange.set_margin_type(params.get("symbol", ""), params.get("marginType", ""))
    return SUCCESS


def dual_side(exchange: Exchange, params: Params, now_ms: int) -> Row:
    return {"dualSidePosition": exchange.settings.is_dual_side}


def set_dual_side(exchange: Exchange, params: Params, now_ms: int) -> Row:
    exchange.set_dual_side(params.get("dualSidePosition", "").lower() == "true")
    return SUCCESS


def multi_assets(exchange: Exchange, params: Params, now_ms: int) -> Row:
    return {"multiAssetsMargin": exchange.settings.is_multi_assets}


def set_multi_assets(exchange: Exchange, params: Params, now_ms: int) -> Row:
    wanted = params.get("multiAssetsMargin", "").lower() == "true"
    if wanted == exchange.settings.is_multi_assets:
        raise RefusalError(-4171)
    exchange.settings.is_multi_assets = wanted
    return SUCCESS


def fee_burn(exchange: Exchange, params: Params, now_ms: int) -> Row:
    return {"feeBurn": exchange.settings.is_fee_burn}


def set_fee_burn(exchange: Exchange, params: Params, now_ms: int) -> Row:
    exchange.settings.is_fee_burn = params.get("feeBurn", "").lower() == "true"
    return SUCCESS


def leverage_brackets(exchange: Exchange, params: Params, now_ms: int) -> list[Row]:
    return [
        {"symbol": symbol, "notionalCoef": 1, "brackets": list(exchange.contracts[symbol].brackets)}
        for symbol in _symbols(exchange, params)
    ]


def symbol_config(exchange: Exchange, params: Params, now_ms: int) -> list[Row]:
    settings = exchange.settings
    return [
        {
            "symbol": symbol,
            "marginType": settings.margin_type(symbol),
            "isAutoAddMargin": "false",
            "leverage": settings.leverage(symbol),
            "maxNotionalValue": str(exchange.contracts[symbol].max_notional(settings.leverage(symbol))),
        }
        for symbol in _symbols(exchange, params)
    ]


def account_config(exchange: Exchange, params: Params, now_ms: int) -> Row:
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": exchange.settings.can_withdraw,
        "dualSidePosition": exchange.settings.is_dual_side,
        "updateTime": 0,
        "multiAssetsMargin": exchange.settings.is_multi_assets,
        "tradeGroupId": -1,
    }


def commission_rate(exchange: Exchange, params: Params, now_ms: int) -> Row:
    return {
        "symbol": exchange.contract(params.get("symbol")).symbol,
        "makerCommissionRate": f"{exchange.settings.maker_fee_rate.normalize():f}",
        "takerCommissionRate": f"{exchange.settings.taker_fee_rate.normalize():f}",
    }


def api_restrictions(exchange: Exchange, params: Params, now_ms: int) -> Row:
    return {
        "ipRestrict": exchange.settings.is_ip_restricted,
        "createTime": 1698645219000,
        "enableReading": True,
        "enableWithdrawals": exchange.settings.can_withdraw,
        "enableInternalTransfer": False,
        "enableMargin": False,
        "enableFutures": True,
        "permitsUniversalTransfer": False,
        "enableVanillaOptions": False,
        "enableFixApiTrade": False,
        "enableFixReadOnly": False,
        "enableSpotAndMarginTrading": False,
        "enablePortfolioMarginTrading": False,
    }


def coins(exchange: Exchange, params: Params, now_ms: int) -> list[Row]:
    """GET sapi capital/config/getall: the coins that the contracts settle in."""
    return [
        {
            "coin": "USDT",
            "name": "TetherUS",
            "free": "0",
            "locked": "0",
            "freeze": "0",
            "withdrawing": "0",
            "ipoing": "0",
            "ipoable": "0",
            "storage": "0",
            "isLegalMoney": False,
            "trading": True,
            "depositAllEnable": True,
            "withdrawAllEnable": True,
            "networkList": [],
        }
    ]


def no_pairs(exchange: Exchange, params: Params, now_ms: int) -> list[Row]:
    """GET sapi margin/allPairs and margin/isolated/allPairs: no margin trading here."""
    return []


# Listen keys


def create_listen_key(exchange: Exchange, params: Params, now_ms: int) -> Row:
    return {"listenKey": exchange.hub.create_listen_key(now_ms)}


def keep_listen_key(exchange: Exchange, params: Params, now_ms: int) -> Row:
    if not exchange.hub.keep_listen_key(now_ms):
        raise RefusalError(-1125)
    return {"listenKey": next(iter(exchange.hub.listen_keys))}


def close_listen_key(exchange: Exchange, params: Params, now_ms: int) -> Row:
    exchange.hub.listen_keys.clear()
    return {}
