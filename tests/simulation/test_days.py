"""A day that is opened with the night's loss left out, or counted twice, is told."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest

from core.domain.orders import Fill, Order, OrderRole, OrderType, Side
from core.domain.origin import champion
from core.domain.records import CursorRecord, EquityRecord, FillRecord, FundingRecord, PositionRecord, Record
from core.domain.trading import EquitySample, FundingPayment, Position
from tests.simulation.days import Days
from tests.simulation.latches import DAY_MS
from tests.simulation.shares import Claims
from tests.venue.person import Person
from tests.venue.venue import BinanceVenue

BTC = "BTCUSDT"
MIDNIGHT_MS = 20_600 * DAY_MS


class Night:
    """Twenty lots bought at 50,000 before midnight; ten of them sold at 49,000 after it, and 0.5 USDT of funding."""

    def __init__(self) -> None:
        self.venue = BinanceVenue([BTC])
        self.judged = 0
        self.fills: list[Record] = []
        self.days = Days(self.venue.exchange, (BTC,), Claims(), lambda symbol, open_ms: 49_500.0, self._judge)
        self._trade("BUY", "0.020", 50_000, -60_000)
        self.look(-30_000, "0")
        self._trade("SELL", "0.010", 49_000, 60_000)
        self.fee_usdt = self.venue.ledger.trades[-1].fee_usdt

    def _judge(self) -> None:
        self.judged += 1

    def _trade(self, side: str, quantity: str, price: int, at_ms: int) -> None:
        time_ms = MIDNIGHT_MS + at_ms
        bid = price - 1 if side == "BUY" else price
        self.venue.set_book(BTC, bid, bid + 1, time_ms)
        self.venue.place_external(time_ms, symbol=BTC, side=side, quantity=quantity, newClientOrderId=f"qd{at_ms}")
        trade = self.venue.ledger.trades[-1]
        order = Order(
            "qd1", BTC, Side(side.lower()), OrderType.MARKET, OrderRole.ENTRY, trade.lots, 0, "trade", champion("plain")
        )
        fill = Fill(
            f"{BTC}-{trade.trade_id}", "qd1", BTC, order.side, trade.lots, trade.price_ticks, trade.fee_usdt, False, 0
        )
        self.fills.append(FillRecord(fill, order))

    def look(self, at_ms: int, day_start: str, records: Sequence[Record] = ()) -> list[str]:
        """A sample, with the books as they are at the exchange and `records` before it: worth 1,000 USDT."""
        lots = self.venue.position_lots(BTC)
        self.days.claims.take([PositionRecord(Position(BTC, lots, Decimal(0), 0, "trade"), 0)], 0)
        equity = Decimal(1_000)
        sample = EquitySample(MIDNIGHT_MS + at_ms, equity, Decimal(0), equity, equity, Decimal(day_start))
        self.days.committed([CursorRecord(BTC, 0), *self.fills, *records, EquityRecord(sample)])
        return [problem.partition(" is said")[0] for problem in self.days.problems]


@pytest.fixture
def night() -> Night:
    return Night()


def test_the_nights_loss_counts(night: Night) -> None:
    began = 1_000 + Decimal("0.010") * 500 + night.fee_usdt
    assert night.look(120_000, str(began)) == []
    assert night.judged == 1


@pytest.mark.parametrize("began", ["1000", "1010.5", "995"])
def test_and_any_other_beginning_is_told(night: Night, began: str) -> None:
    assert night.look(120_000, began) == ["the day"]


@pytest.mark.parametrize(("at_ms", "paid"), [(0, "0.490"), (-1, "0")])
def test_funding_of_the_day_that_is_booked_counts(night: Night, at_ms: int, paid: str) -> None:
    payment = FundingPayment("f", BTC, MIDNIGHT_MS + at_ms, Decimal(0), Decimal(0), 10, Decimal("-0.490"))
    began = 1_000 + Decimal("0.010") * 500 + night.fee_usdt + Decimal(paid)
    assert night.look(120_000, str(began), [FundingRecord(payment)]) == []


def test_a_day_is_judged_once(night: Night) -> None:
    night.look(120_000, str(1_000 + Decimal("0.010") * 500 + night.fee_usdt))
    assert night.look(180_000, "7") == []


def test_a_fill_that_is_not_booked_yet_keeps_a_day_from_being_judged(night: Night) -> None:
    del night.fills[-1]
    assert night.look(120_000, "7") == []
    assert night.judged == 0


def test_what_is_not_known_is_not_judged(night: Night) -> None:
    Person(night.venue).trade(BTC, 5, MIDNIGHT_MS + 100_000)
    assert night.look(120_000, "7") == []
    assert night.judged == 0
