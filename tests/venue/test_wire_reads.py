"""What a genuine ccxt client reads from the server: market data, lists of orders, income, modes."""

from __future__ import annotations

import ccxt
import pytest

from core.domain.market import Bar
from tests.venue.conftest import START_MS, Desk

BTC = "BTC/USDT:USDT"
MINUTE = START_MS - START_MS % 60_000


async def test_contract_rules_are_read(desk: Desk) -> None:
    market = (await desk.client.load_markets())[BTC]
    assert (market["id"], market["linear"], market["contractSize"]) == ("BTCUSDT", True, 1.0)
    assert (market["precision"]["amount"], market["precision"]["price"]) == (0.001, 0.1)
    assert market["limits"]["cost"]["min"] == 5.0
    tiers = await desk.client.fetch_leverage_tiers([BTC])
    assert tiers[BTC][0]["maxLeverage"] == 125.0
    fee = await desk.client.fetch_trading_fee(BTC)
    assert (fee["maker"], fee["taker"]) == (0.0002, 0.0005)


async def test_candles_are_read_page_by_page(desk: Desk) -> None:
    bars = [Bar("BTCUSDT", MINUTE - 60_000 * (90 - n), 60_000, 1.0, 3.0, 0.5, 2.0 + n, 1.0) for n in range(90)]
    desk.venue.load_history("BTCUSDT", bars)
    page = await desk.client.fetch_ohlcv(BTC, "1m", MINUTE - 90 * 60_000, 40)
    assert [row[0] for row in page] == [bar.open_time_ms for bar in bars[:40]]
    newest = await desk.client.fetch_ohlcv(BTC, "1m", limit=3)
    assert [row[0] for row in newest] == [MINUTE - 120_000, MINUTE - 60_000, MINUTE]


async def test_tickers_book_and_funding_are_read(desk: Desk) -> None:
    ticker = await desk.client.fetch_ticker(BTC)
    assert ticker["last"] == 50000.0
    assert (await desk.client.fetch_bids_asks([BTC]))[BTC]["ask"] == 50000.1
    book = await desk.client.fetch_order_book(BTC, 5)
    assert (len(book["bids"]), book["asks"][0][0]) == (5, 50000.1)
    assert (await desk.client.fetch_funding_rate(BTC))["fundingRate"] == 0.0001
    assert (await desk.client.fetch_trades(BTC))[-1]["price"] == 50000.0
    assert await desk.client.fetch_time() == START_MS


async def test_funding_income_is_read(desk: Desk) -> None:
    await desk.client.create_order(BTC, "market", "buy", "0.010")
    desk.venue.fund("BTCUSDT", "0.0001", "50000.0", desk.clock.pass_ms(1_000))
    (paid,) = await desk.client.fetch_funding_history(BTC)
    assert (paid["amount"], paid["timestamp"], bool(paid["id"])) == (-0.05, desk.now_ms, True)
    (rate,) = await desk.client.fetch_funding_rate_history(BTC)
    assert (rate["fundingRate"], rate["timestamp"]) == (0.0001, desk.now_ms)


async def test_plain_and_conditional_orders_are_listed_and_cleared_apart(desk: Desk) -> None:
    await desk.client.create_order(BTC, "limit", "buy", "0.010", "49000.0")
    await desk.client.create_order(
        BTC, "market", "sell", "0.010", None, {"takeProfitPrice": "60000.0", "reduceOnly": True}
    )
    assert len(await desk.client.fetch_open_orders(BTC)) == 1
    (target,) = await desk.client.fetch_open_orders(BTC, params={"trigger": True})
    assert (target["info"]["orderType"], target["triggerPrice"]) == ("TAKE_PROFIT_MARKET", 60000.0)
    await desk.client.cancel_all_orders(BTC)
    assert len(await desk.client.fetch_open_orders(BTC, params={"trigger": True})) == 1
    await desk.client.cancel_all_orders(BTC, {"trigger": True})
    assert await desk.client.fetch_open_orders(BTC, params={"trigger": True}) == []
    assert [order.status for order in desk.venue.orders] == ["CANCELED"]


async def test_a_limit_order_is_amended(desk: Desk) -> None:
    placed = await desk.client.create_order(BTC, "limit", "buy", "0.010", "49000.0")
    amended = await desk.client.edit_order(placed["id"], BTC, "limit", "buy", "0.020", "49500.0")
    assert (amended["id"], amended["amount"], amended["price"]) == (placed["id"], 0.02, 49500.0)


async def test_a_batch_is_refused_in_part(desk: Desk) -> None:
    rows = await desk.client.create_orders(
        [
            {"symbol": BTC, "type": "market", "side": "buy", "amount": 0.01},
            {"symbol": BTC, "type": "limit", "side": "buy", "amount": 0.001, "price": 4000.0},
        ]
    )
    assert sorted(str(row["status"]) for row in rows) == ["closed", "rejected"]
    assert desk.venue.position_lots("BTCUSDT") == 10


async def test_a_conditional_order_is_not_found_among_the_plain_ones(desk: Desk) -> None:
    await desk.client.create_order(
        BTC, "market", "sell", "0.010", None, {"triggerPrice": "49000.0", "clientAlgoId": "c1"}
    )
    for call in (desk.client.fetch_order, desk.client.cancel_order):
        with pytest.raises(ccxt.OrderNotFound):
            await call(None, BTC, {"origClientOrderId": "c1"})
        await call(None, BTC, {"trigger": True, "clientAlgoId": "c1"})
    with pytest.raises(ccxt.OrderNotFound):
        await desk.client.cancel_order(None, BTC, {"trigger": True, "clientAlgoId": "c1"})


async def test_the_old_way_to_place_a_stop_is_refused(desk: Desk) -> None:
    await desk.client.load_markets()
    with pytest.raises(ccxt.InvalidOrder, match="-4120"):
        await desk.client.fapiPrivatePostOrder(
            {"symbol": "BTCUSDT", "side": "SELL", "type": "STOP_MARKET", "quantity": "0.010", "stopPrice": "49000.0"}
        )
    assert desk.venue.orders == []


async def test_the_key_s_rights_are_read(desk: Desk) -> None:
    rights = await desk.client.sapi_get_account_apirestrictions()
    assert (rights["enableFutures"], rights["enableWithdrawals"], rights["ipRestrict"]) == (True, False, True)
