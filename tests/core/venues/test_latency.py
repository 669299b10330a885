"""Paper trading: an order is under way for a while, and quotes of the live stream fill it."""

from __future__ import annotations

import pytest

from core.domain.orders import OrderType, Side
from core.settings.schema import EngineSettings, Mode, Settings
from core.venues.rebuild import journalled_venue
from tests.core.venues.kit import INSTRUMENTS, T0, bar, fills, make_venue, order, quote

SENT_MS = T0 + 90_000


def test_a_market_order_fills_at_the_first_quote_after_its_latency() -> None:
    venue = make_venue(latency_ms=150)
    venue.on_market(bar(0, 99.0, 101.0, 100.0))
    venue.submit(order("entry", Side.BUY, 100), SENT_MS)
    assert fills(venue.on_market(quote(SENT_MS + 149, 99.9, 100.1))) == []
    (fill,) = fills(venue.on_market(quote(SENT_MS + 150, 100.4, 100.6)))
    assert fill.time_ms == SENT_MS + 150
    assert fill.price_ticks >= 1006, "it buys at the ask, slipped"


def test_a_stop_that_is_under_way_protects_from_its_arrival_on() -> None:
    venue = make_venue(latency_ms=150)
    venue.on_market(bar(0, 99.0, 101.0, 100.0))
    venue.submit(order("entry", Side.BUY, 100), SENT_MS)
    venue.on_market(quote(SENT_MS + 150, 100.0, 100.1))
    venue.submit(order("stop", Side.SELL, 100, OrderType.STOP_MARKET, trigger=990, reduce_only=True), SENT_MS + 160)
    assert fills(venue.on_market(quote(SENT_MS + 300, 98.0, 98.1))) == []
    (fill,) = fills(venue.on_market(quote(SENT_MS + 310, 98.5, 98.6)))
    assert fill.client_order_id == "stop"


def test_a_bar_that_closed_before_the_arrival_tells_nothing_of_an_order() -> None:
    venue = make_venue(latency_ms=150)
    venue.on_market(bar(0, 99.0, 101.0, 100.0))
    venue.submit(order("entry", Side.BUY, 100), T0 + 120_000 - 100)
    assert fills(venue.on_market(bar(1, 99.0, 101.0, 100.0))) == []
    assert len(fills(venue.on_market(quote(T0 + 120_050, 100.0, 100.1)))) == 1


@pytest.mark.parametrize(("mode", "filled"), [("paper", 0), ("demo", 1)])
def test_only_paper_trading_is_late(mode: Mode, filled: int) -> None:
    settings = Settings(mode=mode, engine=EngineSettings(paper_latency_ms=150))
    venue = journalled_venue(INSTRUMENTS, settings).venue
    venue.on_market(bar(0, 99.0, 101.0, 100.0))
    venue.submit(order("entry", Side.BUY, 100), SENT_MS)
    assert len(fills(venue.on_market(quote(SENT_MS + 149, 99.9, 100.1)))) == filled
