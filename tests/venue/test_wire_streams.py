"""A genuine ccxt.pro client listens to the server: market streams, the private stream, listen keys."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import ccxt
import pytest

from tests.patience import comes
from tests.venue.conftest import Desk
from tests.venue.streams import LISTEN_KEY_MS

BTC = "BTC/USDT:USDT"


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until the condition holds."""
    await comes(condition, "what the exchange should see", 0)


async def hear(desk: Desk, watching: Awaitable[Any], stream: str, act: Callable[[], object]) -> Any:
    """Begin to watch, act once the exchange knows of the subscription, and return what is heard first."""
    task = asyncio.ensure_future(watching)
    hub = desk.venue.exchange.hub
    await until(lambda: stream in hub.listeners or (stream == "private" and _has_private(desk)))
    act()
    return await task


def _private_client(desk: Desk) -> Any:
    return next(client for url, client in desk.client.clients.items() if "private" in url)


def _has_private(desk: Desk) -> bool:
    return any(connection.listen_keys for connection in desk.venue.connections)


async def test_candles_close_exactly_at_the_minute(desk: Desk) -> None:
    seen: list[str] = []
    task = asyncio.ensure_future(desk.client.watch_ohlcv(BTC, "1m"))
    await until(lambda: "btcusdt@kline_1m" in desk.venue.exchange.hub.listeners)
    desk.venue.exchange.hub.on_send = lambda _, text: seen.append(text)
    desk.venue.set_book("BTCUSDT", "50010.0", "50010.1", desk.clock.pass_ms(5_000))
    desk.venue.advance(desk.clock.pass_ms(120_000))
    candles = await task
    assert candles[-1][:5] == [desk.now_ms - desk.now_ms % 60_000 - 120_000, 50000.0, 50010.0, 50000.0, 50010.0]
    closing = [text for text in seen if '"x":true' in text]
    assert len(closing) == 2
    assert f'"E":{desk.now_ms - desk.now_ms % 60_000 - 60_000},' in closing[0]


async def test_best_prices_are_heard(desk: Desk) -> None:
    heard = await hear(
        desk,
        desk.client.watch_bids_asks([BTC]),
        "btcusdt@bookTicker",
        lambda: desk.venue.set_book("BTCUSDT", "50020.0", "50020.1", desk.now_ms),
    )
    assert (heard[BTC]["bid"], heard[BTC]["ask"]) == (50020.0, 50020.1)


async def test_mark_price_is_heard(desk: Desk) -> None:
    desk.venue.set_mark("BTCUSDT", "50005.5", desk.now_ms, funding_rate="0.0003")
    heard = await hear(
        desk,
        desk.client.watch_mark_price(BTC),
        "btcusdt@markPrice@1s",
        lambda: desk.venue.advance(desk.clock.pass_ms(1_000)),
    )
    assert (heard["markPrice"], heard["info"]["r"]) == (50005.5, "0.00030000")


async def test_trades_and_order_book_are_heard(desk: Desk) -> None:
    trades = await hear(
        desk,
        desk.client.watch_trades(BTC),
        "btcusdt@trade",
        lambda: desk.venue.trade("BTCUSDT", "50000.1", "0.002", desk.now_ms),
    )
    assert (trades[-1]["price"], trades[-1]["amount"], trades[-1]["side"]) == (50000.1, 0.002, "buy")
    task = asyncio.ensure_future(desk.client.watch_order_book(BTC))
    await until(lambda: BTC in desk.client.orderbooks and desk.client.orderbooks[BTC]["nonce"] is not None)
    book = await task
    for step in range(3):
        bid = f"{50000 - step}.0"
        desk.venue.set_book("BTCUSDT", bid, f"{50000 - step}.1", desk.now_ms, bid_qty="1", ask_qty="2")
        book = await desk.client.watch_order_book(BTC)
    assert (book["bids"][0], book["asks"][0]) == ([49998.0, 1.0], [49998.1, 2.0])
    assert len(book["bids"]) == 20


