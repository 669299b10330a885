"""MEXC through the genuine ccxt.pro client, against documented messages on a loopback port."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from core.clock import ExchangeClock, VirtualClock
from core.domain.errors import RejectKind, VenueBusyError, VenueRejectedError, VenueUnknownError
from core.domain.instrument import Instrument
from core.domain.orders import OrderType, Side
from core.exchange.account.reading import ContractSetup, PositionMode, read_contracts, read_position_mode
from core.exchange.binanceusdm.weights import BUDGET
from core.exchange.connection.health import Health
from core.exchange.connection.keys import Keys
from core.exchange.connection.limiter import Limiter
from core.exchange.connection.requests import Requests, open_wire
from core.exchange.markets.contracts import load_instruments
from core.exchange.markets.status import status_problem
from core.exchange.mexc.dialect import MexcSwap
from core.settings.schema import Settings
from tests.core.exchange.samples import order
from tests.venue.mexc import NOW_MS, MexcLoopback

BTC = "BTC/USDT:USDT"
SETTINGS = Settings.model_validate({"exchange": {"id": "mexc"}})
DIALECT = MexcSwap()
MINUTE_S = NOW_MS // 60_000 * 60
CONTRACT = Instrument(
    symbol="BTCUSDT",
    base="BTC",
    tick_size=Decimal("0.5"),
    lot_size=Decimal(1),
    contract_size=Decimal("0.0001"),
    min_lots=1,
    max_lots=1_000_000,
    min_notional_usdt=Decimal(0),
    maker_fee_bps=Decimal(2),
    taker_fee_bps=Decimal(5),
    max_leverage=125,
    maintenance_margin_pct=Decimal("0.4"),
    liquidation_fee_bps=Decimal(125),
)
BUY_AT_30000 = order("qd1", Side.BUY, OrderType.LIMIT, 3, price_ticks=60_000)
BUY_NOW = order("qd2", Side.BUY, OrderType.MARKET, 3)
STOP_AT_30000 = order("qd3", Side.SELL, OrderType.STOP_MARKET, 3, trigger_ticks=60_000, reduce_only=True)


@pytest.fixture
async def venue(only_loopback: list[str]) -> AsyncIterator[MexcLoopback]:
    async with MexcLoopback() as loopback:
        assert isinstance(loopback, MexcLoopback)
        yield loopback


@pytest.fixture
async def wire(venue: MexcLoopback) -> AsyncIterator[Requests]:
    exchange = SETTINGS.exchange.model_copy(update={"base_url": venue.url})
    settings = SETTINGS.model_copy(update={"exchange": exchange})
    keys = Keys(venue.account.key, venue.account.secret)
    opened = await open_wire(settings, keys, ExchangeClock(VirtualClock(NOW_MS)), Health(), DIALECT, ["BTCUSDT"])
    # The clock stands still, so what is spent of the rate limit never comes back.
    opened.limiter = Limiter(BUDGET, opened.clock.now_ms, opened.health)
    yield opened
    await opened.close()


async def place(wire: Requests, wanted) -> str:
    call = DIALECT.create(wanted, CONTRACT, BTC)
    answer = await wire.send("create_order", call.symbol, call.type, call.side, call.amount, call.price, call.params)
    return str(answer["id"])


async def test_contracts_are_asked_for_and_nothing_of_spot(venue: MexcLoopback, wire: Requests, only_loopback) -> None:
    market = wire.client.market(BTC)
    assert (market["contractSize"], market["precision"]) == (0.0001, {"amount": 1.0, "price": 0.5})
    assert (market["maker"], market["taker"]) == (0.0002, 0.0006)
    assert set(only_loopback) == {venue.url + path for path in ("/api/v1/contract/ping", "/api/v1/contract/detail")}


async def test_a_contract_is_an_instrument(wire: Requests) -> None:
    instruments = await load_instruments(wire, SETTINGS, ["BTCUSDT"], with_account=False)
    assert instruments == {"BTCUSDT": CONTRACT}


async def test_candles_come_from_rest_in_milliseconds_and_base_units(venue: MexcLoopback, wire: Requests) -> None:
    minutes = [[MINUTE_S + 60 * n, 31000 + n, 31010.5, 30990, 31005, 100 + n] for n in range(3)]
    venue.candles["BTC_USDT", "Min1"] = minutes
    rows = await wire.read("fetch_ohlcv", BTC, "1m", since=1000 * (MINUTE_S + 60), limit=10)
    assert rows == [[1000 * row[0], *row[1:5], row[5] / 10_000] for row in minutes[1:]]


async def test_candles_come_from_the_stream(venue: MexcLoopback, wire: Requests, only_loopback: list[str]) -> None:
    watch = asyncio.create_task(wire.client.watch_ohlcv(BTC, "1m"))
    await venue.until(lambda: any(socket.topics for socket in venue.sockets))
    await venue.push_candle("BTC_USDT", "Min1", [MINUTE_S, 31000, 31010.5, 30990, 31005, 7])
    assert await watch == [[1000 * MINUTE_S, 31000.0, 31010.5, 30990.0, 31005.0, 0.0007]]
    assert only_loopback[-1] == venue.url.replace("http://", "ws://") + "/edge"


async def test_the_status_of_a_contract(venue: MexcLoopback, wire: Requests) -> None:
    market = wire.client.markets[BTC]
    assert market["info"]["state"] == 0
    assert status_problem(market, NOW_MS, DIALECT) == ""
    paused = market | {"info": market["info"] | {"state": 4}}
    assert status_problem(paused, NOW_MS, DIALECT) == "it is paused; clears when the exchange trades it"


async def test_balance(venue: MexcLoopback, wire: Requests) -> None:
    venue.account.margin = 250.0
    assert (await wire.read("fetch_balance"))["USDT"] == {"free": 1000.0, "used": 250.0, "total": 1250.0}


async def test_a_limit_order_rests_is_fetched_and_canceled(venue: MexcLoopback, wire: Requests) -> None:
    order_id = await place(wire, BUY_AT_30000)
    assert json.loads(venue.calls[-1].body) == {
        "symbol": "BTC_USDT",
        "vol": 3.0,
        "type": 1,
        "openType": 2,
        "price": 30000.0,
        "side": 1,
        "externalOid": "qd1",
        "positionMode": 2,
    }
    (resting,) = await wire.read("fetch_open_orders", BTC)
    fetched = await wire.read("fetch_order", order_id, BTC)
    expected = {"id": order_id, "clientOrderId": "qd1", "status": "open", "side": "buy", "type": "limit", "filled": 0.0}
    assert {name: resting[name] for name in expected} == expected
    assert {name: fetched[name] for name in expected} == expected
    none, ours = DIALECT.by_client_id(BUY_AT_30000)
    assert (await wire.read("fetch_order", none, BTC, ours))["id"] == order_id
    await wire.send("cancel_order", none, BTC, ours)
    assert await wire.read("fetch_open_orders", BTC) == []
    assert (await wire.read("fetch_order", order_id, BTC))["status"] == "canceled"


async def test_an_order_that_never_arrived_is_not_found_by_our_id(venue: MexcLoopback, wire: Requests) -> None:
    none, ours = DIALECT.by_client_id(BUY_AT_30000)
    for method in ("fetch_order", "cancel_order"):
        with pytest.raises(VenueRejectedError) as refused:
            await wire.send(method, none, BTC, ours)
        assert refused.value.kind is RejectKind.NOT_FOUND


async def test_a_market_order_fills_and_shows_as_position_and_trade(venue: MexcLoopback, wire: Requests) -> None:
    order_id = await place(wire, BUY_NOW)
    (position,) = await wire.read("fetch_positions")
    assert [position[name] for name in ("symbol", "side", "contracts", "entryPrice")] == [BTC, "long", 3.0, 31199.0]
    (trade,) = await wire.read("fetch_my_trades", BTC)
    expected = {"order": order_id, "side": "buy", "amount": 3.0, "price": 31199.0, "takerOrMaker": "taker"}
    assert {name: trade[name] for name in expected} == expected
    assert trade["fee"] == {"cost": 0.00561582, "currency": "USDT"}
    assert [row["id"] for row in await wire.read("fetch_order_trades", order_id, BTC)] == [trade["id"]]


async def test_a_stop_rests_among_the_trigger_orders_only(venue: MexcLoopback, wire: Requests) -> None:
    await place(wire, BUY_NOW)
    stop_id = await place(wire, STOP_AT_30000)
    sent = json.loads(venue.calls[-1].body)
    close_long, at_or_below, seven_days, market = 4, 2, 2, 5
    assert [sent["side"], sent["triggerType"], sent["executeCycle"]] == [close_long, at_or_below, seven_days]
    assert (sent["orderType"], sent["triggerPrice"], sent["vol"]) == (market, "30000", 3.0)
    queries = DIALECT.open_order_queries()
    plain, (resting,) = [await wire.read("fetch_open_orders", BTC, params=query) for query in queries]
    assert plain == []
    expected = {"id": stop_id, "side": "sell", "status": "open", "type": "market", "triggerPrice": 30000.0}
    assert {name: resting[name] for name in expected} == expected
    await wire.send("cancel_order", stop_id, BTC, {"trigger": True})
    assert await wire.read("fetch_open_orders", BTC, params={"trigger": True}) == []


@pytest.mark.parametrize(
    ("kind", "side", "expected"),
    [
        (OrderType.STOP_MARKET, Side.SELL, 2),
        (OrderType.STOP_MARKET, Side.BUY, 1),
        (OrderType.TAKE_PROFIT_MARKET, Side.SELL, 1),
        (OrderType.TAKE_PROFIT_MARKET, Side.BUY, 2),
    ],
)
def test_the_side_of_the_trigger(kind: OrderType, side: Side, expected: int) -> None:
    call = DIALECT.create(order("qd9", side, kind, 1, trigger_ticks=2, reduce_only=True), CONTRACT, BTC)
    assert call.params["triggerType"] == expected


async def test_fills_of_a_triggered_stop_come_under_its_child(venue: MexcLoopback, wire: Requests) -> None:
    await place(wire, BUY_NOW)
    stop_id = await place(wire, STOP_AT_30000)
    child_id = venue.trigger(stop_id)
    # ccxt asks for trigger orders in all states through fetch_orders.
    rows = await wire.read("fetch_orders", BTC, params={"method": "contractPrivateGetPlanorderListOrders"})
    assert DIALECT.venue_ids(rows[0]) == (stop_id, child_id)
    assert rows[0]["status"] == "closed"
    fills = await wire.read("fetch_my_trades", BTC)
    assert [(row["order"], row["side"]) for row in fills if row["order"] == child_id] == [(child_id, "sell")]


async def test_private_streams_tell_of_orders_fills_and_balance(venue: MexcLoopback, wire: Requests) -> None:
    client = wire.client
    tasks = [
        asyncio.create_task(watch()) for watch in (client.watch_orders, client.watch_my_trades, client.watch_balance)
    ]
    await venue.until(lambda: any(socket.signed_in for socket in venue.sockets))
    assert len(venue.sockets) == 1
    order_id = await place(wire, BUY_NOW)
    orders, trades, balance = await asyncio.gather(*tasks)
    last = orders[-1]
    assert [last[name] for name in ("id", "clientOrderId", "status", "filled")] == [order_id, "qd2", "closed", 3.0]
    trade = trades[-1]
    assert [trade[name] for name in ("order", "clientOrderId", "side", "amount")] == [order_id, "qd2", "buy", 3.0]
    assert balance["USDT"]["free"] == venue.account.available


def test_a_stop_cannot_be_asked_for_by_our_id() -> None:
    with pytest.raises(VenueRejectedError, match="our own id: qd3") as refused:
        DIALECT.by_client_id(STOP_AT_30000)
    assert refused.value.kind is RejectKind.NOT_SUPPORTED


async def test_fills_may_leave_out_the_position_mode_as_documented(venue: MexcLoopback, wire: Requests) -> None:
    venue.documented_fills = True
    await place(wire, BUY_NOW)
    (trade,) = await wire.read("fetch_my_trades", BTC)
    assert [trade[name] for name in ("amount", "timestamp", "side")] == [3.0, NOW_MS, "buy"]


async def test_position_mode_is_set_and_read_back(venue: MexcLoopback, wire: Requests) -> None:
    venue.account.position_mode = 1
    assert (await wire.read("fetch_position_mode"))["hedged"] is True
    await wire.send("set_position_mode", False)
    assert (await wire.read("fetch_position_mode"))["hedged"] is False


async def test_an_answer_without_a_position_mode_is_unread(venue: MexcLoopback, wire: Requests) -> None:
    venue.account.position_mode = 0
    assert await read_position_mode(wire) == PositionMode(None, "the exchange did not say")
    venue.account.position_mode = 2
    assert await read_position_mode(wire) == PositionMode(False)


async def test_leverage_and_margin_mode_are_read_by_contract(venue: MexcLoopback, wire: Requests) -> None:
    venue.account.leverage = 7
    silent = ContractSetup(None, 7, "the exchange did not say")
    assert await read_contracts(wire, ["BTCUSDT"]) == {"BTCUSDT": silent}
    venue.leverage_rows = {"openType": 1}
    assert await read_contracts(wire, ["BTCUSDT"]) == {"BTCUSDT": ContractSetup("isolated", 7)}


async def test_leverage_is_set_by_direction(venue: MexcLoopback, wire: Requests) -> None:
    for direction in (1, 2):
        await wire.send("set_leverage", 3, BTC, {"openType": 2, "positionType": direction})
    assert venue.account.leverage == 3


async def test_a_wrong_signature_is_refused(venue: MexcLoopback, wire: Requests) -> None:
    wire.client.secret = "not the secret"
    with pytest.raises(VenueRejectedError) as refused:
        await wire.read("fetch_balance")
    assert refused.value.kind is RejectKind.NO_PERMISSION


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (2005, RejectKind.NO_MARGIN),
        (2008, RejectKind.REDUCE_ONLY),
        (2009, RejectKind.REDUCE_ONLY),
        (2040, RejectKind.NOT_FOUND),
        (702, RejectKind.NO_PERMISSION),
        (2030, RejectKind.OTHER),
    ],
)
async def test_definite_refusals(venue: MexcLoopback, wire: Requests, code: int, kind: RejectKind) -> None:
    venue.refuse("order/create", code, "no")
    with pytest.raises(VenueRejectedError) as refused:
        await place(wire, BUY_AT_30000)
    assert refused.value.kind is kind


@pytest.mark.parametrize("code", [500, 504, 603, 9999])
async def test_troubles_of_the_exchange_leave_the_outcome_unknown(
    venue: MexcLoopback, wire: Requests, code: int
) -> None:
    venue.refuse("order/create", code, "no")
    with pytest.raises(VenueUnknownError):
        await place(wire, BUY_AT_30000)


@pytest.mark.parametrize("code", [510, 501])
async def test_turned_away_unread(venue: MexcLoopback, wire: Requests, code: int) -> None:
    venue.refuse("order/create", code, "no")
    with pytest.raises(VenueBusyError):
        await place(wire, BUY_AT_30000)


@pytest.mark.parametrize("wanted", ["never seen", "ended"])
async def test_a_cancel_that_finds_nothing(venue: MexcLoopback, wire: Requests, wanted: str) -> None:
    order_id = "1" if wanted == "never seen" else await place(wire, BUY_NOW)
    with pytest.raises(VenueRejectedError) as refused:
        await wire.send("cancel_order", order_id, BTC)
    assert refused.value.kind is RejectKind.NOT_FOUND
