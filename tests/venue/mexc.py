"""MEXC futures on a loopback port: contracts, candles, one account's orders, trigger orders, positions, private pushes.

Every answer is a documented message (`messages/mexc`) with the fields that the state decides replaced. Where the
documentation only shows zeroes (open orders, trigger orders), the row has the documented fields and nothing else. Taken
from the comments in ccxt's source, for want of a documented or recorded message: the answers of `ping`,
`order/create` to a trigger order that is refused, and `positionMode` in a fill (its absence makes ccxt read the fill as
a spot trade; `documented_fills` leaves it out as the documentation does). The refusal of a sign-in on the websocket is
shaped like the other `rs.` answers.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from tests.venue.loopback import Answer, Call, Loopback, Socket, messages

REST = messages("mexc/rest")
STREAMS = messages("mexc/streams")
KLINES = messages("mexc/klines")

NOW_MS = 1_760_942_212_000
TAKER_FEE = 0.0006

UNTRIGGERED, TRIGGER_CANCELED, TRIGGER_EXECUTED = 1, 2, 3
RESTING, COMPLETED, CANCELED = 2, 3, 4
OPEN_LONG, CLOSE_SHORT, OPEN_SHORT, CLOSE_LONG = 1, 2, 3, 4
MARKET_TYPES = (5, 6)


def documented(name: str) -> Any:
    """The `data` of a documented REST answer, fresh."""
    return json.loads(json.dumps(REST[name]["response"]["data"]))


def pushed(name: str) -> dict[str, Any]:
    """The documented push of a stream, fresh (the messages before it are the answers to sign-in and subscription)."""
    message: dict[str, Any] = json.loads(json.dumps(STREAMS[name]["received"][-1]))
    return message


@dataclass
class RefusalError(Exception):
    code: int
    message: str


@dataclass
class Account:
    key: str = "mx0-key"
    secret: str = "mexc-secret"
    available: float = 1000.0
    margin: float = 0.0
    position_mode: int = 2
    leverage: int = 5
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    triggers: dict[str, dict[str, Any]] = field(default_factory=dict)
    fills: list[dict[str, Any]] = field(default_factory=list)
    positions: dict[str, float] = field(default_factory=dict)
    entry: dict[str, float] = field(default_factory=dict)


class MexcLoopback(Loopback):
    def __init__(self) -> None:
        super().__init__()
        self.account = Account()
        self.contracts = {row["symbol"]: row for row in documented("ExchangeData/GetSymbols")}
        self.candles: dict[tuple[str, str], list[list[float]]] = {}
        self.marks: dict[tuple[str, str], list[list[float]]] = {}
        self.funding: list[tuple[int, float]] = []
        self.last_price = {"BTC_USDT": 31199.0, "ETH_USDT": 1208.35}
        self.refusals: dict[str, RefusalError] = {}
        self.documented_fills = False
        self.leverage_rows: dict[str, Any] = {}
        self._pushes: list[dict[str, Any]] = []
        self._id = 739113577038255616

    def refuse(self, path: str, code: int, message: str) -> None:
        """Answer the next request to `path` (below /api/v1/private) with a refusal."""
        self.refusals[path] = RefusalError(code, message)

    def answer(self, call: Call) -> Answer:
        for prefix, handle in (("/api/v1/contract/", self._public), ("/api/v1/private/", self._private)):
            if call.path.startswith(prefix):
                try:
                    return Answer({"success": True, "code": 0, **handle(call, call.path.removeprefix(prefix))})
                except RefusalError as refusal:
                    return Answer({"success": False, "code": refusal.code, "message": refusal.message})
        return Answer({"success": False, "code": 404, "message": "no such address"}, status=404)

    def _public(self, call: Call, path: str) -> dict[str, Any]:
        query = dict(parse_qsl(call.query))
        match path.split("/"):
            case ["ping"]:
                return {"data": NOW_MS}
            case ["detail"]:
                return {"data": list(self.contracts.values())}
            case ["kline", symbol]:
                return {"data": self._klines(self.candles, symbol, query)}
            case ["kline", "fair_price", symbol]:
                return {"data": self._klines(self.marks, symbol, query)}
            case ["ticker"]:
                return {"data": documented("ExchangeData/GetTickers")[0] | {"symbol": query["symbol"]}}
            case ["funding_rate", symbol] if symbol != "history":
                return {"data": documented("ExchangeData/GetFundingRate") | {"symbol": symbol}}
            case ["funding_rate", "history"]:
                return {"data": self._funding_page(query)}
            case ["deals", _]:
                return {"data": documented("ExchangeData/GetRecentTrades")}
        raise RefusalError(1001, "Contract does not exist")

    def _funding_page(self, query: dict[str, str]) -> dict[str, Any]:
        size, page = int(query["page_size"]), int(query["page_num"])
        if size > 100:
            raise RefusalError(600, "Parameter error")
        told = documented("ExchangeData/GetFundingRateHistory")
        row = told["resultList"][0]
        rows = [row | {"settleTime": ms, "fundingRate": rate} for ms, rate in reversed(self.funding)]
        shown = rows[(page - 1) * size : page * size]
        pages = {"totalCount": len(rows), "totalPage": -(-len(rows) // size), "currentPage": page, "pageSize": size}
        return told | pages | {"resultList": shown}

    def _klines(
        self, candles: dict[tuple[str, str], list[list[float]]], symbol: str, query: dict[str, str]
    ) -> dict[str, list[float]]:
        first, last = int(query.get("start", 0)), int(query.get("end", 1 << 40))
        rows = [row for row in candles.get((symbol, query["interval"]), []) if first <= row[0] <= last][-2000:]
        names = list(KLINES["candles_rest_data"]["data"])
        source = {"realOpen": "open", "realClose": "close", "realHigh": "high", "realLow": "low", "amount": "vol"}
        place = {"time": 0, "open": 1, "high": 2, "low": 3, "close": 4, "vol": 5}
        return {name: [row[place[source.get(name, name)]] for row in rows] for name in names}

    def _private(self, call: Call, path: str) -> dict[str, Any]:
        self._check_signature(call)
        refusal = self.refusals.pop(path, None)
        if refusal is not None:
            raise refusal
        query = dict(parse_qsl(call.query))
        body = json.loads(call.body) if call.body else None
        account = self.account
        match path.split("/"):
            case ["account", "assets"]:
                return {"data": [self._asset()]}
            case ["order", "create"]:
                return {"data": self._create(body)}
            case ["order", "cancel"]:
                return {"data": [self._cancel(str(order_id)) for order_id in body]}
            case ["order", "get", order_id]:
                return {"data": self._order(account.orders.get(order_id))}
            case ["order", "external", symbol, client_id]:
                wanted = [r for r in account.orders.values() if (r["symbol"], r["externalOid"]) == (symbol, client_id)]
                return {"data": self._order(wanted[-1] if wanted else None)}
            case ["order", "list", "open_orders"]:
                return {"data": [row for row in account.orders.values() if row["state"] == RESTING]}
            case ["order", "list", "history_orders"]:
                return {"data": [row for row in account.orders.values() if row["state"] != RESTING]}
            case ["order", "deal_details", order_id]:
                return {"data": [row for row in account.fills if row["orderId"] == order_id]}
            case ["order", "list", "order_deals"]:
                return {"data": [row for row in account.fills if row["symbol"] == query["symbol"]]}
            case ["planorder", "place"]:
                return {"data": int(self._place_trigger(body))}
            case ["planorder", "cancel"]:
                for wanted in body:
                    self._cancel_trigger(wanted["symbol"], str(wanted["orderId"]))
                return {}
            case ["planorder", "list", "orders"]:
                states = query.get("states", "1,2,3").split(",")
                return {"data": [row for row in account.triggers.values() if str(row["state"]) in states]}
            case ["position", "open_positions"]:
                return {"data": [self._position(symbol) for symbol, vol in account.positions.items() if vol]}
            case ["position", "position_mode"]:
                return {"data": account.position_mode}
            case ["position", "change_position_mode"]:
                account.position_mode = body["positionMode"]
                return {}
            case ["position", "leverage"]:
                row = {**documented("Account/GetLeverage")[0], "leverage": account.leverage, **self.leverage_rows}
                return {"data": [{**row, "positionType": side} for side in (1, 2)]}
            case ["position", "change_leverage"]:
                account.leverage = body["leverage"]
                return {}
            case ["position", "funding_records"]:
                return {"data": documented("Account/GetFundingHistory")}
        raise RefusalError(511, "Endpoint inaccessible")

    def _check_signature(self, call: Call) -> None:
        signed = call.body if call.method == "POST" else "&".join(sorted(filter(None, call.query.split("&"))))
        text = self.account.key + call.headers.get("Request-Time", "") + signed
        right = hmac.new(self.account.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        if call.headers.get("ApiKey") != self.account.key:
            raise RefusalError(401, "Unauthorized")
        if call.headers.get("Signature") != right:
            raise RefusalError(602, "Verify failed")

    def _asset(self) -> dict[str, Any]:
        available, margin = self.account.available, self.account.margin
        figures = {"availableBalance": available, "cashBalance": available, "positionMargin": margin}
        figures["equity"] = available + margin
        row: dict[str, Any] = documented("Account/GetBalances")[0] | figures
        return row

    def _order(self, row: dict[str, Any] | None) -> dict[str, Any]:
        if row is None:
            raise RefusalError(2040, "order not exist")
        return row

    def _create(self, body: dict[str, Any]) -> dict[str, Any]:
        self._check_order(body)
        order_id, market = self._next_id(), body["type"] in MARKET_TYPES
        row = documented("Trading/GetOrder") | {
            "orderId": order_id,
            "symbol": body["symbol"],
            "price": self.last_price[body["symbol"]] if market else body["price"],
            "vol": body["vol"],
            "side": body["side"],
            "orderType": body["type"],
            "dealAvgPrice": 0,
            "dealVol": 0,
            "takerFee": 0,
            "openType": body["openType"],
            "state": RESTING,
            "externalOid": body.get("externalOid", f"_m_{order_id}"),
            "createTime": NOW_MS,
            "updateTime": NOW_MS,
        }
        self.account.orders[order_id] = row
        self._push_order(row)
        if market:
            self.fill(order_id, row["price"], row["vol"])
        return documented("Trading/PlaceOrder") | {"orderId": order_id, "ts": NOW_MS}

    def _check_order(self, body: dict[str, Any]) -> None:
        contract = self.contracts.get(body["symbol"])
        if contract is None:
            raise RefusalError(1001, "Contract does not exist")
        if len(body.get("externalOid", "")) > 32:
            raise RefusalError(2030, "External order ID is too long (Max. 32 bits )")
        held = self.account.positions.get(body["symbol"], 0)
        if body["side"] in (CLOSE_SHORT, CLOSE_LONG) and held == 0:
            raise RefusalError(2009, "Positions do not exist or have been closed")
        if body["side"] in (OPEN_LONG, OPEN_SHORT):
            notional = body["vol"] * contract["contractSize"] * self.last_price[body["symbol"]]
            if notional / self.account.leverage > self.account.available:
                raise RefusalError(2005, "Balance insufficient")

    def _place_trigger(self, body: dict[str, Any]) -> str:
        self._check_order(body)
        for name, code, meaning in (
            ("triggerType", 3002, "Trigger type error"),
            ("executeCycle", 3003, "Executive cycle error"),
        ):
            if body.get(name) not in (1, 2):
                raise RefusalError(code, meaning)
        trigger_id = self._next_id()
        sent = ("symbol", "side", "vol", "openType", "triggerType", "executeCycle", "trend", "orderType")
        row = documented("Trading/GetTriggerOrders")[0] | {name: body[name] for name in sent}
        row |= {"id": trigger_id, "triggerPrice": float(body["triggerPrice"]), "price": body.get("price", 0)}
        row |= {"state": UNTRIGGERED, "createTime": NOW_MS, "updateTime": NOW_MS}
        self.account.triggers[trigger_id] = row
        self._push_trigger(row)
        return trigger_id

    def _cancel(self, order_id: str) -> dict[str, Any]:
        unknown, ended, success = documented("Trading/CancelOrders")
        row = self.account.orders.get(order_id)
        if row is None:
            return unknown | {"orderId": order_id}
        if row["state"] != RESTING:
            return ended | {"orderId": order_id}
        row["state"] = CANCELED
        self._push_order(row)
        return success | {"orderId": order_id}

    def _cancel_trigger(self, symbol: str, trigger_id: str) -> None:
        row = self.account.triggers.get(trigger_id)
        if row is None or row["symbol"] != symbol or row["state"] != UNTRIGGERED:
            raise RefusalError(2040, "order not exist")
        row["state"] = TRIGGER_CANCELED
        self._push_trigger(row)

    def trigger(self, trigger_id: str) -> str:
        """Let the price reach a trigger order: it becomes a plain order, whose id is returned."""
        row = self.account.triggers[trigger_id]
        body = {name: row[name] for name in ("symbol", "side", "vol", "openType")} | {"type": row["orderType"]}
        row |= {"state": TRIGGER_EXECUTED, "orderId": self._create(body)["orderId"]}
        self._push_trigger(row)
        return str(row["orderId"])

    def fill(self, order_id: str, price: float, vol: float) -> None:
        row, account = self.account.orders[order_id], self.account
        notional = vol * self.contracts[row["symbol"]]["contractSize"] * price
        fee = round(notional * TAKER_FEE, 8)
        filled = row["dealVol"] + vol
        row["dealAvgPrice"] = (row["dealAvgPrice"] * row["dealVol"] + price * vol) / filled
        row |= {"dealVol": filled, "state": COMPLETED if filled == row["vol"] else RESTING}
        row["takerFee"] = round(row["takerFee"] + fee, 8)
        deal = documented("Trading/GetOrderTrades")[0] | {"id": self._next_id(), "orderId": order_id, "fee": fee}
        deal |= {"symbol": row["symbol"], "side": row["side"], "vol": vol, "price": price, "timestamp": NOW_MS}
        if not self.documented_fills:
            deal["positionMode"] = account.position_mode
        account.fills.append(deal)
        account.available = round(account.available - fee, 8)
        signed = vol if row["side"] in (OPEN_LONG, CLOSE_SHORT) else -vol
        account.positions[row["symbol"]] = account.positions.get(row["symbol"], 0) + signed
        account.entry.setdefault(row["symbol"], price)
        self._push_order(row)
        self._push("UserTrade", self._deal_push(deal, row))
        self._push("Balance", {"availableBalance": account.available, "positionMargin": account.margin})
        self._push("Position", self._position(row["symbol"]))

    def _deal_push(self, deal: dict[str, Any], order: dict[str, Any]) -> dict[str, Any]:
        same = ("id", "symbol", "side", "vol", "price", "fee", "timestamp", "orderId")
        row = {name: deal[name] for name in same}
        return row | {"isTaker": deal["taker"], "externalOid": order["externalOid"], "positionMode": 2}

    def _position(self, symbol: str) -> dict[str, Any]:
        vol = self.account.positions[symbol]
        changed = {"symbol": symbol, "positionType": 1 if vol >= 0 else 2, "holdVol": abs(vol), "openType": 2}
        entry = self.account.entry[symbol]
        row: dict[str, Any] = documented("Trading/GetPositions")[0]
        return row | changed | {"holdAvgPrice": entry, "openAvgPrice": entry, "leverage": self.account.leverage}

    def _next_id(self) -> str:
        self._id += 1
        return str(self._id)

    def _push_order(self, row: dict[str, Any]) -> None:
        self._push("Order", {k: v for k, v in row.items() if k in pushed("Order")["data"]})

    def _push_trigger(self, row: dict[str, Any]) -> None:
        self._push("PlanOrder", {k: v for k, v in row.items() if k in pushed("PlanOrder")["data"]})

    def _push(self, name: str, changed: dict[str, Any]) -> None:
        message = pushed(name)
        message["data"] |= changed
        self._pushes.append(message)

    async def after(self) -> None:
        while self._pushes:
            message = self._pushes.pop(0)
            for socket in [one for one in self.sockets if one.signed_in]:
                await socket.send(message)

    async def push_candle(self, symbol: str, interval: str, row: list[float], time_ms: int = NOW_MS) -> None:
        """A kline push; `row` is start in seconds, open, high, low, close, volume in contracts."""
        message = json.loads(json.dumps(KLINES["candles_ws_data_1"])) | {"symbol": symbol, "ts": time_ms}
        message["data"] |= dict(zip("tohlcq", row, strict=True)) | {"symbol": symbol, "interval": interval}
        for socket in self.sockets:
            if f"kline.{symbol}.{interval}" in socket.topics:
                await socket.send(message)

    async def push_quote(self, symbol: str, bid: float, ask: float, time_ms: int) -> None:
        message = pushed("Ticker") | {"symbol": symbol, "ts": time_ms}
        message["data"] |= {"symbol": symbol, "bid1": bid, "ask1": ask, "timestamp": time_ms}
        for socket in self.sockets:
            if f"ticker.{symbol}" in socket.topics:
                await socket.send(message)

    async def hear(self, socket: Socket, message: dict[str, Any]) -> None:
        assert socket.path == "/edge", socket.path
        match message:
            case {"method": "ping"}:
                await socket.send({"channel": "pong", "data": NOW_MS})
            case {"method": "login", "param": param}:
                text = param["apiKey"] + param["reqTime"]
                right = hmac.new(self.account.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
                socket.signed_in = (param["apiKey"], param["signature"]) == (self.account.key, right)
                result = "success" if socket.signed_in else "Verify failed"
                await socket.send({"channel": "rs.login" if socket.signed_in else "rs.error", "data": result})
            case {"method": "sub.kline", "param": param}:
                socket.topics.append(f"kline.{param['symbol']}.{param['interval']}")
                await socket.send({"channel": "rs.sub.kline", "param": {"symbol": param["symbol"]}})
            case {"method": "sub.ticker", "param": param}:
                socket.topics.append(f"ticker.{param['symbol']}")
                await socket.send({"channel": "rs.sub.ticker", "param": {"symbol": param["symbol"]}})