async def test_a_market_order_is_told_in_the_exchange_s_own_order(desk: Desk) -> None:
    task = asyncio.ensure_future(desk.client.watch_balance())
    orders = asyncio.ensure_future(desk.client.watch_orders())
    await until(lambda: _has_private(desk))
    events: list[str] = []
    desk.venue.exchange.hub.on_send = lambda _, text: events.append(text)
    fills = asyncio.ensure_future(desk.client.watch_my_trades())
    await until(lambda: "myTrades" in _private_client(desk).futures)
    await desk.client.create_order(BTC, "market", "buy", "0.010", None, {"newClientOrderId": "qd5"})
    kinds = [text.partition('"e":"')[2].partition('"')[0] for text in events]
    assert kinds == ["TRADE_LITE", "ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE", "ORDER_TRADE_UPDATE"]
    assert (await task)["USDT"]["total"] == 9999.7499995
    assert (await orders)[-1]["clientOrderId"] == "qd5"
    assert (await fills)[-1]["fee"]["cost"] == 0.2500005


async def test_a_triggered_stop_is_told_with_its_child(desk: Desk) -> None:
    await desk.client.create_order(BTC, "market", "buy", "0.010")
    await desk.client.create_order(
        BTC, "market", "sell", "0.010", None, {"stopLossPrice": "49000.0", "reduceOnly": True, "clientAlgoId": "qd6"}
    )
    states: list[tuple[str, str]] = []

    async def listen() -> None:
        while True:
            heard = await desk.client.watch_orders()
            states.extend((order["info"].get("X"), order["info"].get("ai", "child")) for order in heard)

    task = asyncio.create_task(listen())
    await until(lambda: _has_private(desk))
    desk.venue.set_book("BTCUSDT", "48990.0", "48990.1", desk.clock.pass_ms(1_000))
    child = str(desk.venue.algos[0].child.order_id)
    await until(lambda: ("FINISHED", child) in states)
    task.cancel()


async def test_an_expired_listen_key_falls_silent(desk: Desk) -> None:
    task = asyncio.ensure_future(desk.client.watch_balance())
    await until(lambda: _has_private(desk))
    events: list[str] = []
    desk.venue.exchange.hub.on_send = lambda _, text: events.append(text)
    desk.venue.advance(desk.clock.pass_ms(LISTEN_KEY_MS + 1_000))
    assert [text.partition('"e":"')[2].partition('"')[0] for text in events] == ["listenKeyExpired"]
    desk.venue.transfer("5", desk.now_ms)
    assert len(events) == 1
    task.cancel()


async def test_the_order_book_stays_whole_when_our_own_order_takes_from_it(desk: Desk) -> None:
    desk.venue.set_book("BTCUSDT", "50000.0", "50000.1", desk.now_ms, bid_qty="1", ask_qty="0.005")
    book = await desk.client.watch_order_book(BTC)
    assert book["asks"][0] == [50000.1, 0.005]
    task = asyncio.ensure_future(desk.client.watch_order_book(BTC))
    await desk.client.create_order(BTC, "market", "buy", "0.007")
    book = await task
    assert book["asks"][0] == [50000.2, 0.003]
    task = asyncio.ensure_future(desk.client.watch_order_book(BTC))
    await asyncio.sleep(0)
    desk.venue.set_book("BTCUSDT", "49999.0", "49999.1", desk.now_ms, bid_qty="1", ask_qty="1")
    book = await task
    assert (book["bids"][0], book["asks"][0]) == ([49999.0, 1.0], [49999.1, 1.0])


async def test_a_new_listen_key_follows_an_expired_one(desk: Desk) -> None:
    first = (await desk.client.fapiPrivatePostListenKey())["listenKey"]
    assert (await desk.client.fapiPrivatePutListenKey())["listenKey"] == first
    desk.venue.advance(desk.clock.pass_ms(LISTEN_KEY_MS + 1_000))
    with pytest.raises(ccxt.ExchangeError, match="-1125"):
        await desk.client.fapiPrivatePutListenKey()
    assert (await desk.client.fapiPrivatePostListenKey())["listenKey"] != first
