"""The exchange in memory answers and pushes what Binance documents or was recorded to send: each field and its type."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.venue.loopback import messages
from tests.venue.venue import API_KEY, API_SECRET, BinanceVenue

T0 = 1_780_000_020_000
BTC = "BTCUSDT"
SHAPES = messages("binance/shapes")
TRAILING_ONLY = {"activatePrice", "priceRate", "AP", "cr"}
TRIGGERED_ONLY = {"actualQty", "actualType"}


def ask(venue: BinanceVenue, method: str, path: str, **params: str) -> Any:
    query = {**params, "timestamp": str(T0)}
    query["signature"] = hmac.new(API_SECRET.encode(), urlencode(query).encode(), hashlib.sha256).hexdigest()
    answer = venue.rest(method, path, query, {"X-MBX-APIKEY": API_KEY}, T0)
    assert answer.status == 200, answer.body
    return answer.json()


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    """One answer of each endpoint and one frame of each event, from a short life of an account."""
    venue = BinanceVenue([BTC], start_ms=T0)
    venue.set_book(BTC, "50000.0", "50000.1", T0)
    key = venue.rest("POST", "/fapi/v1/listenKey", {}, {"X-MBX-APIKEY": API_KEY}, T0).json()["listenKey"]
    heard = [venue.connect(path, T0) for path in (f"/private/ws?listenKey={key}", "/market/ws/1", "/public/ws/1")]
    for connection, names in zip(
        heard[1:], (("kline_1m", "markPrice@1s", "aggTrade"), ("bookTicker", "trade")), strict=True
    ):
        streams = [f"btcusdt@{name}" for name in names]
        connection.receive(json.dumps({"method": "SUBSCRIBE", "params": streams, "id": 1}), T0)
    stop = {"symbol": BTC, "side": "SELL", "type": "STOP_MARKET", "algoType": "CONDITIONAL", "reduceOnly": "true"}
    ask(venue, "POST", "/fapi/v1/order", symbol=BTC, side="BUY", type="MARKET", quantity="0.010")
    limit = {"symbol": BTC, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "newClientOrderId": "limit"}
    placed = ask(venue, "POST", "/fapi/v1/order", **limit, price="40000.0", quantity="0.010")
    algo = ask(
        venue, "POST", "/fapi/v1/algoOrder", **stop, quantity="0.010", triggerPrice="45000.0", clientAlgoId="stop"
    )
    venue.fund(BTC, "0.0001", "50000.0", T0)
    answers = {
        "place order": placed,
        "order": ask(venue, "GET", "/fapi/v1/order", symbol=BTC, origClientOrderId="limit"),
        "open orders": ask(venue, "GET", "/fapi/v1/openOrders", symbol=BTC),
        "place algo order": algo,
        "algo order": ask(venue, "GET", "/fapi/v1/algoOrder", clientAlgoId="stop"),
        "open algo orders": ask(venue, "GET", "/fapi/v1/openAlgoOrders", symbol=BTC),
        "user trades": ask(venue, "GET", "/fapi/v1/userTrades", symbol=BTC),
        "account": ask(venue, "GET", "/fapi/v3/account"),
        "leverage": ask(venue, "POST", "/fapi/v1/leverage", symbol=BTC, leverage="5"),
        "leverage bracket": ask(venue, "GET", "/fapi/v1/leverageBracket"),
        "symbol config": ask(venue, "GET", "/fapi/v1/symbolConfig"),
        "commission rate": ask(venue, "GET", "/fapi/v1/commissionRate", symbol=BTC),
        "klines": ask(venue, "GET", "/fapi/v1/klines", symbol=BTC, interval="1m"),
        "premium index": ask(venue, "GET", "/fapi/v1/premiumIndex", symbol=BTC),
        "book ticker": ask(venue, "GET", "/fapi/v1/ticker/bookTicker", symbol=BTC),
        "funding rate": ask(venue, "GET", "/fapi/v1/fundingRate", symbol=BTC),
        "depth": ask(venue, "GET", "/fapi/v1/depth", symbol=BTC, limit="5"),
    }
    ask(venue, "DELETE", "/fapi/v1/order", symbol=BTC, origClientOrderId="limit")
    ask(venue, "DELETE", "/fapi/v1/algoOrder", clientAlgoId="stop")
    venue.set_book(BTC, "44999.0", "45000.0", T0 + 1_000)
    venue.advance(T0 + 65_000)
    for text in (text for connection in heard for text in connection.outbox):
        frame = json.loads(text)
        inner = frame.get("o")
        state = f" {inner['X']}" if isinstance(inner, dict) and "X" in inner else ""
        answers.setdefault(f"{frame.get('e')}{state}", frame)
    return answers


def unlike(ours: Any, documented: Any, place: str = "") -> list[str]:
    """Where ours lacks a documented field or has another type."""
    if isinstance(documented, dict) and isinstance(ours, dict):
        lacking = [f"{place}.{name} is missing" for name in documented if name not in ours]
        common = [name for name in documented if name in ours]
        return lacking + [found for name in common for found in unlike(ours[name], documented[name], f"{place}.{name}")]
    if isinstance(documented, list) and isinstance(ours, list):
        return unlike(ours[0], documented[0], f"{place}[0]") if documented and ours else []
    if kind(ours) is not kind(documented):
        return [f"{place} is {ours!r}, documented as {documented!r}"]
    return []


def kind(value: Any) -> type:
    return float if isinstance(value, int) and not isinstance(value, bool) else type(value)


@pytest.mark.parametrize("name", [*SHAPES["rest"], *SHAPES["streams"]])
def test_nothing_documented_is_missing(seen: dict[str, Any], name: str) -> None:
    documented = SHAPES["rest"].get(name) or SHAPES["streams"][name]
    assert name in seen
    ignored = TRAILING_ONLY | (TRIGGERED_ONLY if name == "algo order" else set())
    found = unlike(seen[name], documented)
    assert [said for said in found if said.removesuffix(" is missing").rpartition(".")[2] not in ignored] == []
