"""A genuine ccxt.pro client trades against the server: orders, conditional orders, modes."""

from __future__ import annotations

import ccxt
import pytest

from tests.venue.conftest import Desk

BTC = "BTC/USDT:USDT"


async def test_market_order_fills_and_is_found_by_its_client_id(desk: Desk) -> None:
    placed = await desk.client.create_order(BTC, "market", "buy", "0.010", None, {"newClientOrderId": "qd1"})
    assert (placed["status"], placed["filled"], placed["average"]) == ("closed", 0.01, 50000.1)
    found = await desk.client.fetch_order(None, BTC, {"origClientOrderId": "qd1"})
    assert (found["id"], found["clientOrderId"], found["status"]) == (placed["id"], "qd1", "closed")
    (fill,) = await desk.client.fetch_my_trades(BTC)
    assert (fill["order"], fill["amount"], fill["fee"]["cost"]) == (placed["id"], 0.01, 0.2500005)
    assert desk.venue.position_lots("BTCUSDT") == 10


async def test_limit_order_rests_and_is_cancelled(desk: Desk) -> None:
    placed = await desk.client.create_order(BTC, "limit", "buy", "0.010", "49000.0", {"newClientOrderId": "qd2"})
    assert placed["status"] == "open"
    assert [row["clientOrderId"] for row in await desk.client.fetch_open_orders()] == ["qd2"]
    cancelled = await desk.client.cancel_order(None, BTC, {"origClientOrderId": "qd2"})
    assert cancelled["status"] == "canceled"
    with pytest.raises(ccxt.OrderNotFound):
        await desk.client.cancel_order(None, BTC, {"origClientOrderId": "qd2"})


async def test_stop_triggers_into_a_child_that_closes_the_position(desk: Desk) -> None:
    await desk.client.create_order(BTC, "market", "buy", "0.010")
    stop = await desk.client.create_order(
        BTC, "market", "sell", "0.010", None, {"stopLossPrice": "49000.0", "reduceOnly": True, "clientAlgoId": "qd3"}
    )
    assert stop["clientOrderId"] == "qd3"
    assert [row["id"] for row in await desk.client.fetch_open_orders(BTC, params={"trigger": True})] == [stop["id"]]
    desk.venue.set_book("BTCUSDT", "48990.0", "48990.1", desk.clock.pass_ms(1000))
    found = await desk.client.fetch_order(None, BTC, {"trigger": True, "clientAlgoId": "qd3"})
    child = found["info"]["actualOrderId"]
    assert (found["info"]["algoStatus"], child != stop["id"]) == ("FINISHED", True)
    fills = await desk.client.fetch_my_trades(BTC, params={"orderId": child})
    assert [(fill["side"], fill["price"], fill["amount"]) for fill in fills] == [("sell", 48990.0, 0.01)]
    assert desk.venue.position_lots("BTCUSDT") == 0


async def test_leverage_margin_and_position_mode_are_set_and_read_back(desk: Desk) -> None:
    assert (await desk.client.set_leverage(5, BTC))["leverage"] == 5
    assert (await desk.client.fetch_leverage(BTC))["longLeverage"] == 5
    await desk.client.set_margin_mode("isolated", BTC)
    with pytest.raises(ccxt.MarginModeAlreadySet):
        await desk.client.set_margin_mode("isolated", BTC)
    assert (await desk.client.fetch_position_mode())["hedged"] is False
    with pytest.raises(ccxt.OperationRejected):
        await desk.client.set_position_mode(False)


async def test_balance_and_position_follow_the_ledger(desk: Desk) -> None:
    await desk.client.create_order(BTC, "market", "sell", "0.100")
    balance = await desk.client.fetch_balance()
    assert balance["USDT"]["total"] == float(desk.venue.ledger.wallet_usdt) == 9997.5
    (position,) = await desk.client.fetch_positions([BTC])
    assert (position["side"], position["contracts"], position["entryPrice"]) == ("short", 0.1, 50000.0)


@pytest.mark.parametrize(
    ("type_", "side", "amount", "price", "params", "error", "code"),
    [
        ("limit", "buy", "0.001", "4000.0", {}, ccxt.InvalidOrder, -4164),
        ("market", "buy", "5", None, {}, ccxt.InsufficientFunds, -2019),
        ("market", "sell", "0.010", None, {"reduceOnly": True}, ccxt.InvalidOrder, -2022),
        ("market", "sell", "0.010", None, {"stopLossPrice": "60000.0"}, ccxt.OrderImmediatelyFillable, -2021),
    ],
)
async def test_refusals_reach_the_client_as_ccxt_classes(
    desk: Desk, type_: str, side: str, amount: str, price: str | None, params: dict[str, object], error: type, code: int
) -> None:
    with pytest.raises(error, match=f'"code":{code},'):
        await desk.client.create_order(BTC, type_, side, amount, price, params)
