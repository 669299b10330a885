"""When and where orders fill."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain.market import MINUTE_MS
from core.domain.orders import OrderState, OrderType, Side
from tests.core.venues.kit import (
    AFTER_ENTRY_MS,
    T0,
    bar,
    fills,
    first_price,
    holding,
    make_venue,
    order,
    protect,
    quote,
    target,
    told,
)

BUY, SELL = Side.BUY, Side.SELL
LIMIT, STOP, TARGET = OrderType.LIMIT, OrderType.STOP_MARKET, OrderType.TAKE_PROFIT_MARKET
EXPIRED = OrderState.EXPIRED


def test_a_market_order_fills_at_the_next_first_price() -> None:
    venue = make_venue()
    venue.on_market(bar(0, 90, 110, 100))
    venue.submit(order("x", BUY, 100), T0 + MINUTE_MS + 100)
    (fill,) = fills(venue.on_market(first_price(1, 101.5)))
    assert (fill.price_ticks, fill.qty_lots, fill.time_ms) == (1015, 100, T0 + MINUTE_MS + 1000)
    assert fill.fill_id == "x:100"
    assert fill.fee_usdt == Decimal("10.15") * 5 / 10_000
    assert not fill.is_maker
    assert venue.fills_of("x") == [fill]


def test_inside_a_bar_it_fills_at_that_bars_close() -> None:
    venue = make_venue()
    venue.on_market(bar(0, 100, 100, 100))
    venue.submit(order("x", SELL, 100), T0 + MINUTE_MS + 30_000)
    (fill,) = fills(venue.on_market(bar(1, 90, 110, 103)))
    assert (fill.price_ticks, fill.time_ms) == (1030, T0 + 2 * MINUTE_MS)


def test_at_a_quote_a_buy_pays_the_ask_and_a_sell_gets_the_bid() -> None:
    venue = make_venue()
    venue.on_market(bar(0, 100, 100, 100))
    venue.submit(order("b", BUY, 100), T0 + MINUTE_MS)
    venue.submit(order("s", SELL, 60), T0 + MINUTE_MS)
    assert told(venue.on_market(quote(T0 + MINUTE_MS + 5, 99.8, 100.2))) == [("b", 100, 1002), ("s", 60, 998)]


def test_no_price_of_before_its_arrival_fills_an_order() -> None:
    venue = make_venue()
    venue.on_market(bar(0, 100, 100, 100))
    venue.submit(order("x", BUY, 100), T0 + 2 * MINUTE_MS)
    venue.submit(order("l", BUY, 100, LIMIT, price=950), T0 + 2 * MINUTE_MS)
    assert venue.on_market(first_price(1, 90)) == []
    assert venue.on_market(bar(1, 80, 100, 100)) == []
    assert told(venue.on_market(first_price(2, 97))) == [("x", 100, 970)]


def test_slippage_grows_with_the_share_of_volume_and_rounds_against_the_order() -> None:
    venue = make_venue(slippage_bps=1.0, impact_bps=10.0, max_participation_pct=100.0)
    venue.on_market(bar(0, 100, 100, 100, volume=4.0))
    venue.submit(order("b", BUY, 1_000), T0 + MINUTE_MS)
    venue.submit(order("s", SELL, 1_000), T0 + MINUTE_MS)
    # a quarter of the volume: 1 + 10 * sqrt(0.25) = 6 bps of 100 is 0.06, up or down to the next 0.1
    assert told(venue.on_market(first_price(1, 100))) == [("b", 1_000, 1001), ("s", 1_000, 999)]


def test_a_stop_gapped_through_fills_at_the_first_price() -> None:
    venue = holding(100)
    protect(venue, 100, 970)
    venue.on_market(bar(1, 98, 100, 98))
    assert told(venue.on_market(first_price(2, 95))) == [("stop", 100, 950)]


def test_a_stop_in_a_bar_fills_at_its_trigger_and_in_a_gap_at_the_open() -> None:
    venue = holding(100)
    protect(venue, 100, 970)
    assert told(venue.on_market(bar(1, 97, 100, 99, first=100))) == [("stop", 100, 970)]
    venue = holding(-100)
    protect(venue, -100, 1030)
    assert told(venue.on_market(bar(2, 104, 106, 105, first=104.5))) == [("stop", 100, 1045)]


def test_a_stop_that_arrived_late_in_a_bar_counts_its_whole_range_at_the_trigger() -> None:
    venue = holding(100)
    stop = order("stop", SELL, 100, STOP, trigger=970, reduce_only=True)
    venue.submit(stop, T0 + MINUTE_MS + 30_000)
    assert told(venue.on_market(bar(1, 96, 100, 99, first=96.5))) == [("stop", 100, 970)]


def test_a_limit_needs_a_trade_beyond_it_and_pays_the_makers_fee() -> None:
    venue = make_venue()
    venue.on_market(bar(0, 100, 100, 100))
    venue.submit(order("x", BUY, 100, LIMIT, price=990), T0 + MINUTE_MS)
    assert venue.on_market(bar(1, 99, 101, 100)) == []
    (fill,) = fills(venue.on_market(bar(2, 98.9, 101, 100)))
    assert (fill.price_ticks, fill.is_maker, fill.fee_usdt) == (990, True, Decimal("9.9") * 2 / 10_000)


def test_a_limit_marketable_at_the_first_price_takes_there_and_never_beyond_its_limit() -> None:
    venue = make_venue(slippage_bps=50.0)
    venue.on_market(bar(0, 100, 100, 100))
    venue.submit(order("far", BUY, 100, LIMIT, price=1000), T0 + MINUTE_MS)
    venue.submit(order("near", BUY, 100, LIMIT, price=991), T0 + MINUTE_MS)
    taken = fills(venue.on_market(first_price(1, 99)))
    assert [(fill.price_ticks, fill.is_maker) for fill in taken] == [(995, False), (991, False)]


def test_a_take_profit_fills_at_its_trigger_in_a_bar_and_at_a_better_first_price() -> None:
    venue = holding(100)
    target(venue, 100, 1030)
    assert told(venue.on_market(bar(1, 99, 104, 103.5, first=100))) == [("target", 100, 1030)]
    venue = holding(100)
    target(venue, 100, 1030)
    assert told(venue.on_market(first_price(2, 105))) == [("target", 100, 1050)]


def test_limits_and_take_profits_that_arrived_late_see_only_the_close() -> None:
    venue = holding(100)
    target(venue, 100, 1030, now_ms=T0 + MINUTE_MS + 1001)
    venue.submit(order("x", BUY, 100, LIMIT, price=990), T0 + MINUTE_MS + 1001)
    assert venue.on_market(bar(1, 95, 105, 100)) == []
    assert told(venue.on_market(bar(2, 99.5, 105, 100))) == [("target", 100, 1030)]


def test_where_a_bar_touches_stop_and_target_the_stop_was_first() -> None:
    venue = holding(100)
    target(venue, 100, 1030)
    protect(venue, 100, 970)
    events = venue.on_market(bar(1, 96, 104, 103))
    assert told(events) == [("stop", 100, 970), ("target", EXPIRED)]
    assert "no position left" in (venue.order("target") or order("", BUY, 1)).reason
    assert venue.positions_lots() == {}


@settings(deadline=None, derandomize=True)
@given(
    side=st.sampled_from([1, -1]),
    stop_ticks=st.integers(1, 30),
    target_ticks=st.integers(1, 30),
    past_stop=st.integers(0, 20),
    past_target=st.integers(0, 20),
    close_ticks=st.integers(-30, 30),
    target_first=st.booleans(),
    volume=st.sampled_from([0.0, 0.01, 0.5, 1e6]),
)
def test_no_bar_that_touches_both_ever_pays_the_target(
    side: int,
    stop_ticks: int,
    target_ticks: int,
    past_stop: int,
    past_target: int,
    close_ticks: int,
    target_first: bool,
    volume: float,
) -> None:
    venue = holding(100 * side)
    stop_at, target_at = 1000 - side * stop_ticks, 1000 + side * target_ticks
    places = [lambda: protect(venue, 100 * side, stop_at), lambda: target(venue, 100 * side, target_at)]
    for place in reversed(places) if target_first else places:
        place()
    ends = sorted([stop_at - side * past_stop, target_at + side * past_target])
    close = min(max(1000 + close_ticks, ends[0]), ends[1]) / 10
    events = venue.on_market(bar(1, ends[0] / 10, ends[1] / 10, close, first=100, volume=volume))
    assert [fill.client_order_id for fill in fills(events)][:1] == ["stop"]
    assert fills(events)[0].price_ticks == stop_at
    assert not venue.fills_of("target")


def test_a_market_exit_finds_the_stop_was_first() -> None:
    venue = holding(100)
    protect(venue, 100, 970)
    venue.submit(order("exit", SELL, 100, reduce_only=True), T0 + MINUTE_MS + 20_000)
    assert told(venue.on_market(bar(1, 96, 104, 103))) == [("stop", 100, 970), ("exit", EXPIRED)]


@pytest.mark.parametrize("kind", [OrderType.MARKET, STOP])
def test_reduce_only_fills_only_the_position_and_expires_for_the_rest(kind: OrderType) -> None:
    venue = holding(100)
    trigger = 970 if kind is STOP else None
    venue.submit(order("x", SELL, 150, kind, trigger=trigger, reduce_only=True), AFTER_ENTRY_MS)
    events = venue.on_market(bar(1, 97, 100, 97, first=100))
    assert told(events) == [("x", 100, 970), ("x", EXPIRED)]
    assert (venue.positions_lots(), venue.open_orders()) == ({}, [])


def test_an_order_beyond_the_position_flips_it_and_realises_only_what_closed() -> None:
    venue = holding(100)
    before = venue.wallet_usdt()
    venue.submit(order("x", SELL, 160), AFTER_ENTRY_MS)
    (fill,) = fills(venue.on_market(bar(1, 100, 110, 110)))
    assert venue.positions_lots() == {"AAAUSDT": -60}
    assert venue.positions_cost_usdt() == {"AAAUSDT": Decimal("-6.6")}
    assert venue.wallet_usdt() == before + Decimal(1) - fill.fee_usdt


def test_orders_share_a_part_of_the_bars_volume_in_arrival_order() -> None:
    venue = make_venue()
    venue.on_market(bar(0, 100, 100, 100, volume=1.5))
    venue.submit(order("a", BUY, 100), T0 + MINUTE_MS)
    venue.submit(order("b", BUY, 100), T0 + MINUTE_MS)
    venue.submit(order("c", BUY, 100), T0 + MINUTE_MS)
    assert told(venue.on_market(first_price(1, 100))) == [("a", 100, 1000), ("b", 50, 1000)]
    # what the first price took is gone for the quotes of the same minute
    assert venue.on_market(quote(T0 + MINUTE_MS + 2000, 100, 100)) == []
    # and for what opens a position its bar has no more than the rest
    assert venue.on_market(bar(1, 100, 100, 100, volume=0.8)) == []
    assert told(venue.on_market(quote(T0 + 2 * MINUTE_MS + 1, 100, 100))) == [("b", 50, 1000), ("c", 30, 1000)]
    assert [fill.fill_id for fill in venue.fills_of("b")] == ["b:50", "b:100"]
    assert told(venue.on_market(bar(2, 100, 100, 100, volume=1.0))) == [("c", 20, 1000)]


def test_an_entry_takes_no_more_than_its_part_of_a_bar_and_what_closes_waits_for_nothing() -> None:
    venue = make_venue()
    venue.on_market(bar(0, 100, 100, 100, volume=0.5))
    venue.submit(order("in", BUY, 200), T0 + MINUTE_MS)
    taken = [
        fill
        for n in (1, 2, 3)
        for e in (first_price(n, 100), bar(n, 100, 100, 100, volume=0.5))
        for fill in fills(venue.on_market(e))
    ]
    assert [(fill.qty_lots, (fill.time_ms - T0) // MINUTE_MS) for fill in taken] == [(50, 1), (50, 2), (50, 3)]
    venue = holding(100)
    venue.submit(order("out", SELL, 100, reduce_only=True), AFTER_ENTRY_MS)
    assert told(venue.on_market(bar(1, 100, 100, 100, volume=0.8))) == [("out", 80, 1000)]


def test_any_volume_fills_a_lot_and_none_fills_nothing() -> None:
    venue = make_venue()
    venue.on_market(bar(0, 100, 100, 100, volume=0.0))
    venue.submit(order("x", BUY, 100), T0 + MINUTE_MS)
    assert venue.on_market(first_price(1, 100)) == []
    assert venue.on_market(bar(1, 100, 100, 100, volume=0.0)) == []
    assert told(venue.on_market(bar(2, 100, 100, 100, volume=0.001))) == [("x", 1, 1000)]


def test_before_the_first_bar_there_is_no_cap_and_full_impact() -> None:
    venue = make_venue(impact_bps=100.0)
    venue.on_market(quote(T0 + 5, 100, 100))
    venue.submit(order("x", BUY, 40_000), T0 + 6)
    assert told(venue.on_market(quote(T0 + 7, 100, 100))) == [("x", 40_000, 1010)]


def test_a_stop_without_volume_fills_whole_at_full_impact() -> None:
    venue = holding(100, impact_bps=100.0, slippage_bps=0.0)
    protect(venue, 100, 970)
    target(venue, 100, 1030)
    # 970 less 1 percent, rounded down
    events = venue.on_market(bar(1, 97, 104, 98, volume=0.0))
    assert told(events) == [("stop", 100, 960), ("target", EXPIRED)]


def test_a_triggered_stops_rest_goes_on_at_market() -> None:
    venue = holding(100)
    protect(venue, 100, 970)
    assert told(venue.on_market(bar(1, 97, 100, 99, volume=0.4))) == [("stop", 40, 970)]
    assert told(venue.on_market(first_price(2, 103))) == [("stop", 40, 1030)]
    assert told(venue.on_market(bar(2, 101, 105, 104))) == [("stop", 20, 1040)]
    assert venue.open_orders() == []


def test_a_touched_stop_fills_a_lot_even_when_others_took_the_volume() -> None:
    venue = holding(100)
    protect(venue, 100, 980, name="one")
    protect(venue, 100, 970, name="two")
    assert told(venue.on_market(bar(1, 97, 100, 99, volume=0.5))) == [("one", 50, 980), ("two", 1, 970)]


def test_a_take_profit_left_without_volume_waits() -> None:
    venue = holding(100)
    protect(venue, 50, 970)
    target(venue, 100, 1030)
    assert told(venue.on_market(bar(1, 97, 103, 100, volume=0.5))) == [("stop", 50, 970)]
    assert told(venue.on_market(bar(2, 99, 103, 100))) == [("target", 50, 1030), ("target", EXPIRED)]


def test_a_bar_or_price_that_is_not_newer_changes_nothing() -> None:
    venue = holding(100)
    protect(venue, 100, 970)
    assert venue.on_market(bar(0, 90, 100, 95)) == []
    assert venue.on_market(quote(AFTER_ENTRY_MS - 1, 90, 90)) == []
    assert len(venue.open_orders()) == 1


def test_a_late_bar_does_not_hide_a_newer_quote() -> None:
    venue = make_venue()
    venue.on_market(quote(T0 + MINUTE_MS + 200, 110, 110))
    venue.on_market(bar(0, 90, 100, 95))
    venue.submit(order("x", SELL, 100, STOP, trigger=1050), T0 + MINUTE_MS + 300)
    assert venue.open_orders()[0].trigger_ticks == 1050


def test_events_of_unknown_symbols_touch_nothing() -> None:
    venue = holding(100)
    stranger = type(first_price(2, 1))("CCCUSDT", T0 + 2 * MINUTE_MS, T0 + 2 * MINUTE_MS, 1.0)
    assert venue.on_market(stranger) == []
    assert venue.positions_lots() == {"AAAUSDT": 100}
