"""What can go wrong on the wire, seen by a genuine client, and that the server ends clean."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import ccxt
import pytest

from tests.venue.conftest import Desk
from tests.venue.server import NO_FAULT, Call, Fault
from tests.venue.test_wire_streams import until
from tests.venue.venue import Response

BTC = "BTC/USDT:USDT"
PUSHED_OFF = Response(503, '{"code":-1008,"msg":"Server is currently overloaded with other requests."}', {})


def on_orders(fault: Fault) -> Callable[[Call], Fault]:
    return lambda call: fault if call.path == "/fapi/v1/order" and call.method == "POST" else NO_FAULT


@pytest.mark.parametrize(
    ("fault", "error", "placed"),
    [
        (Fault(drop_before=True), ccxt.NetworkError, 0),
        (Fault(drop_after=True), ccxt.NetworkError, 1),
        (Fault(response=PUSHED_OFF), ccxt.OperationFailed, 0),
        (Fault(answer=Response(502, "<html>Bad Gateway</html>", {})), ccxt.ExchangeNotAvailable, 1),
        (
            Fault(response=Response(429, '{"code":-1003,"msg":"Too many"}', {"Retry-After": "7"})),
            ccxt.DDoSProtection,
            0,
        ),
        (Fault(response=Response(418, '{"code":-1003,"msg":"Banned"}', {"Retry-After": "9"})), ccxt.DDoSProtection, 0),
    ],
)
async def test_a_fault_on_placing_is_felt_and_the_books_tell_what_happened(
    desk: Desk, fault: Fault, error: type[Exception], placed: int
) -> None:
    await desk.client.load_markets()
    desk.server.fault = on_orders(fault)
    with pytest.raises(error):
        await desk.client.create_order(BTC, "market", "buy", "0.010")
    assert len(desk.venue.orders) == placed


async def test_an_answer_is_lost_only_where_an_order_was_accepted(desk: Desk) -> None:
    await desk.client.load_markets()
    desk.server.after = lambda call, answer: None if call.path == "/fapi/v1/order" and answer.status == 200 else answer
    with pytest.raises(ccxt.InvalidOrder):
        await desk.client.create_order(BTC, "market", "sell", "0.010", None, {"reduceOnly": True})
    with pytest.raises(ccxt.NetworkError):
        await desk.client.create_order(BTC, "market", "buy", "0.010")
    assert len(desk.venue.orders) == 1


async def test_malformed_json_is_not_taken_for_an_order(desk: Desk) -> None:
    await desk.client.load_markets()
    desk.server.fault = on_orders(Fault(answer=Response(200, '{"orderId": 12, "sym', {})))
    placed = await desk.client.create_order(BTC, "market", "buy", "0.010")
    assert placed["id"] is None
    assert len(desk.venue.orders) == 1


async def test_a_silent_stall_times_out(desk: Desk) -> None:
    await desk.client.load_markets()
    desk.client.timeout = 50
    desk.server.fault = on_orders(Fault(stall=True))
    with pytest.raises(ccxt.RequestTimeout):
        await desk.client.create_order(BTC, "market", "buy", "0.010")
    assert desk.venue.orders == []


async def test_cut_websockets_are_felt_and_may_be_refused_after(desk: Desk) -> None:
    task = asyncio.ensure_future(desk.client.watch_bids_asks([BTC]))
    await until(lambda: "btcusdt@bookTicker" in desk.venue.exchange.hub.listeners)
    await desk.server.cut()
    with pytest.raises(ccxt.NetworkError):
        await task
    assert desk.venue.connections == []
    desk.server.refuses_websockets = True
    with pytest.raises(ccxt.NetworkError):
        await desk.client.watch_bids_asks([BTC])
    desk.server.refuses_websockets = False
    task = asyncio.ensure_future(desk.client.watch_bids_asks([BTC]))
    await until(lambda: "btcusdt@bookTicker" in desk.venue.exchange.hub.listeners)
    desk.venue.set_book("BTCUSDT", "50001.0", "50001.1", desk.now_ms)
    assert (await task)[BTC]["bid"] == 50001.0


async def test_a_stalled_stream_says_nothing_until_it_is_released(desk: Desk) -> None:
    task = asyncio.ensure_future(desk.client.watch_bids_asks([BTC]))
    await until(lambda: "btcusdt@bookTicker" in desk.venue.exchange.hub.listeners)
    desk.server.hold = True
    desk.venue.set_book("BTCUSDT", "50001.0", "50001.1", desk.now_ms)
    for _ in range(50):
        await asyncio.sleep(0)
    assert not task.done()
    desk.server.release()
    assert (await task)[BTC]["bid"] == 50001.0


async def test_every_call_is_listed_and_closing_leaves_no_task(desk: Desk) -> None:
    await desk.client.fetch_time()
    assert desk.server.calls[-1] == Call("GET", "/fapi/v1/time", {}, "")
    task = asyncio.ensure_future(desk.client.watch_bids_asks([BTC]))
    await until(lambda: "btcusdt@bookTicker" in desk.venue.exchange.hub.listeners)
    await desk.client.close()
    await desk.server.close()
    await asyncio.gather(task, return_exceptions=True)
    names = [other.get_coro().__qualname__ for other in asyncio.all_tasks()]
    assert not [name for name in names if name.startswith("VenueServer")]
