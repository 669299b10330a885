"""Apex Omni through the genuine ccxt.pro client, against recorded and documented messages on a loopback port."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from decimal import Decimal
from types import ModuleType, SimpleNamespace
from urllib.parse import parse_qsl

import pytest

from core.clock import ExchangeClock, VirtualClock
from core.domain.errors import RejectKind, VenueBusyError, VenueRejectedError, VenueUnknownError
from core.domain.instrument import Instrument
from core.domain.orders import OrderType, Side
from core.exchange.apex.dialect import ApexOmni
from core.exchange.binanceusdm.weights import BUDGET
from core.exchange.connection.health import Health
from core.exchange.connection.keys import Keys
from core.exchange.connection.limiter import Limiter
from core.exchange.connection.requests import Requests, open_wire
from core.exchange.markets.contracts import load_instruments
from core.exchange.markets.status import status_problem
from core.settings.schema import Settings
from tests.core.exchange.samples import order
from tests.venue.apex import MAINNET, NOW_MS, ApexLoopback

BTC = "BTC/USDT:USDT"
SETTINGS = Settings.model_validate({"exchange": {"id": "apex"}})
DIALECT = ApexOmni()
SEEDS = "0x" + "11" * 65
CONTRACT = Instrument(
    symbol="BTCUSDT",
    base="BTC",
    tick_size=Decimal("0.1"),
    lot_size=Decimal("0.001"),
    contract_size=Decimal(1),
    min_lots=1,
    max_lots=50_000,
    min_notional_usdt=Decimal(0),
    maker_fee_bps=Decimal(2),
    taker_fee_bps=Decimal(5),
    max_leverage=100,
    maintenance_margin_pct=Decimal("0.5"),
    liquidation_fee_bps=Decimal(125),
)
BUY_AT_80000 = order("qd1", Side.BUY, OrderType.LIMIT, 3, price_ticks=800_000)
BUY_AT_WORST_91000 = order("qd2", Side.BUY, OrderType.MARKET, 3, price_ticks=910_000)
STOP_AT_85000 = order("qd3", Side.SELL, OrderType.STOP_MARKET, 3, trigger_ticks=850_000, reduce_only=True)


@pytest.fixture
def signer(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """Stands in for the package that signs for Apex's chain; what it was given to sign."""
    signed: list[tuple] = []

    def build(*contract):
        signed.append(contract)
        return SimpleNamespace(get_bytes=lambda: b"")

    package, module = ModuleType("apexpro"), ModuleType("apexpro.zklink_sdk")
    module.ContractBuilder = build  # type: ignore[attr-defined]
    module.Contract = lambda built: built  # type: ignore[attr-defined]
    by_seed = SimpleNamespace(sign_musig=lambda _: SimpleNamespace(signature="5a" * 32))
    module.ZkLinkSigner = lambda: SimpleNamespace(new_from_seed=lambda _: by_seed)  # type: ignore[attr-defined]
    package.zklink_sdk = module  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "apexpro", package)
    monkeypatch.setitem(sys.modules, "apexpro.zklink_sdk", module)
    return signed


@pytest.fixture
async def venue(only_loopback: list[str]) -> AsyncIterator[ApexLoopback]:
    async with ApexLoopback() as loopback:
        assert isinstance(loopback, ApexLoopback)
        yield loopback


@pytest.fixture
async def wire(venue: ApexLoopback) -> AsyncIterator[Requests]:
    exchange = SETTINGS.exchange.model_copy(update={"base_url": venue.url})
    settings = SETTINGS.model_copy(update={"exchange": exchange})
    keys = Keys(venue.account.key, venue.account.secret, venue.account.passphrase, SEEDS)
    opened = await open_wire(settings, keys, ExchangeClock(VirtualClock(NOW_MS)), Health(), DIALECT, ["BTCUSDT"])
    # The clock stands still, so what is spent of the rate limit never comes back.
    opened.limiter = Limiter(BUDGET, opened.clock.now_ms, opened.health)
    yield opened
    await opened.close()


async def place(wire: Requests, wanted) -> str:
    call = DIALECT.create(wanted, CONTRACT, BTC)
    answer = await wire.send("create_order", call.symbol, call.type, call.side, call.amount, call.price, call.params)
    return str(answer["id"])


async def by_client_id(wire: Requests, wanted) -> dict:
    order_id, params = DIALECT.by_client_id(wanted)
    return await wire.read("fetch_order", order_id, BTC, params)


