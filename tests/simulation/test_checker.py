"""The books' comparison finds what is planted in a journal: wrong fills of what others closed, and their absence."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from core.domain.orders import Fill, Order, OrderRole, OrderState, OrderType, Side
from core.domain.origin import champion
from core.domain.records import AdjustmentRecord, FillRecord, IntentRecord, Record
from tests.simulation.checker import compare, known_of_others, outside_fees_usdt
from tests.venue.orders import Trade
from tests.venue.person import Person
from tests.venue.venue import BinanceVenue

BTC = "BTCUSDT"
T0 = 1_780_000_020_000


@pytest.fixture
def venue() -> BinanceVenue:
    """We bought 20 lots, somebody sold 30."""
    venue = BinanceVenue([BTC])
    venue.set_book(BTC, "50000.0", "50000.1", T0)
    venue.place_external(T0, symbol=BTC, side="BUY", quantity="0.020", newClientOrderId="qd1")
    Person(venue).trade(BTC, -30, T0)
    return venue


def journal(venue: BinanceVenue, outside: Fill | None) -> list[Record]:
    entry = venue.ledger.trades[0]
    order = Order("qd1", BTC, Side.BUY, OrderType.MARKET, OrderRole.ENTRY, 20, T0, "trade", champion("simulated"))
    order = replace(order, state=OrderState.FILLED, filled_lots=20)
    records: list[Record] = [FillRecord(_fill(entry, "qd1", 20, entry.fee_usdt), order)]
    if outside is not None:
        closing = replace(
            order,
            client_order_id=outside.client_order_id,
            side=outside.side,
            qty_lots=outside.qty_lots,
            filled_lots=outside.qty_lots,
        )
        records.append(FillRecord(outside, closing))
    return records


def closed(venue: BinanceVenue, lots: int = 20) -> Fill:
    trade = venue.ledger.trades[1]
    return _fill(trade, "outside-1", lots, trade.fee_usdt * lots / trade.lots)


def _fill(trade: Trade, client_order_id: str, lots: int, fee_usdt: Decimal) -> Fill:
    side = Side.BUY if trade.order.sign > 0 else Side.SELL
    return Fill(f"{BTC}-{trade.trade_id}", client_order_id, BTC, side, lots, trade.price_ticks, fee_usdt, False, T0)


def test_a_fill_closed_outside_is_accepted_with_its_share_of_the_foreign_trade(venue: BinanceVenue) -> None:
    records = journal(venue, closed(venue))
    assert compare(venue.exchange, records) == []
    assert outside_fees_usdt(records) == venue.ledger.trades[1].fee_usdt * 2 / 3


def test_the_fee_may_be_rounded_to_the_exchanges_last_digit(venue: BinanceVenue) -> None:
    fill = closed(venue, 7)
    rounded = replace(fill, fee_usdt=fill.fee_usdt.quantize(Decimal("1e-8")))
    assert compare(venue.exchange, journal(venue, rounded)) == []


def test_without_a_trade_that_explains_it_a_fill_has_an_id_of_its_own(venue: BinanceVenue) -> None:
    assert compare(venue.exchange, journal(venue, replace(closed(venue), fill_id="BTCUSDT-net-20"))) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"price_ticks": 499_999}, "here"),
        ({"side": Side.BUY}, "here"),
        ({"qty_lots": 31}, "closed 31 lots of ours outside and had 30"),
        ({"fee_usdt": Decimal("0.6")}, "fee 0.6 of"),
        ({"fill_id": "BTCUSDT-123"}, "is not of the exchange"),
    ],
)
def test_a_fill_closed_outside_that_is_not_the_foreign_trades_is_found(
    venue: BinanceVenue, change: dict[str, object], problem: str
) -> None:
    fill = closed(venue)
    if "qty_lots" in change:
        fill = closed(venue, 31)
    found = compare(venue.exchange, journal(venue, replace(fill, **change)))  # type: ignore[arg-type]
    assert len(found) == 1
    assert problem in found[0]


def test_a_trade_of_our_own_order_is_not_closed_outside(venue: BinanceVenue) -> None:
    own = venue.ledger.trades[0]
    found = compare(venue.exchange, journal(venue, _fill(own, "outside-1", 20, own.fee_usdt)))
    assert any("of our own order qd1" in text for text in found)


def test_an_outside_order_that_stays_open_is_found(venue: BinanceVenue) -> None:
    *rest, last = journal(venue, closed(venue))
    assert isinstance(last, FillRecord)
    open_ = replace(last.order, qty_lots=25, state=OrderState.PARTIALLY_FILLED)
    assert compare(venue.exchange, [*rest, FillRecord(last.fill, open_)]) == [
        "outside-1: partially_filled with 20 of 25 lots"
    ]


def test_a_fill_of_our_own_that_is_missing_is_found(venue: BinanceVenue) -> None:
    assert any(text.startswith("missed fill") for text in compare(venue.exchange, []))


def tries_of_an_exit(venue: BinanceVenue, *lots: int, status: str = "EXPIRED", reduce_only: bool = True) -> Order:
    """We sold in tries of 20 under one id, of which each filled `lots`; returned as the journal should have it."""
    for number, filled in enumerate(lots):
        first = venue.ledger.trades[0].order
        made = replace(first, order_id=90 + number, client_id="qd2", side="SELL", reduce_only=reduce_only)
        venue.exchange.orders[made.order_id] = replace(made, status=status, filled_lots=filled)
    return Order("qd2", BTC, Side.SELL, OrderType.MARKET, OrderRole.EXIT, 20, T0, "trade", champion("simulated"))


def test_a_second_try_may_close_what_the_first_of_an_exit_left(venue: BinanceVenue) -> None:
    order = replace(tries_of_an_exit(venue, 6, 14), state=OrderState.FILLED, filled_lots=20)
    known = [*journal(venue, closed(venue)), IntentRecord(order)]
    assert compare(venue.exchange, known) == []
    half = replace(order, state=OrderState.EXPIRED, filled_lots=14)
    assert any("filled 14 here, 20 there" in text for text in compare(venue.exchange, [*known, IntentRecord(half)]))


@pytest.mark.parametrize(
    ("lots", "kind"),
    [
        ((6, 15), {}),
        ((6, 14), {"reduce_only": False}),
        ((6, 14), {"status": "FILLED"}),
    ],
)
def test_two_orders_under_one_id_are_else_a_fault(
    venue: BinanceVenue, lots: tuple[int, ...], kind: dict[str, Any]
) -> None:
    order = replace(tries_of_an_exit(venue, *lots, **kind), state=OrderState.FILLED, filled_lots=20)
    found = compare(venue.exchange, [*journal(venue, closed(venue)), IntentRecord(order)])
    assert any(text.startswith("duplicate: qd2 is 2 orders") for text in found)


def test_the_newest_word_on_what_others_hold_counts() -> None:
    said = [AdjustmentRecord(str(i), T0, BTC, "external position lots", "0", lots) for i, lots in enumerate("37")]
    assert known_of_others(said) == {BTC: 7}
