"""The random market for trying by hand."""

from __future__ import annotations

import random

from tests.venue.venue import BinanceVenue
from tests.venue.walk import RandomWalk

T0 = 1_780_000_020_000


def run(seed: int) -> tuple[BinanceVenue, list[list[str]]]:
    venue = BinanceVenue(["BTCUSDT", "SOLUSDT"])
    walk = RandomWalk(venue, ["BTCUSDT", "SOLUSDT"], random.Random(seed), history_minutes=100)
    walk.begin(T0)
    venue.place_external(T0, symbol="SOLUSDT", side="BUY", quantity="10")
    for step in range(600):
        walk.step(T0 + step * 1_000)
    end_ms = T0 + 9 * 3_600_000
    walk.step(end_ms)
    query = {"symbol": "BTCUSDT", "interval": "1m", "limit": "20"}
    return venue, venue.rest("GET", "/fapi/v1/klines", query, {}, T0 + 590_000).json()


def test_the_same_seed_gives_the_same_market_and_another_seed_another() -> None:
    (venue, rows), (_, same), (_, other) = run(7), run(7), run(8)
    assert rows == same != other
    assert len({row[4] for row in rows}) > 5
    assert len(venue.exchange.markets["BTCUSDT"].candles) == 100 + 9 * 60
    assert venue.ledger.funding_usdt < 0
