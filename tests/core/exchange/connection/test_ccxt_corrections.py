"""That ccxt is still wrong where we put it right: a correction that is needed no more must go."""

from __future__ import annotations

import inspect
from types import SimpleNamespace

import pytest
from ccxt.pro import apex, mexc

from core.exchange.apex.corrections import apex_order
from core.exchange.connection.client import build_client
from core.exchange.dialects import dialect_of
from core.exchange.mexc.corrections import mexc_order
from core.settings.schema import ExchangeSettings
from tests.venue.apex import CONTRACT
from tests.venue.loopback import messages

MEXC_REST, MEXC_STREAMS = messages("mexc/rest"), messages("mexc/streams")
APEX_MAINNET, APEX_TESTNET = messages("apex/recorded_mainnet"), messages("apex/recorded_testnet")


def client_of(exchange_id: str):
    return build_client(ExchangeSettings(id=exchange_id), None, lambda: 0, dialect_of(exchange_id))


def told(client, row: dict, *names: str) -> list:
    parsed = client.parse_order(row)
    return [parsed[name] for name in names]


def test_mexc_orders_close_and_open_on_two_sides() -> None:
    row = MEXC_REST["Trading/GetOrder"]["response"]["data"]
    names = ("side", "type", "clientOrderId", "status")
    assert told(mexc(), row, *names) == ["sell", None, None, "closed"]
    assert told(client_of("mexc"), row, *names) == ["buy", "market", row["externalOid"], "closed"]
    sides = {1: "buy", 2: "buy", 3: "sell", 4: "sell"}
    assert {side: told(client_of("mexc"), row | {"side": side}, "side")[0] for side in sides} == sides


def test_mexc_trigger_orders_have_an_id_of_their_own() -> None:
    row = MEXC_REST["Trading/GetTriggerOrders"]["response"]["data"][0] | {"id": 42, "side": 4, "state": 2}
    assert told(mexc(), row, "id", "status") == ["0", "open"]
    assert told(client_of("mexc"), row, "id", "status") == ["42", "canceled"]


def test_mexc_pushes_are_read_like_answers() -> None:
    row = MEXC_STREAMS["Order"]["received"][-1]["data"]
    names = ("side", "status", "filled", "clientOrderId")
    assert told(client_of("mexc"), row, *names) == ["sell", "closed", 1.0, row["externalOid"]]


def test_mexc_fills_without_position_mode() -> None:
    fill = MEXC_REST["Trading/GetOrderTrades"]["response"]["data"][0]
    wrong, right = mexc().parse_trade(fill), client_of("mexc").parse_trade(fill)
    assert (wrong["amount"], wrong["timestamp"], wrong["side"]) == (None, None, None)
    assert (right["amount"], right["timestamp"], right["side"]) == (1.0, 1609992674000, "buy")


def test_mexc_public_trades_stay_as_they_are() -> None:
    trade = MEXC_REST["ExchangeData/GetRecentTrades"]["response"]["data"][0]
    assert client_of("mexc").parse_trade(trade) == mexc().parse_trade(trade)


def test_mexc_balance_leaves_the_margin_of_positions_out() -> None:
    asset = MEXC_REST["Account/GetBalances"]["response"]["data"][0]
    asset |= {"availableBalance": 10.1, "positionMargin": 5, "equity": 17.1, "unrealized": 2}
    wrong, right = [one.custom_parse_balance({"data": [asset]}, "swap") for one in (mexc(), client_of("mexc"))]
    assert wrong["USDT"]["total"] == 10.1
    assert right["USDT"] == {"free": 10.1, "used": 5.0, "total": 15.1}
    assert (right["total"], right["used"]) == ({"USDT": 15.1}, {"USDT": 5.0})


def test_apex_contracts() -> None:
    wrong, right = apex().parse_market(dict(CONTRACT)), client_of("apex").parse_market(dict(CONTRACT))
    assert (wrong["contractSize"], wrong["maker"], wrong["taker"]) == (0.001, 0.0005, 0.0002)
    assert (right["contractSize"], right["maker"], right["taker"]) == (1.0, 0.0002, 0.0005)


def test_apex_orders_tell_what_is_filled() -> None:
    row = APEX_TESTNET["rest_open_orders_testnet"]["payload"][0]
    part = row | {"cumMatchFillSize": "0.001", "cumMatchFillValue": "100"}
    whole = row | {"cumMatchFillSize": "0.003", "cumMatchFillValue": "300", "status": "FILLED"}
    names = ("status", "filled", "remaining", "average", "triggerPrice")
    assert told(apex(), whole, *names) == ["filled", None, None, None, 0.0]
    assert told(client_of("apex"), part, *names) == ["open", 0.001, 0.002, 100000.0, None]
    assert told(client_of("apex"), whole, *names) == ["closed", 0.003, 0.0, 100000.0, None]


@pytest.mark.parametrize("row", APEX_TESTNET["ws_account_orders_testnet"]["payload"], ids=lambda row: row["type"])
def test_apex_pushes_are_read_like_answers(row: dict) -> None:
    names = ("id", "clientOrderId", "status", "filled", "reduceOnly")
    assert told(client_of("apex"), row, *names) == [row["id"], row["clientId"], "open", 0.0, row["reduceOnly"]]


def test_apex_fills_name_order_and_fee() -> None:
    fill = APEX_MAINNET["fills_one_row"]
    wrong, right = apex().parse_trade(fill), client_of("apex").parse_trade(fill)
    names = ("order", "fee", "takerOrMaker", "amount", "price")
    assert [wrong[name] for name in names] == [None, {"cost": None, "currency": None}, None, 0.1, 88.62]
    fee = {"cost": 0.00420945, "currency": "USDT"}
    assert [right[name] for name in names] == ["774568067192586606", fee, "taker", 0.1, 88.62]
    assert right["clientOrderId"] == fill["clientOrderId"]


def test_apex_signs_without_waiting() -> None:
    assert not inspect.iscoroutinefunction(apex.get_zk_contract_signature_obj)
    assert inspect.iscoroutinefunction(client_of("apex").get_zk_contract_signature_obj)


def test_rows_that_tell_no_state_are_left_alone() -> None:
    assert mexc_order({"id": "1", "info": {}}) == {"id": "1", "info": {}}
    assert apex_order({"id": None, "info": "774567641487507822"}) == {"id": None, "info": "774567641487507822"}


@pytest.mark.parametrize("told", [1764999167568, 1764999167568000])
def test_apex_books_are_timed_in_milliseconds_however_the_frame_counts(told: int) -> None:
    client = client_of("apex")
    client.set_markets([client.parse_market(dict(CONTRACT))])
    data = {"s": "BTCUSDT", "b": [["90000.1", "1"]], "a": [["90000.2", "1"]], "u": 1}
    connection = SimpleNamespace(resolve=lambda *_: None)
    client.handle_order_book(connection, {"topic": "", "type": "snapshot", "ts": told, "data": data})
    assert client.orderbooks["BTC/USDT:USDT"]["timestamp"] == 1764999167568
