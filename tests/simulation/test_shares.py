"""Whose lots are whose: by the exchange's trades in their order, and by the journal."""

from __future__ import annotations

from decimal import Decimal

import pytest

from core.domain.records import AdjustmentRecord, PositionRecord
from core.domain.trading import Position
from tests.simulation.shares import Claims, Shares, opposed
from tests.venue.person import Person
from tests.venue.venue import BinanceVenue

BTC = "BTCUSDT"
T0 = 1_780_000_020_000


@pytest.fixture
def venue() -> BinanceVenue:
    venue = BinanceVenue([BTC])
    venue.set_book(BTC, "50000.0", "50000.1", T0)
    return venue


class Traders:
    """`us` and `them` trade signed lots."""

    def __init__(self, venue: BinanceVenue) -> None:
        self.venue = venue
        self.shares = Shares(venue.exchange)
        venue.exchange.watchers.append(self.shares.changed)

    def us(self, lots: int, **more: str) -> None:
        contract = self.venue.exchange.contracts[BTC]
        side = "BUY" if lots > 0 else "SELL"
        client_id = f"qd{self.venue.exchange.next_order_id()}"
        quantity = contract.qty_text(abs(lots))
        self.venue.place_external(T0, symbol=BTC, side=side, quantity=quantity, newClientOrderId=client_id, **more)

    def them(self, lots: int) -> None:
        Person(self.venue).trade(BTC, lots, T0)

    def held(self) -> tuple[int, int]:
        ours, others = self.shares.ours[BTC], self.shares.others[BTC]
        assert ours + others == self.venue.position_lots(BTC)
        return ours, others


def test_a_foreign_trade_against_ours_takes_from_ours_first(venue: BinanceVenue) -> None:
    at = Traders(venue)
    at.us(20)
    at.them(5)
    assert at.held() == (20, 5)
    at.them(-8)
    assert at.held() == (12, 5)
    at.them(-30)
    assert at.held() == (0, -13)


def test_a_short_of_ours_likewise(venue: BinanceVenue) -> None:
    at = Traders(venue)
    at.us(-20)
    at.them(7)
    assert at.held() == (-13, 0)
    at.them(20)
    assert at.held() == (0, 7)
    at.them(-7)
    assert at.held() == (0, 0)


def test_lots_on_opposite_sides_are_none(venue: BinanceVenue) -> None:
    at = Traders(venue)
    at.them(-5)
    at.us(20)
    assert at.held() == (15, 0)


def test_an_exit_of_ours_that_crosses_takes_from_others_what_ours_lacks(venue: BinanceVenue) -> None:
    at = Traders(venue)
    at.us(10)
    at.them(5)
    at.them(-7)
    at.us(-10, reduceOnly="true")
    assert at.held() == (0, 0)


def test_the_child_of_our_stop_is_ours_and_that_of_theirs_is_theirs(venue: BinanceVenue) -> None:
    at = Traders(venue)
    at.us(20)
    venue.place_external_algo(
        T0,
        symbol=BTC,
        side="SELL",
        type="STOP_MARKET",
        triggerPrice="49900.0",
        quantity="0.012",
        reduceOnly="true",
        clientAlgoId="qdstop",
    )
    at.them(10)
    venue.set_book(BTC, "49890.0", "49890.1", T0 + 1_000)
    assert at.held() == (8, 10)
    Person(venue).stop(BTC, 49_800.0, T0 + 1_000)
    venue.set_book(BTC, "49790.0", "49790.1", T0 + 2_000)
    assert at.held() == (0, 0)


def test_opposed() -> None:
    assert [opposed(10, -4), opposed(10, -14), opposed(-10, 4), opposed(-10, 14), opposed(10, 4), opposed(0, -4)] == [
        -4,
        -10,
        4,
        10,
        0,
        0,
    ]


def test_the_journal_claims_what_its_last_records_say() -> None:
    claims = Claims()
    claims.take([_position(20)], T0)
    assert [claims.phantom_lots(BTC, net) for net in (25, 20, 12, 0, -7)] == [0, 0, 8, 20, 20]
    claims.take([_position(-20), _others("0", "5")], T0 + 1)
    assert [claims.phantom_lots(BTC, net) for net in (-25, -20, -12, 0, 7)] == [0, 0, 8, 20, 20]
    assert claims.unknown_lots(BTC, -15) == 0
    assert claims.unknown_lots(BTC, -10) == 5
    claims.take([_others("5", "9")], T0 + 2)
    assert claims.others_since_ms == {BTC: T0 + 1}
    claims.take([_others("9", "0")], T0 + 3)
    assert (claims.others, claims.others_since_ms) == ({BTC: 0}, {})


def _position(lots: int) -> PositionRecord:
    return PositionRecord(Position(BTC, lots, Decimal(lots) * 50, T0, "trade"), T0)


def _others(before: str, after: str) -> AdjustmentRecord:
    return AdjustmentRecord("external", T0, BTC, "external position lots", before, after)
