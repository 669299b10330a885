"""A random market to try things with: prices that wander, candles of the past, funding every eight hours."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from core.domain.market import MINUTE_MS, Bar
from tests.venue.market import FUNDING_INTERVAL_MS
from tests.venue.venue import BinanceVenue

START_PRICES = {"BTCUSDT": 95_000.0, "ETHUSDT": 3_200.0, "BNBUSDT": 900.0, "SOLUSDT": 160.0, "XRPUSDT": 2.2}
STEP_VOLATILITY = 0.00015
STEPS_PER_MINUTE = 120
VOLUME = (50.0, 500.0)


@dataclass
class RandomWalk:
    """Moves every symbol of a venue by a small random step each time it is asked to."""

    venue: BinanceVenue
    symbols: Sequence[str]
    random: random.Random
    history_minutes: int = 5_000
    prices: dict[str, float] = field(default_factory=dict)
    funded_ms: int = 0

    def begin(self, now_ms: int) -> None:
        """Give every symbol a past and a first price."""
        minute = now_ms - now_ms % MINUTE_MS
        self.funded_ms = now_ms - now_ms % FUNDING_INTERVAL_MS
        for symbol in self.symbols:
            self.prices[symbol] = START_PRICES.get(symbol, 10.0)
            start_ms = minute - self.history_minutes * MINUTE_MS
            bars = [self._bar(symbol, start_ms + n * MINUTE_MS) for n in range(self.history_minutes)]
            self.venue.load_history(symbol, bars)
            self._show(symbol, now_ms)

    def step(self, now_ms: int) -> None:
        for symbol in self.symbols:
            self._wander(symbol)
            self._show(symbol, now_ms)
        due_ms = now_ms - now_ms % FUNDING_INTERVAL_MS
        if due_ms > self.funded_ms:
            self.funded_ms = due_ms
            for symbol in self.symbols:
                self.venue.fund(symbol, "0.0001", self.venue.exchange.markets[symbol].mark, now_ms)
        self.venue.advance(now_ms)

    def _wander(self, symbol: str) -> float:
        self.prices[symbol] *= 1.0 + self.random.gauss(0.0, STEP_VOLATILITY)
        return self.prices[symbol]

    def _bar(self, symbol: str, open_ms: int) -> Bar:
        path = [self.prices[symbol], *(self._wander(symbol) for _ in range(20))]
        volume = self.random.uniform(*VOLUME)
        return Bar(symbol, open_ms, MINUTE_MS, path[0], max(path), min(path), path[-1], volume)

    def _show(self, symbol: str, now_ms: int) -> None:
        contract = self.venue.exchange.contracts[symbol]
        bid = contract.nearest_ticks(self.prices[symbol])
        qty = contract.qty(self.random.randrange(200, 5_000))
        prices = contract.price(bid), contract.price(bid + 1)
        volume = self.random.uniform(*VOLUME) / STEPS_PER_MINUTE
        self.venue.set_book(symbol, *prices, now_ms, bid_qty=qty, ask_qty=qty, volume=volume)
