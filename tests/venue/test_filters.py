"""A contract's filters change while it trades: orders off the new grid are refused, everything else keeps its value."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from tests.venue.refusals import RefusalError
from tests.venue.venue import BinanceVenue

BTC = "BTCUSDT"
T0 = 1_780_000_020_000


@pytest.fixture
def venue() -> BinanceVenue:
    """0.041 BTC long, with a resting stop at 49,500.5."""
    venue = BinanceVenue([BTC, "ETHUSDT"])
    venue.set_book(BTC, "50000.0", "50000.1", T0)
    venue.place_external(T0, symbol=BTC, side="BUY", quantity="0.041")
    stop = {"side": "SELL", "type": "STOP_MARKET", "quantity": "0.041", "triggerPrice": "49500.5", "reduceOnly": "true"}
    venue.place_external_algo(T0, symbol=BTC, **stop)
    return venue


def held(venue: BinanceVenue) -> tuple[Decimal, Decimal]:
    position = venue.ledger.position(BTC)
    return position.contract.qty(position.lots), position.entry_price()


def told(venue: BinanceVenue) -> tuple[str, str]:
    answer = json.loads(venue.rest("GET", "/fapi/v1/exchangeInfo", {}, {}, T0).body)
    found = next(row for row in answer["symbols"] if row["symbol"] == BTC)["filters"]
    filters = {entry["filterType"]: entry for entry in found}
    return filters["PRICE_FILTER"]["tickSize"], filters["LOT_SIZE"]["stepSize"]


@pytest.mark.parametrize(("tick", "lot"), [("0.01", "0.0001"), ("1", "0.01"), ("0.5", "0.01")])
def test_what_is_held_and_rests_keeps_its_value(venue: BinanceVenue, tick: str, lot: str) -> None:
    before = held(venue)
    venue.change_steps(BTC, tick=tick, lot=lot)
    assert told(venue) == (tick, lot)
    assert held(venue) == before == (Decimal("0.041"), Decimal("50000.1"))
    stop = venue.algos[0]
    assert (stop.contract.price(stop.trigger_ticks), stop.contract.qty(stop.lots)) == (
        Decimal("49500.5"),
        Decimal("0.041"),
    )
    venue.set_book(BTC, "49400", "49401", T0 + 1)
    assert venue.position_lots(BTC) == 0
    venue.ledger.check()


def test_orders_off_the_new_grid_are_refused(venue: BinanceVenue) -> None:
    venue.change_steps(BTC, tick="1", lot="0.01")
    with pytest.raises(RefusalError) as refused:
        venue.place_external(T0, symbol=BTC, side="BUY", quantity="0.041")
    assert refused.value.code == -1111
    with pytest.raises(RefusalError) as refused:
        venue.place_external(
            T0, symbol=BTC, side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.04", price="49000.5"
        )
    assert refused.value.code == -1111


def test_reduce_only_above_a_remainder_closes_it_whole(venue: BinanceVenue) -> None:
    venue.change_steps(BTC, lot="0.01")
    order = venue.place_external(T0, symbol=BTC, side="SELL", quantity="0.05", reduceOnly="true")
    assert order.contract.qty(order.filled_lots) == Decimal("0.041")
    assert (order.status, venue.position_lots(BTC)) == ("EXPIRED", 0)


def test_finer_steps_trade_finely(venue: BinanceVenue) -> None:
    venue.change_steps(BTC, tick="0.01", lot="0.0001")
    venue.set_book(BTC, "50010.03", "50010.04", T0 + 1)
    order = venue.place_external(T0 + 2, symbol=BTC, side="SELL", quantity="0.0410", reduceOnly="true")
    assert order.quote_usdt == Decimal("0.041") * Decimal("50010.03")
    assert venue.position_lots(BTC) == 0
    venue.ledger.check()