async def test_contracts(venue: ApexLoopback, wire: Requests, only_loopback: list[str]) -> None:
    market = wire.client.market(BTC)
    assert (market["contractSize"], market["maker"], market["taker"]) == (1.0, 0.0002, 0.0005)
    assert market["precision"] == {"amount": 0.001, "price": 0.1}
    assert status_problem(market, NOW_MS, DIALECT) == ""
    assert set(only_loopback) == {venue.url + path for path in ("/api/v3/time", "/api/v3/symbols")}


async def test_a_contract_is_an_instrument(wire: Requests) -> None:
    instruments = await load_instruments(wire, SETTINGS, ["BTCUSDT"], with_account=False)
    assert instruments == {"BTCUSDT": CONTRACT}


async def test_candles_come_from_rest(venue: ApexLoopback, wire: Requests) -> None:
    rows = MAINNET["klines"]["data"]["BTCUSDT"]
    venue.candles["BTCUSDT", "1"] = rows
    first, second = await wire.read("fetch_ohlcv", BTC, "1m", limit=10)
    assert first == [1750504980000, 103839.4, 103862.0, 103836.6, 103836.6, 0.448]
    assert await wire.read("fetch_ohlcv", BTC, "1m", since=second[0], limit=10) == [second]


async def test_candles_come_from_the_stream(venue: ApexLoopback, wire: Requests, only_loopback: list[str]) -> None:
    watch = asyncio.create_task(wire.client.watch_ohlcv(BTC, "1m"))
    await venue.until(lambda: any(socket.topics for socket in venue.sockets))
    await venue.push_candle("BTCUSDT", {"volume": "1.5"})
    assert await watch == [[1647511440000, 44111.0, 44111.0, 44111.0, 44111.0, 1.5]]
    assert only_loopback[-1] == venue.url.replace("http://", "ws://") + "/realtime_public"


async def test_balance(venue: ApexLoopback, wire: Requests) -> None:
    assert (await wire.read("fetch_balance"))["USDT"]["total"] == 1000.0


async def test_a_limit_order_is_found_by_our_id_and_canceled_by_it(
    venue: ApexLoopback, wire: Requests, signer: list[tuple]
) -> None:
    order_id = await place(wire, BUY_AT_80000)
    sent = dict(parse_qsl(venue.calls[-1].body))
    expected = {"symbol": "BTC-USDT", "side": "BUY", "type": "LIMIT", "size": "0.003", "price": "80000"}
    assert {name: sent[name] for name in expected} == expected
    assert sent["clientId"] == "qd1"
    fetched = await by_client_id(wire, BUY_AT_80000)
    expected = {"id": order_id, "clientOrderId": "qd1", "status": "open", "side": "buy", "filled": 0.0, "type": "limit"}
    assert {name: fetched[name] for name in expected} == expected
    (resting,) = await wire.read("fetch_open_orders", BTC)
    assert (resting["id"], DIALECT.client_id(resting)) == (order_id, "qd1")
    none, params = DIALECT.by_client_id(BUY_AT_80000)
    await wire.send("cancel_order", none, BTC, params)
    assert (await by_client_id(wire, BUY_AT_80000))["status"] == "canceled"
    assert await wire.read("fetch_open_orders", BTC) == []


async def test_what_is_signed(venue: ApexLoopback, wire: Requests, signer: list[tuple]) -> None:
    await place(wire, BUY_AT_80000)
    _account, _sub_account, _slot, _nonce, pair, size, price, is_buy, taker_bps, maker_bps, _ = signer[0]
    assert (pair, size, price) == (50001, "3" + "0" * 15, "8" + "0" * 22)
    assert (is_buy, taker_bps, maker_bps) == (True, 5, 2)
    assert dict(parse_qsl(venue.calls[-1].body))["signature"] == "5a" * 32


async def test_without_the_package_no_order_leaves(venue: ApexLoopback, wire: Requests) -> None:
    calls = len(venue.calls)
    with pytest.raises(VenueUnknownError, match="zklink_sdk is not installed"):
        await place(wire, BUY_AT_80000)
    assert [call.path for call in venue.calls[calls:]] == ["/api/v3/account"]


