"""What the genuine client posts for our orders, and how its rows are known again."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

import pytest

from core.domain.orders import Order, OrderRole, OrderType, Side
from core.domain.origin import ACCOUNT, champion
from core.exchange.binanceusdm.dialect import BinanceUsdm
from core.exchange.orders.known_orders import KnownOrders
from tests.core.exchange.desk_kit import BTC, House, in_house

DIALECT = BinanceUsdm()
CLIENT_ID = "qd0123456789abcdef01234567"


def make(type_: OrderType, role: OrderRole, **changes: Any) -> Order:
    return Order(CLIENT_ID, BTC, Side.SELL, type_, role, 41, 0, "t", champion("s"), **changes)


@pytest.mark.parametrize(
    ("order", "path", "posted"),
    [
        (
            make(OrderType.MARKET, OrderRole.EXIT, reduce_only=True),
            "/fapi/v1/order",
            {"type": "MARKET", "reduceOnly": "true", "newClientOrderId": CLIENT_ID, "quantity": "0.041"},
        ),
        (
            make(OrderType.LIMIT, OrderRole.ENTRY, price_ticks=600_001),
            "/fapi/v1/order",
            {"type": "LIMIT", "price": "60000.1", "timeInForce": "GTC", "newClientOrderId": CLIENT_ID},
        ),
        (
            make(OrderType.STOP_MARKET, OrderRole.STOP, reduce_only=True, trigger_ticks=590_000),
            "/fapi/v1/algoOrder",
            {
                "algoType": "CONDITIONAL",
                "type": "STOP_MARKET",
                "triggerPrice": "59000",
                "reduceOnly": "true",
                "clientAlgoId": CLIENT_ID,
                "quantity": "0.041",
            },
        ),
        (
            make(OrderType.TAKE_PROFIT_MARKET, OrderRole.TARGET, reduce_only=True, trigger_ticks=610_005),
            "/fapi/v1/algoOrder",
            {"type": "TAKE_PROFIT_MARKET", "triggerPrice": "61000.5", "clientAlgoId": CLIENT_ID},
        ),
    ],
)
def test_what_is_posted(order: Order, path: str, posted: dict[str, str]) -> None:
    async def test(house: House) -> None:
        await house.exchange_venue.place(order, house.clock.now_ms())
        await house.pass_s(0.05)
        (params,) = [dict(parse_qsl(p)) for method, p_, p in house.weather.asked if (method, p_) == ("POST", path)]
        assert {name: params.get(name) for name in posted} == posted
        assert params["side"] == "SELL"
        assert "workingType" not in params

    in_house(test)


def test_rows_are_known_by_client_id_or_by_the_child_s() -> None:
    known = KnownOrders(DIALECT)
    stop = make(OrderType.STOP_MARKET, OrderRole.STOP, reduce_only=True, trigger_ticks=590_000)
    known.learn(stop)
    row = {"id": "77", "clientOrderId": CLIENT_ID, "info": {"aid": 77, "caid": CLIENT_ID, "ai": "5"}}
    assert known.of_order_row(BTC, row) == stop
    assert known.venue_ids(CLIENT_ID) == ("5",)
    assert known.of_trade_row(BTC, {"order": "5", "info": {"c": "another"}}) == stop
    # The number of a conditional order is not that of a plain one.
    assert known.of_trade_row(BTC, {"order": "77", "info": {}}) is None
    assert known.of_trade_row("ETHUSDT", {"order": "5", "info": {}}) is None


def test_the_oldest_orders_are_forgotten_with_their_ids() -> None:
    known = KnownOrders(DIALECT)
    for i in range(5000):
        order = Order(f"qd{i}", BTC, Side.BUY, OrderType.MARKET, OrderRole.ENTRY, 1, 0, "", ACCOUNT)
        known.learn(order)
        known.learn_venue_id(order, str(i))
        known.set_aside(BTC, f"other-{i}")
    assert known.by_client_id("qd999") is None
    assert known.of_venue_id(BTC, "999") is None
    assert known.of_venue_id(BTC, "4999") == order
    assert not known.is_others(BTC, "other-0")
    assert len(json.dumps(list(known._by_venue_id.values()))) < 60_000


def test_an_open_order_is_not_forgotten_however_old_it_is() -> None:
    known = KnownOrders(DIALECT)
    known.keep_while(lambda order: order.client_order_id == CLIENT_ID)
    known.learn(make(OrderType.STOP_MARKET, OrderRole.STOP, reduce_only=True, trigger_ticks=590_000))
    for i in range(5000):
        known.learn(Order(f"qd{i}", BTC, Side.BUY, OrderType.MARKET, OrderRole.ENTRY, 1, 0, "", ACCOUNT))
    assert known.by_client_id(CLIENT_ID) is not None
    assert known.by_client_id("qd0") is None
