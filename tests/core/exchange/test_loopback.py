"""The door over real connections: the genuine client against the exchange on loopback."""

from collections.abc import AsyncIterator

import pytest

from core.clock import ExchangeClock, SystemClock
from core.domain.errors import RejectKind, VenueRejectedError, VenueUnknownError
from core.exchange.connection.health import Health
from core.exchange.connection.keys import Keys
from core.exchange.connection.requests import Requests, open_wire
from core.exchange.dialects import dialect_of
from core.exchange.doctor import diagnose
from core.exchange.markets.contracts import load_instruments
from core.settings.schema import Settings, parse_settings
from tests.venue.server import Call, Fault, VenueServer
from tests.venue.venue import API_KEY, API_SECRET, BinanceVenue

AHEAD_MS = 7_200_000
KEYS = Keys(API_KEY, API_SECRET)
BTC = "BTC/USDT:USDT"


def now_ms() -> int:
    """The exchange's clock: this machine's is hours behind it."""
    return SystemClock().now_ms() + AHEAD_MS


def settings_for(server: VenueServer) -> Settings:
    return parse_settings({"exchange": {"base_url": server.base_url}}, "test")


@pytest.fixture
async def server() -> AsyncIterator[VenueServer]:
    venue = BinanceVenue(["BTCUSDT", "ETHUSDT"], start_ms=now_ms())
    venue.set_book("BTCUSDT", "50000.0", "50000.1", now_ms())
    async with VenueServer(venue, now_ms) as server:
        yield server


@pytest.fixture
async def wire(server: VenueServer) -> AsyncIterator[Requests]:
    settings = settings_for(server)
    clock = ExchangeClock(SystemClock())
    wire = await open_wire(settings, KEYS, clock, Health(), dialect_of("binanceusdm"), ["BTCUSDT", "ETH_USDT"])
    wire.client.timeout_on_exit = 0
    yield wire
    await wire.close()


async def test_a_machine_hours_behind_trades_by_the_exchange_s_time(wire: Requests, server: VenueServer) -> None:
    assert abs(wire.clock.now_ms() - now_ms()) < 100
    found = await load_instruments(wire, settings_for(server), ["BTCUSDT", "ETHUSDT"], with_account=True)
    assert found.keys() == {"BTCUSDT", "ETHUSDT"}
    placed = await wire.send("create_order", BTC, "market", "buy", "0.010", None, {"newClientOrderId": "qd1"})
    assert placed["status"] == "closed"
    assert server.venue.position_lots("BTCUSDT") == 10
    assert wire.health.problem() == ""
    assert 0 < wire.limiter.used_pct() < 5


async def test_a_lost_answer_is_unknown_and_the_order_is_there(wire: Requests, server: VenueServer) -> None:
    server.fault = lambda call: Fault(drop_after=call.path.endswith("/order") and call.method == "POST")
    with pytest.raises(VenueUnknownError):
        await wire.send("create_order", BTC, "market", "buy", "0.010", None, {"newClientOrderId": "qd2"})
    found = await wire.read("fetch_order", "", BTC, {"clientOrderId": "qd2"})
    assert found["status"] == "closed"
    assert [call.method for call in server.calls if call.path.endswith("/v1/order")] == ["POST", "GET"]


async def test_refusals_keep_their_kind(wire: Requests) -> None:
    for args, kind in (
        ((BTC, "market", "buy", "90", None, {}), RejectKind.NO_MARGIN),
        ((BTC, "market", "sell", "0.010", None, {"reduceOnly": True}), RejectKind.REDUCE_ONLY),
        ((BTC, "market", "sell", "0.010", None, {"stopLossPrice": "60000.0"}), RejectKind.WOULD_TRIGGER),
    ):
        with pytest.raises(VenueRejectedError) as caught:
            await wire.send("create_order", *args)
        assert caught.value.kind is kind
    with pytest.raises(VenueRejectedError) as caught:
        await wire.read("fetch_order", "", BTC, {"clientOrderId": "qd-none"})
    assert caught.value.kind is RejectKind.NOT_FOUND


async def test_a_broken_read_is_asked_again(wire: Requests, server: VenueServer) -> None:
    failures = [Fault(drop_before=True), Fault(drop_before=True)]

    def once(call: Call) -> Fault:
        return failures.pop() if failures and call.path.endswith("/account") else Fault()

    server.fault = once
    assert (await wire.read("fetch_balance"))["USDT"]["total"] > 0
    assert failures == []


async def test_the_doctor_finds_it_ready(server: VenueServer) -> None:
    settings = settings_for(server)
    clock = ExchangeClock(SystemClock())
    found = await diagnose(settings, KEYS, clock, dialect_of("binanceusdm"), ["BTCUSDT", "ETHUSDT"])
    told = {finding.name: finding.detail for finding in found}
    assert told["exchange verdict"] == "live starts, but look at: clock"
    assert told["exchange reachable"] == f"{server.base_url} answers"
    assert told["position mode"] == "one-way"
    assert told["key IP list"] == "restricted to listed addresses"
    assert told["trading right"] == "granted: an order was tested and not placed"
    assert [finding.name for finding in found if not finding.ok] == ["clock", "exchange verdict"]
    assert server.venue.orders == []


async def test_the_doctor_finds_a_key_that_may_not_trade(server: VenueServer) -> None:
    server.venue.settings.can_trade = False
    clock = ExchangeClock(SystemClock())
    found = await diagnose(settings_for(server), KEYS, clock, dialect_of("binanceusdm"), ["BTCUSDT"])
    told = {finding.name: finding for finding in found}
    assert told["account"].ok
    assert told["trading right"].detail == (
        "fapiPrivatePostOrderTest: Invalid API-key, IP, or permissions for action (-2015); "
        "check the key, its rights and the addresses that it may be used from"
    )
    assert told["exchange verdict"].detail == "ready for paper; not for live: futures right, trading right"