async def test_a_market_order_fills_and_shows_as_position_and_trade(
    venue: ApexLoopback, wire: Requests, signer: list[tuple]
) -> None:
    order_id = await place(wire, BUY_AT_WORST_91000)
    filled = await by_client_id(wire, BUY_AT_WORST_91000)
    assert [filled[name] for name in ("status", "filled", "remaining", "average")] == ["closed", 0.003, 0.0, 90000.0]
    (position,) = await wire.read("fetch_positions")
    assert [position[name] for name in ("symbol", "side", "contracts", "entryPrice")] == [BTC, "long", 0.003, 90000.0]
    (trade,) = await wire.read("fetch_my_trades", BTC)
    expected = {"order": order_id, "clientOrderId": "qd2", "side": "buy", "amount": 0.003, "price": 90000.0}
    assert {name: trade[name] for name in expected} == expected
    assert (trade["fee"], trade["takerOrMaker"], trade["cost"]) == ({"cost": 0.135, "currency": "USDT"}, "taker", 270.0)


async def test_a_market_order_without_a_worst_price_is_not_sent() -> None:
    with pytest.raises(VenueRejectedError, match="worst price") as refused:
        DIALECT.create(order("qd2", Side.BUY, OrderType.MARKET, 3), CONTRACT, BTC)
    assert refused.value.kind is RejectKind.NOT_SUPPORTED


async def test_a_stop_rests_with_the_other_orders(venue: ApexLoopback, wire: Requests, signer: list[tuple]) -> None:
    stop_id = await place(wire, STOP_AT_85000)
    sent = dict(parse_qsl(venue.calls[-1].body))
    expected = {"type": "STOP_MARKET", "side": "SELL", "triggerPrice": "85000", "price": "83300", "reduceOnly": "true"}
    assert {name: sent[name] for name in expected} == expected
    (resting,) = await wire.read("fetch_open_orders", BTC)
    expected = {"id": stop_id, "status": "open", "triggerPrice": 85000.0, "reduceOnly": True, "clientOrderId": "qd3"}
    assert {name: resting[name] for name in expected} == expected
    assert len(DIALECT.open_order_queries()) == 1
    assert not DIALECT.is_conditional(STOP_AT_85000)


async def test_private_streams_tell_of_orders_fills_and_positions(
    venue: ApexLoopback, wire: Requests, signer: list[tuple]
) -> None:
    client = wire.client
    await client.fetch_positions()
    tasks = [asyncio.create_task(watch()) for watch in (client.watch_orders, client.watch_my_trades)]
    await venue.until(lambda: any({"orders", "myTrades"} <= set(socket.topics) for socket in venue.sockets))
    assert len(venue.sockets) == 1
    order_id = await place(wire, BUY_AT_WORST_91000)
    await asyncio.gather(*tasks)
    while client.orders[-1]["info"]["status"] != "FILLED":
        await client.watch_orders()
    while not client.positions:
        await client.watch_positions()
    assert client.positions[-1]["contracts"] == 0.003
    last = client.orders[-1]
    assert DIALECT.venue_ids(last) == (order_id,)
    assert [last[name] for name in ("status", "filled", "clientOrderId")] == ["closed", 0.003, "qd2"]
    trade = client.myTrades[-1]
    assert [trade[name] for name in ("order", "amount", "fee")] == [
        order_id,
        0.003,
        {"cost": 0.135, "currency": "USDT"},
    ]


async def test_leverage_is_set_as_a_margin_rate(venue: ApexLoopback, wire: Requests) -> None:
    await wire.send("set_leverage", 5, BTC)
    assert venue.account.margin_rate == "0.2"


async def test_a_wrong_signature_is_refused(venue: ApexLoopback, wire: Requests) -> None:
    wire.client.secret = "not the secret"
    with pytest.raises(VenueRejectedError) as refused:
        await wire.read("fetch_balance")
    assert refused.value.kind is RejectKind.NO_PERMISSION


async def test_refusals(venue: ApexLoopback, wire: Requests, signer: list[tuple]) -> None:
    await place(wire, BUY_AT_80000)
    with pytest.raises(VenueRejectedError) as refused:
        await place(wire, BUY_AT_80000)
    assert refused.value.kind is RejectKind.DUPLICATE_ID
    venue.refuse("order", 3, "ORDER_POSSIBLE_LEAD_TO_ACCOUNT_LIQUIDATED", "no")
    with pytest.raises(VenueRejectedError):
        await place(wire, BUY_AT_WORST_91000)
    venue.refuse("order", 500, "SYSTEM_ERROR", "system error")
    with pytest.raises(VenueUnknownError):
        await place(wire, BUY_AT_WORST_91000)


async def test_too_many_requests_is_turned_away_unread(venue: ApexLoopback, wire: Requests, signer) -> None:
    venue.forbid_next = True
    with pytest.raises(VenueBusyError):
        await place(wire, BUY_AT_80000)
