"""What the venue refuses on arrival, and that a refusal leaves nothing behind."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from core.domain.errors import RejectKind, SettingsError, VenueRejectedError
from core.domain.orders import Fill, Order, OrderState, OrderType, Side
from tests.core.venues.kit import (
    AAA,
    AFTER_ENTRY_MS,
    INSTRUMENTS,
    T0,
    bar,
    first_price,
    holding,
    make_venue,
    order,
    protect,
    quote,
    told,
    updates,
)

BUY, SELL = Side.BUY, Side.SELL
LIMIT, STOP, TARGET = OrderType.LIMIT, OrderType.STOP_MARKET, OrderType.TAKE_PROFIT_MARKET
NOW = T0 + 60_100


@pytest.mark.parametrize(
    ("refused", "why"),
    [
        (order("x", BUY, 1), "AAAUSDT 1 lots are below the minimum of 2"),
        (order("x", BUY, 50_001), "AAAUSDT 50001 lots are above the maximum of 50000"),
        (order("x", BUY, 49), r"notional 4.9000 USDT is below the minimum of 5"),
        (order("x", BUY, 100, LIMIT), "a limit order needs a price above zero, got None ticks"),
        (order("x", BUY, 100, LIMIT, price=0), "a limit order needs a price above zero, got 0 ticks"),
        (order("x", BUY, 100, STOP), "a stop_market order needs a trigger above zero, got None ticks"),
        (order("x", SELL, 100, TARGET), "a take_profit_market order needs a trigger above zero"),
        (order("x", BUY, 100, STOP, trigger=1000), "trigger 100.0 would fire at once, the price is 100.0"),
        (order("x", SELL, 100, STOP, trigger=1001), "trigger 100.1 would fire at once"),
        (order("x", BUY, 100, TARGET, trigger=1001), "trigger 100.1 would fire at once"),
        (order("x", SELL, 100, TARGET, trigger=1000), "trigger 100.0 would fire at once"),
        (order("x", SELL, 100, reduce_only=True), "reduce-only sell has no position to reduce"),
        (order("x", BUY, 100, symbol="CCCUSDT"), "CCCUSDT is not traded here"),
        (order("x", BUY, 100, symbol="BBBUSDT"), "BBBUSDT no price is known yet"),
        (order("liq-x", BUY, 100), "ids in liq- are the venue's own"),
    ],
)
def test_refusals(refused: Order, why: str) -> None:
    venue = make_venue()
    venue.on_market(bar(0, 100, 100, 100))
    with pytest.raises(VenueRejectedError, match=why) as caught:
        venue.submit(refused, NOW)
    assert "\n" not in str(caught.value)
    assert venue.order(refused.client_order_id) is None
    assert venue.open_orders() == []


def test_a_refused_id_may_be_sent_again() -> None:
    venue = make_venue()
    venue.on_market(bar(0, 100, 100, 100))
    with pytest.raises(VenueRejectedError):
        venue.submit(order("x", BUY, 1), NOW)
    assert told(venue.submit(order("x", BUY, 100), NOW)) == [("x", OrderState.ACCEPTED)]


def test_reduce_only_needs_the_opposite_position_and_no_notional() -> None:
    venue = holding(100)
    with pytest.raises(VenueRejectedError, match="reduce-only buy has no position to reduce"):
        venue.submit(order("x", BUY, 10, reduce_only=True), AFTER_ENTRY_MS)
    assert told(venue.submit(order("y", SELL, 2, reduce_only=True), AFTER_ENTRY_MS)) == [("y", OrderState.ACCEPTED)]


def test_acceptance_names_a_deterministic_venue_order() -> None:
    venue = make_venue()
    venue.on_market(bar(0, 100, 100, 100))
    (update,) = updates(venue.submit(order("x", BUY, 100), NOW))
    assert (update.state, update.venue_order_id, update.time_ms) == (OrderState.ACCEPTED, "sim-x", NOW)
    accepted = venue.order("x")
    assert accepted == replace(order("x", BUY, 100), state=update.state, venue_order_id="sim-x", updated_ms=NOW)


def test_the_same_id_again_answers_the_present_state_and_makes_no_second_order() -> None:
    venue = make_venue()
    venue.on_market(bar(0, 100, 100, 100))
    once = venue.submit(order("x", BUY, 100), NOW)
    assert venue.submit(order("x", BUY, 100), NOW + 5) == once
    assert len(venue.open_orders()) == 1
    venue.on_market(first_price(1, 100))
    assert told(venue.submit(order("x", BUY, 100), NOW + 2000)) == [("x", OrderState.FILLED)]
    assert venue.positions_lots() == {"AAAUSDT": 100}


def test_cancel_closes_once_and_then_answers_the_present_state() -> None:
    venue = holding(100)
    protect(venue, 100, 950)
    once = venue.cancel("stop", AFTER_ENTRY_MS + 7)
    assert told(once) == [("stop", OrderState.CANCELED)]
    assert venue.cancel("stop", AFTER_ENTRY_MS + 99) == once
    assert venue.open_orders() == []
    assert venue.on_market(bar(1, 90.5, 100, 91)) == []
    assert told(venue.cancel("entry", NOW)) == [("entry", OrderState.FILLED)]


def test_cancel_of_an_unknown_id_is_refused() -> None:
    with pytest.raises(VenueRejectedError, match="order x: the venue does not know it"):
        make_venue().cancel("x", NOW)


def test_margin_counts_positions_open_orders_and_the_fee() -> None:
    venue = make_venue(initial_balance_usdt=Decimal(100))
    venue.on_market(bar(0, 100, 100, 100))
    # 10x: 9 950 lots are 995 USDT, 99.5 of margin and 0.4975 of fee
    with pytest.raises(VenueRejectedError, match=r"needs 100\.50 USDT of margin and fee at 10x, 100\.00 are available"):
        venue.submit(order("big", BUY, 10_000), NOW)
    venue.submit(order("x", BUY, 9_950), NOW)
    with pytest.raises(VenueRejectedError, match=r"0\.50 are available"):
        venue.submit(order("more", BUY, 1_000, LIMIT, price=900), NOW)
    venue.on_market(first_price(1, 100))
    with pytest.raises(VenueRejectedError, match=r"0\.00 are available"):
        venue.submit(order("more", BUY, 1_000), NOW + 2000)
    assert told(venue.submit(order("less", SELL, 9_950), NOW + 2000)) == [("less", OrderState.ACCEPTED)]


def test_only_what_flips_needs_margin() -> None:
    venue = holding(9_000, initial_balance_usdt=Decimal(100))
    with pytest.raises(VenueRejectedError, match=r"needs 10\.05 USDT"):
        venue.submit(order("flip", SELL, 10_000), AFTER_ENTRY_MS)
    assert told(venue.submit(order("flip", SELL, 9_900), AFTER_ENTRY_MS)) == [("flip", OrderState.ACCEPTED)]


def test_the_newest_price_decides_what_would_fire() -> None:
    venue = holding(100)
    venue.on_market(quote(AFTER_ENTRY_MS + 10, 104.0, 104.2))
    protect(venue, 100, 1039)
    with pytest.raises(VenueRejectedError, match=r"trigger 104\.0 would fire at once, the price is 104\.0"):
        protect(venue, 100, 1040, name="higher")


def test_leverage_beyond_the_contract_is_a_settings_error() -> None:
    with pytest.raises(SettingsError, match=r"account\.leverage: 101 is above the 100 that AAAUSDT allows"):
        make_venue(leverage=101)


def test_a_remainder_of_an_earlier_step_is_closed_whole_and_never_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(INSTRUMENTS, "AAAUSDT", replace(AAA, lot_step=10, min_lots=10, tick_step=10))
    venue = make_venue()
    venue.on_market(bar(0, 100, 100, 100))
    with pytest.raises(VenueRejectedError, match="141 lots are no multiple of 10") as caught:
        venue.submit(order("x", BUY, 141), NOW)
    assert caught.value.kind is RejectKind.PRECISION
    entry = replace(order("e", BUY, 141), venue_order_id="e", filled_lots=141, state=OrderState.FILLED)
    venue.restore([entry], [Fill("f", "e", "AAAUSDT", BUY, 141, 1001, Decimal(0), False, NOW)], [], [bar(0, 1, 1, 100)])
    venue.submit(order("out", SELL, 141, reduce_only=True), NOW + 1)
    fills = [event for event in venue.on_market(first_price(2, 100.55)) if isinstance(event, Fill)]
    assert [(fill.qty_lots, fill.price_ticks) for fill in fills] == [(141, 1000)]
    assert venue.positions_lots() == {}
