"""Liquidation and funding."""

from __future__ import annotations

from decimal import Decimal

import pytest

from core.domain.market import MINUTE_MS, FundingRate
from core.domain.orders import Fill, OrderRole, OrderState, OrderType, OrderUpdate, Side
from tests.core.venues.kit import AFTER_ENTRY_MS, T0, bar, fills, first_price, holding, make_venue, order, protect, told
from tests.core.venues.kit import quote as make_quote


def funding(time_ms: int, rate: str, mark: str = "100") -> FundingRate:
    return FundingRate("AAAUSDT", time_ms, Decimal(rate), Decimal(mark))


def test_liquidation_prices() -> None:
    assert holding(1000).liquidation_price("AAAUSDT") == pytest.approx(100 * 0.9 / 0.996)
    assert holding(-1000).liquidation_price("AAAUSDT") == pytest.approx(100 * 1.1 / 1.004)
    assert holding(50, leverage=1).liquidation_price("AAAUSDT") is None
    assert make_venue().liquidation_price("AAAUSDT") is None


@pytest.mark.parametrize(("lots", "low", "high", "ticks"), [(1000, 90.3, 100, 903), (-1000, 100, 109.6, 1096)])
def test_a_bar_that_crosses_it_liquidates_and_tells(lots: int, low: float, high: float, ticks: int) -> None:
    venue = holding(lots)
    wallet = venue.wallet_usdt()
    update, fill = venue.on_market(bar(1, low, high, 100))
    name, end_ms = f"liq-AAAUSDT-{T0 + 2 * MINUTE_MS}", T0 + 2 * MINUTE_MS
    assert update == OrderUpdate(name, "AAAUSDT", OrderState.ACCEPTED, end_ms, f"sim-{name}")
    assert isinstance(fill, Fill)
    assert (fill.fill_id, fill.price_ticks) == (f"{name}:1000", ticks)
    notional = Decimal(ticks) / 10
    assert fill.fee_usdt == notional * 125 / 10_000
    assert venue.wallet_usdt() == wallet - abs(notional - 100) - fill.fee_usdt
    made = venue.order(name)
    assert made is not None
    assert (made.role, made.state, made.reduce_only) == (OrderRole.LIQUIDATION, OrderState.FILLED, True)
    assert venue.positions_lots() == {}


def test_short_of_it_nothing_happens() -> None:
    venue = holding(1000)
    assert venue.on_market(bar(1, 90.4, 100, 100)) == []


def test_a_stop_before_it_prevents_it() -> None:
    venue = holding(1000)
    protect(venue, 1000, 950)
    assert told(venue.on_market(bar(1, 80, 100, 85, first=100))) == [("stop", 1000, 950)]


@pytest.mark.parametrize(
    ("lots", "trigger", "low", "high", "ticks"), [(1000, 895, 85, 100, 903), (-1000, 1105, 100, 115, 1096)]
)
def test_a_stop_beyond_it_comes_too_late(lots: int, trigger: int, low: float, high: float, ticks: int) -> None:
    venue = holding(lots)
    protect(venue, lots, trigger)
    events = venue.on_market(bar(1, low, high, 100, first=100))
    name = f"liq-AAAUSDT-{T0 + 2 * MINUTE_MS}"
    assert told(events) == [(name, OrderState.ACCEPTED), (name, 1000, ticks), ("stop", OrderState.EXPIRED)]


def test_of_two_stops_only_the_nearer_one_prevents_it() -> None:
    venue = holding(1000)
    protect(venue, 1000, 895, name="far")
    protect(venue, 400, 950, name="near")
    events = venue.on_market(bar(1, 80, 100, 85, first=100))
    name = f"liq-AAAUSDT-{T0 + 2 * MINUTE_MS}"
    assert told(events) == [
        ("near", 400, 950),
        (name, OrderState.ACCEPTED),
        (name, 600, 903),
        ("far", OrderState.EXPIRED),
    ]


def test_what_a_thin_stop_leaves_is_liquidated_whole() -> None:
    venue = holding(1000)
    protect(venue, 1000, 950)
    events = venue.on_market(bar(1, 80, 100, 85, first=100, volume=1.0))
    name = f"liq-AAAUSDT-{T0 + 2 * MINUTE_MS}"
    assert told(events) == [("stop", 100, 950), (name, OrderState.ACCEPTED), (name, 900, 903)]
    assert told(venue.on_market(first_price(2, 85))) == [("stop", OrderState.EXPIRED)]


