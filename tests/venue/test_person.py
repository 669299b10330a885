"""What somebody does on the exchange's page is what the exchange then has, under ids that are none of ours."""

from __future__ import annotations

import json

import pytest

from tests.venue.person import Person
from tests.venue.refusals import RefusalError
from tests.venue.venue import API_KEY, BinanceVenue

BTC = "BTCUSDT"
T0 = 1_780_000_020_000


@pytest.fixture
def venue() -> BinanceVenue:
    venue = BinanceVenue([BTC])
    venue.set_book(BTC, "50000.0", "50000.1", T0)
    return venue


@pytest.fixture
def person(venue: BinanceVenue) -> Person:
    return Person(venue)


def test_a_close_takes_the_whole_net_or_a_part_of_it_and_never_more(venue: BinanceVenue, person: Person) -> None:
    assert person.close(BTC, T0) is None
    person.trade(BTC, -23, T0)
    part = person.close(BTC, T0, 10)
    assert part is not None
    assert (part.side, part.reduce_only, part.filled_lots, venue.position_lots(BTC)) == ("BUY", True, 10, -13)
    whole = person.close(BTC, T0, 99)
    assert whole is not None
    assert (whole.lots, venue.position_lots(BTC)) == (13, 0)
    assert not whole.client_id.startswith("qd")


def test_a_trade_goes_through_zero(venue: BinanceVenue, person: Person) -> None:
    person.trade(BTC, 20, T0)
    person.trade(BTC, -50, T0)
    assert venue.position_lots(BTC) == -30


def test_a_limit_rests_and_is_withdrawn(venue: BinanceVenue, person: Person) -> None:
    order = person.rest(BTC, 10, 49_000.0, T0)
    assert (order.is_open, order.side, order.price_ticks) == (True, "BUY", 490_000)
    person.withdraw(order, T0)
    person.withdraw(order, T0)
    assert order.status == "CANCELED"


def test_a_stop_closes_whatever_is_held_when_it_triggers(venue: BinanceVenue, person: Person) -> None:
    assert person.stop(BTC, 49_900.0, T0) is None
    person.trade(BTC, 20, T0)
    algo = person.stop(BTC, 49_900.0, T0)
    person.trade(BTC, 5, T0)
    venue.set_book(BTC, "49890.0", "49890.1", T0 + 1_000)
    assert algo is not None
    assert algo.child is not None
    assert (algo.child.filled_lots, venue.position_lots(BTC)) == (25, 0)


def test_cancel_all_takes_every_order_of_the_contract(venue: BinanceVenue, person: Person) -> None:
    person.trade(BTC, 20, T0)
    person.rest(BTC, 10, 49_000.0, T0)
    person.stop(BTC, 49_900.0, T0)
    assert person.cancel_all(BTC, T0) == 2
    assert not venue.exchange.open_orders[BTC]
    assert not venue.exchange.open_algos[BTC]


def test_settings_are_told_and_the_margin_mode_of_a_position_is_refused(venue: BinanceVenue, person: Person) -> None:
    answer = venue.rest("POST", "/fapi/v1/listenKey", {}, {"X-MBX-APIKEY": API_KEY}, T0)
    private = venue.connect(f"/private/ws?listenKey={answer.json()['listenKey']}", T0)
    person.set_leverage(BTC, 10, T0)
    person.set_margin_type(BTC, "ISOLATED", T0)
    leverage, margin = (json.loads(text) for text in private.outbox)
    assert leverage["ac"] == {"s": BTC, "l": 10}
    assert margin["a"]["m"] == "MARGIN_TYPE_CHANGE"
    person.trade(BTC, 10, T0)
    with pytest.raises(RefusalError) as refused:
        person.set_margin_type(BTC, "CROSSED", T0)
    assert refused.value.code == -4048
    assert venue.settings.margin_type(BTC) == "ISOLATED"


def test_money_moves_in_and_out(venue: BinanceVenue, person: Person) -> None:
    person.transfer(250.5, T0)
    person.transfer(-100.25, T0)
    assert str(venue.ledger.wallet_usdt) == "10150.25"
    venue.ledger.check()
