"""Apex Omni on a loopback port: contracts, candles, one account's orders, positions and private pushes.

Orders, fills and candles are the recorded messages (`messages/apex`) with the fields that the state decides replaced;
the push of a fill and the sign-in are the exchange's documentation. Neither documented nor recorded, and therefore in
the shape that the comments in ccxt's source show: `symbols`, `account-balance`, `account` with its positions, the push
of a position, the answer to a sign-in (`AUTH_RESP`), and every refusal, of which only ORDER_PRICE_MUST_GREETER_ZERO is
quoted from the exchange. Whether a zk signature is right is not checked, only that there is one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

from tests.venue.loopback import Answer, Call, Loopback, Socket, messages

MAINNET = messages("apex/recorded_mainnet")
TESTNET = messages("apex/recorded_testnet")

NOW_MS = 1_764_999_167_568
TAKER_FEE = Decimal("0.0005")
ENDED = ("FILLED", "CANCELED", "EXPIRED")

CONTRACT: Mapping[str, Any] = {
    "baselinePositionValue": "50000.0000",
    "crossId": 30002,
    "crossSymbolId": 10,
    "crossSymbolName": "BTCUSDT",
    "digitMerge": "0.1,0.2,0.4,1,2",
    "displayMaxLeverage": "100",
    "displayMinLeverage": "1",
    "enableDisplay": True,
    "enableOpenPosition": True,
    "enableTrade": True,
    "fundingImpactMarginNotional": "6",
    "fundingInterestRate": "0.0003",
    "incrementalInitialMarginRate": "0.00250",
    "incrementalMaintenanceMarginRate": "0.00100",
    "incrementalPositionValue": "50000.0000",
    "initialMarginRate": "0.01",
    "maintenanceMarginRate": "0.005",
    "maxOrderSize": "50",
    "maxPositionSize": "100",
    "minOrderSize": "0.0010",
    "maxMarketPriceRange": "0.025",
    "settleAssetId": "USDT",
    "baseTokenId": "BTC",
    "stepSize": "0.001",
    "symbol": "BTC-USDT",
    "symbolDisplayName": "BTCUSDT",
    "tickSize": "0.1",
    "maxMaintenanceMarginRate": "0.5000",
    "maxPositionValue": "5000000.0000",
    "defaultInitialMarginRate": "0.05",
    "l2PairId": "50001",
    "category": "L1",
}
LTC = {"crossSymbolName": "LTCUSDT", "symbolDisplayName": "LTCUSDT", "symbol": "LTC-USDT", "baseTokenId": "LTC"}
LTC |= {"stepSize": "0.1", "minOrderSize": "0.1", "tickSize": "0.01", "l2PairId": "50006"}

POSITION: Mapping[str, Any] = {
    "symbol": "BTC-USDT",
    "status": "",
    "side": "LONG",
    "size": "0.000",
    "entryPrice": "0.00",
    "exitPrice": "",
    "createdAt": NOW_MS,
    "updatedTime": NOW_MS,
    "fee": "0.000000",
    "fundingFee": "0.000000",
    "lightNumbers": "",
    "customInitialMarginRate": "0",
}
FILL_PUSH: Mapping[str, Any] = {
    "symbol": "ETH-USDT",
    "side": "BUY",
    "orderId": "2048046080",
    "fee": "0.625000",
    "liquidity": "TAKER",
    "accountId": "1024000",
    "createdAt": 1652185521361,
    "isOpen": True,
    "size": "0.500",
    "price": "2500.0",
    "quoteAmount": "1250.0000",
    "id": "2048000182272",
    "updatedAt": 1652185678345,
}


@dataclass
class RefusalError(Exception):
    code: int
    key: str
    message: str


@dataclass
class Account:
    key: str = "apex-key"
    secret: str = "apex-secret"
    passphrase: str = "apex-passphrase"
    id: str = "100000000000000001"
    balance: Decimal = Decimal(1000)
    margin_rate: str = "0"
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    fills: list[dict[str, Any]] = field(default_factory=list)
    positions: dict[str, Decimal] = field(default_factory=dict)
    entry: dict[str, str] = field(default_factory=dict)


class ApexLoopback(Loopback):
    def __init__(self) -> None:
        super().__init__()
        self.account = Account()
        self.contracts = {row["symbol"]: row for row in (dict(CONTRACT), {**CONTRACT, **LTC})}
        self.candles: dict[tuple[str, str], list[dict[str, str]]] = {}
        self.funding: list[tuple[int, str]] = []
        self.last_price = {"BTC-USDT": Decimal(90000), "LTC-USDT": Decimal("88.62")}
        self.refusals: dict[str, RefusalError] = {}
        self.forbid_next = False
        self._contents: list[dict[str, Any]] = []
        self._id = 774568067192586606

    def refuse(self, path: str, code: int, key: str, message: str) -> None:
        """Answer the next request to `path` (below /api/v3) with a refusal."""
        self.refusals[path] = RefusalError(code, key, message)

    def answer(self, call: Call) -> Answer:
        path = call.path.removeprefix("/api/v3/")
        if self.forbid_next:
            self.forbid_next = False
            return Answer({}, status=403)
        try:
            if path in ("symbols", "time", "klines", "ticker", "data/all-ticker-info", "history-funding"):
                data = self._public(path, dict(parse_qsl(call.query)))
            else:
                self._check_signature(call)
                if path in self.refusals:
                    raise self.refusals.pop(path)
                data = self._private(call.method, path, dict(parse_qsl(call.query or call.body)))
        except RefusalError as refusal:
            return Answer({"code": refusal.code, "msg": refusal.message, "key": refusal.key, "timeCost": "5320995"})
        return Answer({"data": data, "timeCost": "5376877"})

    def _public(self, path: str, query: dict[str, str]) -> Any:
        match path:
            case "symbols":
                rows = list(self.contracts.values())
                return {"spotConfig": {"assets": []}, "contractConfig": {"perpetualContract": rows, "assets": []}}
            case "time":
                return {"time": NOW_MS}
            case "klines":
                symbol, first = query["symbol"], int(query.get("start", 0)) * 1000
                last, limit = int(query.get("end", 1 << 40)) * 1000, min(int(query["limit"]), 200)
                rows = self.candles.get((symbol, query["interval"]), [])
                return {symbol: [row for row in rows if first <= int(row["t"]) <= last][-limit:]}
            case "history-funding":
                size, page = min(int(query["limit"]), 100), int(query["page"])
                rows = [self._funding_row(query["symbol"], *settled) for settled in reversed(self.funding)]
                return {"historyFunds": rows[page * size : (page + 1) * size], "totalSize": len(rows)}
        last = str(self.last_price["BTC-USDT"])
        return [{"symbol": "BTCUSDT", "lastPrice": last, "markPrice": last, "indexPrice": last, "fundingRate": "0"}]

    def _funding_row(self, symbol: str, time_ms: int, rate: str) -> dict[str, Any]:
        price = str(self.last_price[symbol])
        return {"symbol": symbol, "rate": rate, "price": price, "fundingTime": time_ms, "fundingTimestamp": time_ms}

    def _private(self, method: str, path: str, sent: dict[str, str]) -> Any:
        account = self.account
        match method, path:
            case "GET", "account":
                positions = [self._position(symbol) for symbol, size in account.positions.items() if size]
                return {"id": account.id, "ethereumAddress": "0x0", "positions": positions}
            case "GET", "account-balance":
                value = f"{account.balance:f}"
                return {"totalEquityValue": value, "availableBalance": value, "initialMargin": "0"}
            case "POST", "order":
                return self._create(sent)
            case "GET", "order":
                return self._row(account.orders.get(sent["id"]))
            case "GET", "order-by-client-order-id":
                return self._row(self._by_client_id(sent["id"]))
            case "GET", "open-orders":
                return [row for row in account.orders.values() if row["status"] not in ENDED]
            case "GET", "history-orders":
                rows = [row for row in account.orders.values() if row["status"] in ENDED]
                return {"orders": rows, "totalSize": len(rows)}
            case "GET", "fills":
                return {"orders": account.fills, "totalSize": len(account.fills)}
            case "GET", "order-fills":
                wanted = sent.get("orderId", "") or self._row(self._by_client_id(sent["clientOrderId"]))["id"]
                return {"orders": [row for row in account.fills if row["orderId"] == wanted]}
            case "POST", "delete-order":
                return self._cancel(account.orders.get(sent["id"]))
            case "POST", "delete-client-order-id":
                return self._cancel(self._by_client_id(sent["id"]))
            case "POST", "set-initial-margin-rate":
                account.margin_rate = sent["initialMarginRate"]
                return {}
        raise RefusalError(404, "NOT_FOUND", "no such address")

    def _check_signature(self, call: Call) -> None:
        text = call.headers.get("APEX-TIMESTAMP", "") + call.method + call.path
        text += f"?{call.query}" if call.query else call.body
        right = sign(self.account.secret, text)
        given = tuple(call.headers.get(f"APEX-{name}") for name in ("SIGNATURE", "API-KEY", "PASSPHRASE"))
        if given != (right, self.account.key, self.account.passphrase):
            raise RefusalError(20006, "APIKEY_SIGN_ERROR", "apikey sign error")

    def _by_client_id(self, client_id: str) -> dict[str, Any] | None:
        return next((row for row in self.account.orders.values() if row["clientId"] == client_id), None)

    def _row(self, row: dict[str, Any] | None) -> dict[str, Any]:
        if row is None:
            raise RefusalError(3, "ORDER_NOT_FOUND", "Order not found.")
        return row

    def _create(self, sent: dict[str, str]) -> dict[str, Any]:
        if Decimal(sent["price"]) <= 0:
            text = "Order price must be greater than 0. Order price is 0."
            raise RefusalError(3, "ORDER_PRICE_MUST_GREETER_ZERO", text)
        if not sent.get("signature"):
            raise RefusalError(20016, "REQUEST_PARA_ERROR", "request para error")
        if self._by_client_id(sent["clientId"]) is not None:
            raise RefusalError(3, "DUPLICATED_CLIENT_ID", "Duplicate client id.")
        self._id += 1
        recorded = MAINNET["create_order_stop_limit" if "triggerPrice" in sent else "create_order_market_sell"]["data"]
        same = ("symbol", "side", "type", "size", "price", "limitFee", "timeInForce", "clientId")
        row = json.loads(json.dumps(recorded)) | {name: sent[name] for name in same}
        row |= {"id": str(self._id), "orderId": str(self._id), "clientOrderId": sent["clientId"]}
        row |= {"triggerPrice": sent.get("triggerPrice", "0"), "reduceOnly": sent.get("reduceOnly") == "true"}
        row |= {"createdAt": NOW_MS, "updatedTime": NOW_MS, "expiresAt": int(sent["expiration"]) * 1000}
        answered = dict(row)
        row["status"] = "UNTRIGGERED" if "triggerPrice" in sent else "OPEN"
        self.account.orders[row["id"]] = row
        self._push_order(row)
        if row["type"] == "MARKET":
            self.fill(row["id"], self.last_price[row["symbol"]], Decimal(row["size"]))
        return answered

    def _cancel(self, row: dict[str, Any] | None) -> str:
        if self._row(row)["status"] in ENDED:
            raise RefusalError(3, "ORDER_NOT_FOUND", "Order not found.")
        assert row is not None
        row["status"] = "CANCELED"
        self._push_order(row)
        return str(row["id"])

    def fill(self, order_id: str, price: Decimal, size: Decimal) -> None:
        row, account = self.account.orders[order_id], self.account
        fee = (size * price * TAKER_FEE).quantize(Decimal("1.000000000000000000"))
        filled = Decimal(row["cumMatchFillSize"]) + size
        row |= {"cumMatchFillSize": str(filled), "latestMatchFillPrice": str(price)}
        row["cumMatchFillValue"] = str(Decimal(row["cumMatchFillValue"]) + size * price)
        row["cumMatchFillFee"] = str(Decimal(row["cumMatchFillFee"]) + fee)
        row["status"] = "FILLED" if filled == Decimal(row["size"]) else "OPEN"
        self._id += 1
        figures = {"price": str(price), "size": str(size), "fee": str(fee), "createdAt": str(NOW_MS)}
        same = {name: row[name] for name in ("clientId", "clientOrderId", "symbol", "side")}
        ids = {"id": str(self._id), "orderId": order_id, "orderType": row["type"]}
        account.fills.append(MAINNET["fills_one_row"] | same | figures | ids)
        account.balance -= fee
        signed = size if row["side"] == "BUY" else -size
        account.positions[row["symbol"]] = account.positions.get(row["symbol"], Decimal(0)) + signed
        account.entry.setdefault(row["symbol"], str(price))
        self._push_order(row)
        push = {name: figures[name] for name in ("price", "size", "fee")}
        push |= {"symbol": row["symbol"], "side": row["side"], "id": ids["id"], "orderId": order_id}
        self._contents.append({"fills": [{**FILL_PUSH, **push, "createdAt": NOW_MS, "updatedAt": NOW_MS}]})
        self._contents.append({"positions": [self._position(row["symbol"])]})

    def _position(self, symbol: str) -> dict[str, Any]:
        size = self.account.positions[symbol]
        changed = {"symbol": symbol, "side": "LONG" if size >= 0 else "SHORT", "size": str(abs(size))}
        rate = {"customInitialMarginRate": self.account.margin_rate}
        return {**POSITION, **changed, **rate, "entryPrice": self.account.entry[symbol]}

    def _push_order(self, row: Mapping[str, Any]) -> None:
        recorded = TESTNET["ws_account_orders_testnet"]["payload"][0]
        remaining = Decimal(row["size"]) - Decimal(row["cumMatchFillSize"])
        changed = {name: value for name, value in row.items() if name in recorded}
        self._contents.append({"orders": [recorded | changed | {"remainingSize": str(remaining), "updatedAt": NOW_MS}]})

    async def after(self) -> None:
        while self._contents:
            contents = self._contents.pop(0)
            message = {"type": "delta", "timestamp": NOW_MS, "topic": "ws_zk_accounts_v3", "contents": contents}
            for socket in [one for one in self.sockets if one.signed_in]:
                await socket.send(message)

    async def push_candle(self, symbol: str, row: Mapping[str, Any], time_ms: int = NOW_MS) -> None:
        """A kline push of one minute; `row` replaces fields of the documented one."""
        message = json.loads(json.dumps(TESTNET["klines_documentation"][-1])) | {"topic": f"candle.1.{symbol}"}
        message["data"][0] |= {"time": time_ms, **row}
        message["ts"] = time_ms
        for socket in self.sockets:
            if f"candle.1.{symbol}" in socket.topics:
                await socket.send(message)

    async def push_book(self, symbol: str, bid: str, ask: str, time_ms: int) -> None:
        """An order book of one level a side. Its `ts` is in microseconds, as the tickers' is in the documentation."""
        topic = f"orderBook25.H.{symbol}"
        data = {"s": symbol, "b": [[bid, "1"]], "a": [[ask, "1"]], "u": 1}
        message = {"topic": topic, "type": "snapshot", "ts": 1000 * time_ms, "data": data}
        for socket in self.sockets:
            if topic in socket.topics:
                await socket.send(message)

    async def hear(self, socket: Socket, message: dict[str, Any]) -> None:
        assert socket.path in ("/realtime_public", "/realtime_private"), socket.path
        assert socket.query.get("v") == "2"
        match message:
            case {"op": "ping", "args": args}:
                await socket.send({"op": "pong", "args": args})
            case {"op": "login", "args": [text]}:
                login = json.loads(text)
                right = sign(self.account.secret, login["timestamp"] + "GET/ws/accounts")
                given = (login["signature"], login["apiKey"], login["passphrase"])
                socket.signed_in = given == (right, self.account.key, self.account.passphrase)
                await socket.send({"type": "AUTH_RESP", "success": socket.signed_in, "ret_msg": ""})
            case {"op": "subscribe", "args": topics}:
                socket.topics += topics
                await socket.send({"success": True, "ret_msg": "", "conn_id": "1", "request": message})


def sign(secret: str, text: str) -> str:
    key = base64.b64encode(secret.encode())
    return base64.b64encode(hmac.new(key, text.encode(), hashlib.sha256).digest()).decode()