def test_a_gap_liquidates_at_the_first_price_and_a_quote_at_its_own() -> None:
    assert fills(holding(1000).on_market(first_price(2, 85)))[0].price_ticks == 850
    assert fills(holding(1000).on_market(bar(2, 80, 100, 85, first=84)))[0].price_ticks == 840
    assert fills(holding(1000).on_market(make_quote(AFTER_ENTRY_MS + 5, 90.1, 99)))[0].price_ticks == 901
    assert fills(holding(-1000).on_market(make_quote(AFTER_ENTRY_MS + 5, 90, 112.3)))[0].price_ticks == 1123


def test_a_bar_of_before_the_entry_does_not_liquidate() -> None:
    venue = make_venue()
    venue.on_market(make_quote(T0 + MINUTE_MS + 10, 100, 100))
    venue.submit(order("x", Side.BUY, 1000), T0 + MINUTE_MS + 20)
    venue.on_market(make_quote(T0 + MINUTE_MS + 30, 100, 100))
    assert venue.on_market(bar(0, 50, 100, 100)) == []
    assert venue.positions_lots() == {"AAAUSDT": 1000}


def test_a_position_opened_inside_a_bar_did_not_meet_its_open() -> None:
    venue = make_venue()
    venue.on_market(make_quote(T0 + 30_000, 100, 100))
    venue.submit(order("x", Side.BUY, 1000), T0 + 30_001)
    venue.on_market(make_quote(T0 + 30_002, 100, 100))
    assert fills(venue.on_market(bar(0, 80, 100, 100, first=81)))[0].price_ticks == 903


def test_a_liquidation_is_told_by_its_fill_or_by_its_journalled_order() -> None:
    venue = holding(1000)
    name = f"liq-AAAUSDT-{T0 + 2 * MINUTE_MS}"
    venue.on_market(bar(1, 80, 100, 85))
    entry, made = venue.order("entry"), venue.order(name)
    assert entry is not None
    assert made is not None
    history = venue.fills_of("entry") + venue.fills_of(name)
    for orders in ([entry], [entry, made]):
        again = make_venue()
        again.restore(orders, history, [], [bar(1, 80, 100, 85)])
        assert again.order(name) == made
        assert again.wallet_usdt() == venue.wallet_usdt()


def test_a_limit_opened_and_liquidated_by_one_bar() -> None:
    venue = make_venue()
    venue.on_market(bar(0, 100, 100, 100))
    venue.submit(order("x", Side.BUY, 1000, OrderType.LIMIT, price=950), T0 + MINUTE_MS)
    events = venue.on_market(bar(1, 80, 100, 99, first=100))
    assert [fill.price_ticks for fill in fills(events)] == [950, 858]
    assert venue.positions_lots() == {}


def test_two_liquidations_at_one_time_have_two_ids() -> None:
    venue = holding(1000)
    venue.submit(order("x", Side.BUY, 1000, OrderType.LIMIT, price=950), AFTER_ENTRY_MS)
    events = venue.on_market(bar(1, 80, 100, 99, first=100))
    name = f"liq-AAAUSDT-{T0 + 2 * MINUTE_MS}"
    assert [fill.client_order_id for fill in fills(events)] == [name, "x", f"{name}-2"]


@pytest.mark.parametrize(("lots", "rate", "amount"), [(1000, "0.0001", "-0.01"), (-1000, "0.0001", "0.01")])
def test_longs_pay_positive_funding_to_shorts(lots: int, rate: str, amount: str) -> None:
    venue = holding(lots)
    before = venue.wallet_usdt()
    (payment,) = venue.on_market(funding(AFTER_ENTRY_MS + 9, rate))
    assert told([payment]) == [(Decimal(amount),)]
    assert venue.wallet_usdt() == before + Decimal(amount)


def test_funding_is_exact_named_and_paid_once() -> None:
    venue = holding(777)
    event = funding(AFTER_ENTRY_MS, "0.00012345", "105260.46566253")
    (payment,) = venue.on_market(event)
    assert told([payment]) == [(Decimal("-10.09665229"),)]  # 0.777 * 105260.46566253 * 0.00012345
    assert getattr(payment, "funding_id", "") == f"funding-AAAUSDT-{AFTER_ENTRY_MS}"
    assert getattr(payment, "position_lots", 0) == 777
    assert venue.on_market(event) == []


def test_flat_pays_no_funding() -> None:
    assert make_venue().on_market(funding(T0, "0.01")) == []
