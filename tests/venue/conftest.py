"""A venue on loopback and a genuine ccxt.pro client that talks to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import ccxt.pro
import pytest

from tests.venue.client import make_client
from tests.venue.server import VenueServer
from tests.venue.venue import BinanceVenue

START_MS = 1_780_000_020_000


@dataclass
class ManualClock:
    """Time that the test moves."""

    time_ms: int = START_MS

    def now_ms(self) -> int:
        return self.time_ms

    def pass_ms(self, span_ms: int) -> int:
        self.time_ms += span_ms
        return self.time_ms


@dataclass
class Desk:
    """All that a test of the wire needs."""

    venue: BinanceVenue
    server: VenueServer
    client: ccxt.pro.binanceusdm
    clock: ManualClock

    @property
    def now_ms(self) -> int:
        return self.clock.time_ms


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    clock = ManualClock()
    venue = BinanceVenue(["BTCUSDT", "ETHUSDT", "SOLUSDT"], start_ms=START_MS)
    venue.set_book("BTCUSDT", "50000.0", "50000.1", START_MS)
    venue.set_book("ETHUSDT", "3000.00", "3000.01", START_MS)
    async with VenueServer(venue, clock.now_ms) as server:
        client = make_client(server.base_url, clock.now_ms)
        try:
            yield Desk(venue, server, client, clock)
        finally:
            await client.close()
