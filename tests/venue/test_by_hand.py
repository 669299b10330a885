"""What people and the exchange change while an engine runs, as the exchange tells and refuses it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.venue import by_hand
from tests.venue.refusals import RefusalError
from tests.venue.streams import Connection
from tests.venue.venue import API_KEY, BinanceVenue

BTC = "BTCUSDT"
T0 = 1_780_000_020_000


@pytest.fixture
def venue() -> BinanceVenue:
    venue = BinanceVenue([BTC, "ETHUSDT"], checks_time=False, checks_signature=False)
    venue.set_book(BTC, "50000.0", "50000.1", T0)
    return venue


def listen(venue: BinanceVenue) -> Connection:
    answer = venue.rest("POST", "/fapi/v1/listenKey", {}, {"X-MBX-APIKEY": API_KEY}, T0)
    return venue.connect(f"/private/ws?listenKey={answer.json()['listenKey']}", T0)


def events(connection: Connection) -> list[dict[str, Any]]:
    texts = list(connection.outbox)
    connection.outbox.clear()
    return [json.loads(text) for text in texts]


def ask(venue: BinanceVenue, path: str) -> Any:
    return venue.rest("GET", path, {"timestamp": str(T0)}, {"X-MBX-APIKEY": API_KEY}, T0)


def status_of(venue: BinanceVenue) -> tuple[str, int]:
    row = next(row for row in ask(venue, "/fapi/v1/exchangeInfo").json()["symbols"] if row["symbol"] == BTC)
    return row["status"], row["deliveryDate"]


def test_leverage_and_multi_assets_are_told_as_account_configuration(venue: BinanceVenue) -> None:
    stream = listen(venue)
    by_hand.change_leverage(venue, BTC, 50, T0)
    by_hand.change_multi_assets(venue, True, T0)
    told = [(event["e"], event.get("ac"), event.get("ai")) for event in events(stream)]
    assert told == [
        ("ACCOUNT_CONFIG_UPDATE", {"s": BTC, "l": 50}, None),
        ("ACCOUNT_CONFIG_UPDATE", None, {"j": True}),
    ]


def test_a_margin_type_is_told_as_an_account_update_and_refused_under_a_position(venue: BinanceVenue) -> None:
    stream = listen(venue)
    by_hand.change_margin_type(venue, BTC, "ISOLATED", T0)
    assert [(event["e"], event["a"]["m"]) for event in events(stream)] == [("ACCOUNT_UPDATE", "MARGIN_TYPE_CHANGE")]
    venue.place_external(T0, symbol=BTC, side="BUY", quantity="0.010")
    with pytest.raises(RefusalError, match="-4048"):
        by_hand.change_margin_type(venue, BTC, "CROSSED", T0)


def test_the_position_mode_is_told_by_nothing_and_refused_under_a_position(venue: BinanceVenue) -> None:
    stream = listen(venue)
    by_hand.change_position_mode(venue, True, T0)
    assert ask(venue, "/fapi/v1/positionSide/dual").json() == {"dualSidePosition": True}
    by_hand.change_position_mode(venue, False, T0)
    assert events(stream) == []
    venue.place_external(T0, symbol=BTC, side="BUY", quantity="0.010")
    with pytest.raises(RefusalError, match="-4068"):
        by_hand.change_position_mode(venue, True, T0)
    by_hand.change_position_mode(venue, True, T0, forced=True)
    assert venue.settings.is_dual_side


def test_a_contract_that_is_not_trading_takes_only_what_reduces(venue: BinanceVenue) -> None:
    venue.place_external(T0, symbol=BTC, side="BUY", quantity="0.010")
    by_hand.change_status(venue, BTC, "SETTLING")
    assert status_of(venue) == ("SETTLING", by_hand.FAR_DELIVERY_MS)
    with pytest.raises(RefusalError, match="-4140"):
        venue.place_external(T0, symbol=BTC, side="BUY", quantity="0.010")
    venue.place_external(T0, symbol=BTC, side="SELL", quantity="0.010", reduceOnly="true")
    assert venue.position_lots(BTC) == 0
    by_hand.change_status(venue, BTC, "TRADING")
    venue.place_external(T0, symbol=BTC, side="BUY", quantity="0.010")
    assert status_of(BinanceVenue([BTC])) == ("TRADING", by_hand.FAR_DELIVERY_MS)


def test_an_announced_end_is_in_the_contract_s_row(venue: BinanceVenue) -> None:
    by_hand.announce_end(venue, BTC, T0 + 1)
    assert status_of(venue) == ("TRADING", T0 + 1)
    by_hand.announce_end(venue, BTC)
    assert status_of(venue) == ("TRADING", by_hand.FAR_DELIVERY_MS)


def test_a_request_that_is_refused_for_good_until_it_is_not(venue: BinanceVenue) -> None:
    by_hand.refuse_for_good(venue, "GET", "/fapi/v1/symbolConfig")
    assert [ask(venue, "/fapi/v1/symbolConfig").json()["code"] for _ in range(3)] == [-1000] * 3
    assert ask(venue, "/fapi/v1/positionSide/dual").status == 200
    by_hand.refuse_for_good(venue, "GET", "/fapi/v1/symbolConfig", None)
    assert ask(venue, "/fapi/v1/symbolConfig").status == 200
