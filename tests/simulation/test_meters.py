"""Each meter sees what it is there for: planted breaches are found, and what is allowed is not."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from core.domain.orders import Order, OrderRole, OrderState, OrderType, Side
from core.domain.origin import champion
from core.domain.records import AdjustmentRecord, IntentRecord, OrderUpdateRecord, PositionRecord, Record
from core.domain.trading import Position
from tests.simulation.checker import ProtectionMeter
from tests.simulation.faults import Asked
from tests.simulation.meters import Ages, Sizes
from tests.simulation.shares import Claims, Shares
from tests.simulation.transport import Answer, Fate, Outcome
from tests.venue.person import Person
from tests.venue.venue import BinanceVenue

BTC = "BTCUSDT"
T0 = 1_780_000_020_000
TAKEN = Fate(Outcome.ANSWERED, 1.0, 1.0), Answer(200, "{}")


@pytest.fixture
def venue() -> BinanceVenue:
    venue = BinanceVenue([BTC])
    venue.set_book(BTC, "50000.0", "50000.1", T0)
    return venue


# Ages


class Switch:
    def __init__(self) -> None:
        self.is_bad = False
        self.counts = True
        self.ages = Ages((BTC,), lambda symbol: self.is_bad, lambda: self.counts)

    def at(self, now_ms: int, *, is_bad: bool, counts: bool = True) -> None:
        self.is_bad, self.counts = is_bad, counts
        self.ages.look(now_ms)


def test_an_age_runs_from_the_first_look_at_what_is_bad_to_the_first_at_what_is_good() -> None:
    it = Switch()
    for now_ms, is_bad in ((0, False), (500, True), (4_000, True), (7_000, False), (9_000, False)):
        it.at(now_ms, is_bad=is_bad)
    assert it.ages.ended_ms == [(6_500, BTC, 500)]


def test_time_without_an_engine_or_an_exchange_does_not_count_and_does_not_begin_anew() -> None:
    it = Switch()
    it.at(0, is_bad=True)
    it.at(6_000, is_bad=True)
    it.at(6_000, is_bad=True, counts=False)
    it.at(60_000, is_bad=True, counts=False)
    it.at(60_000, is_bad=True)
    it.at(65_000, is_bad=True)
    it.ages.end(65_000)
    assert it.ages.ended_ms == [(11_000, BTC, 0)]
    assert it.ages.longest_ms() == 11_000


def test_what_is_bad_for_a_moment_twice_is_two_things() -> None:
    it = Switch()
    for now_ms, is_bad in ((0, True), (8_000, False), (8_000, True), (16_000, False)):
        it.at(now_ms, is_bad=is_bad)
    assert [age for age, _, _ in it.ages.ended_ms] == [8_000, 8_000]


# Protection


class Guarded:
    """We hold, others trade; the meter measures."""

    def __init__(self, venue: BinanceVenue) -> None:
        self.venue = venue
        self.person = Person(venue)
        self.claims = Claims()
        self.meter = ProtectionMeter(venue.exchange, (BTC,), Shares(venue.exchange), self.claims)
        venue.exchange.watchers.append(self.meter.changed)

    def enter(self, quantity: str, now_ms: int) -> None:
        self.venue.place_external(now_ms, symbol=BTC, side="BUY", quantity=quantity, newClientOrderId=f"qd{now_ms}")

    def stop(self, quantity: str, now_ms: int, client_id: str = "qdstop") -> None:
        self.venue.place_external_algo(
            now_ms,
            symbol=BTC,
            side="SELL",
            type="STOP_MARKET",
            triggerPrice="49000.0",
            quantity=quantity,
            reduceOnly="true",
            clientAlgoId=client_id,
        )

    def gaps(self, now_ms: int) -> list[int]:
        self.meter.end(now_ms)
        return [gap for gap, _, _ in self.meter.gaps_ms]


def test_what_others_hold_beside_ours_needs_no_stop(venue: BinanceVenue) -> None:
    it = Guarded(venue)
    it.enter("0.020", T0)
    it.stop("0.020", T0 + 700)
    it.person.trade(BTC, 30, T0 + 1_000)
    assert it.gaps(T0 + 60_000) == [700]


def test_ours_without_a_stop_is_seen_beside_lots_of_others(venue: BinanceVenue) -> None:
    it = Guarded(venue)
    it.person.trade(BTC, 30, T0)
    it.enter("0.020", T0 + 1_000)
    it.stop("0.010", T0 + 1_500)
    it.stop("0.020", T0 + 5_000, "web_stop")
    assert it.gaps(T0 + 13_000) == [12_000]


def test_what_others_closed_of_ours_needs_no_stop_and_what_they_left_does(venue: BinanceVenue) -> None:
    it = Guarded(venue)
    it.enter("0.020", T0)
    it.stop("0.008", T0)
    it.person.close(BTC, T0 + 3_000, 12)
    assert it.gaps(T0 + 60_000) == [3_000]


def test_nothing_of_ours_in_a_foreign_position_is_no_gap_and_our_orders_are_left_over(venue: BinanceVenue) -> None:
    it = Guarded(venue)
    it.enter("0.020", T0)
    it.stop("0.020", T0)
    it.person.trade(BTC, -50, T0 + 1_000)
    assert it.gaps(T0 + 9_000) == [0]
    assert [age for age, _, _ in it.meter.leftovers_ms] == [8_000]


def test_an_order_for_lots_that_the_books_still_hold_is_not_left_over(venue: BinanceVenue) -> None:
    it = Guarded(venue)
    it.claims.take([_position(20)], T0)
    it.enter("0.020", T0)
    it.stop("0.020", T0)
    it.person.trade(BTC, -20, T0 + 1_000)
    it.person.trade(BTC, 20, T0 + 1_000)
    assert it.gaps(T0 + 9_000) == [0]
    assert it.meter.leftovers_ms == [(0, BTC, T0 + 1_000)]


def test_time_in_which_nobody_can_act_is_left_out_once_however_many_reasons_it_has(venue: BinanceVenue) -> None:
    it = Guarded(venue)
    it.enter("0.020", T0)
    it.meter.set_shut(True, T0 + 1_000)
    it.meter.set_shut(True, T0 + 2_000, "nobody there")
    it.meter.set_shut(False, T0 + 4_000)
    it.meter.set_shut(False, T0 + 9_000, "nobody there")
    assert it.gaps(T0 + 10_000) == [2_000]
    assert it.meter.longest_whole_ms == 10_000


# Sizes


class Book:
    """What an engine writes down, weighed."""

    def __init__(self, venue: BinanceVenue) -> None:
        self.claims = Claims()
        self.sizes = Sizes(venue.exchange, self.claims, intended_usdt=1_000.0)

    def write(self, *records: Record, now_ms: int = T0) -> list[str]:
        self.sizes.committed(records, now_ms)
        self.claims.take(records, now_ms)
        return self.sizes.problems


def test_an_entry_is_as_large_as_intended_and_not_larger(venue: BinanceVenue) -> None:
    book = Book(venue)
    assert not book.write(IntentRecord(_entry(20)))
    assert book.write(IntentRecord(_entry(21))) == ["BTCUSDT entry qd1: 21 lots, 20 intended"]


def test_an_entry_is_no_larger_for_what_is_held_on_the_other_side(venue: BinanceVenue) -> None:
    book = Book(venue)
    assert not book.write(_position(-15))
    assert book.write(IntentRecord(_entry(35))) == ["BTCUSDT entry qd1: 35 lots, 20 intended"]


def test_a_stop_covers_what_is_held_and_what_its_entry_may_still_fill(venue: BinanceVenue) -> None:
    book = Book(venue)
    entry = replace(_entry(20), state=OrderState.PARTIALLY_FILLED, filled_lots=5)
    assert not book.write(OrderUpdateRecord(None, entry), _position(5), IntentRecord(_stop(20)))  # type: ignore[arg-type]
    assert book.write(IntentRecord(_stop(21))) == ["BTCUSDT stop qd2: 21 lots, 20 intended"]


def test_a_stop_larger_than_what_others_left_of_ours_is_found(venue: BinanceVenue) -> None:
    book = Book(venue)
    book.write(_position(20))
    assert not book.write(_position(8), IntentRecord(_stop(20)))  # Both of one step: it was held when it was decided.
    assert book.write(IntentRecord(_stop(20))) == ["BTCUSDT stop qd2: 20 lots, 8 intended"]


def test_an_exit_of_a_position_that_is_none_is_found(venue: BinanceVenue) -> None:
    book = Book(venue)
    assert book.write(IntentRecord(_stop(20, OrderRole.EXIT))) == ["BTCUSDT exit qd2: 20 lots, 0 intended"]


def test_no_entry_where_others_are_known_to_hold(venue: BinanceVenue) -> None:
    book = Book(venue)
    book.write(AdjustmentRecord("first", T0, BTC, "external position lots", "0", "-7"))
    assert not book.write(IntentRecord(_entry(20)), now_ms=T0 + 10_000)
    assert not book.write(IntentRecord(_stop(0)), now_ms=T0 + 20_000)
    assert book.write(IntentRecord(_entry(20)), now_ms=T0 + 10_001) == [
        "BTCUSDT entry qd1: others hold -7 lots, known for 10001 ms"
    ]


@pytest.mark.parametrize("change", [{"quantity": "0.040"}, {"side": "SELL"}, {"reduceOnly": "true"}])
def test_what_is_at_the_exchange_is_what_was_written_down(venue: BinanceVenue, change: dict[str, str]) -> None:
    book = Book(venue)
    book.write(IntentRecord(_entry(20)))
    sent = {"symbol": BTC, "side": "BUY", "type": "MARKET", "quantity": "0.020", "newClientOrderId": "qd1"}
    book.sizes.answered(Asked("POST", "/fapi/v1/order", sent), *TAKEN)
    assert not book.sizes.problems
    book.sizes.answered(Asked("POST", "/fapi/v1/order", {**sent, **change}), *TAKEN)
    assert len(book.sizes.problems) == 1


def test_an_order_that_was_never_written_down_is_found(venue: BinanceVenue) -> None:
    book = Book(venue)
    sent = {"symbol": BTC, "side": "BUY", "quantity": "0.020", "newClientOrderId": "qd9"}
    book.sizes.answered(Asked("POST", "/fapi/v1/order", sent), *TAKEN)
    assert book.sizes.problems == ["qd9 is at the exchange and was never written down"]


def test_an_order_that_closes_the_net_is_in_no_journal_and_only_reduces(venue: BinanceVenue) -> None:
    book = Book(venue)
    sent = {"symbol": BTC, "side": "BUY", "quantity": "0.020", "newClientOrderId": "qx9", "reduceOnly": "true"}
    book.sizes.answered(Asked("POST", "/fapi/v1/order", sent), *TAKEN)
    assert not book.sizes.problems
    book.sizes.answered(Asked("POST", "/fapi/v1/order", {**sent, "reduceOnly": "false"}), *TAKEN)
    assert book.sizes.problems == ["qx9 is at the exchange and was never written down"]


def _position(lots: int) -> PositionRecord:
    return PositionRecord(Position(BTC, lots, Decimal(lots) * 50, T0, "trade"), T0)


def _entry(lots: int, side: Side = Side.BUY) -> Order:
    return Order("qd1", BTC, side, OrderType.MARKET, OrderRole.ENTRY, lots, T0, "trade", champion("simulated"))


def _stop(lots: int, role: OrderRole = OrderRole.STOP) -> Order:
    kind = OrderType.STOP_MARKET if role is OrderRole.STOP else OrderType.MARKET
    return Order("qd2", BTC, Side.SELL, kind, role, lots, T0, "trade", champion("simulated"), reduce_only=True)
