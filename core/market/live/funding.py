"""Funding as it is settled: asked for by REST shortly after the times at which the exchange settles it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence

from core.clock import Clock
from core.domain.errors import UnavailableError, VenueRejectedError
from core.domain.market import MINUTE_MS, FundingRate
from core.exchange.connection.wire import Wire
from core.market.live.fill import fill_funding
from core.ports import CandleStore
from core.trader.account import iso

log = logging.getLogger("quarterdeck.market")

HOUR_MS = 60 * MINUTE_MS
"""Every exchange settles on full hours: each 8, 4, 2 or 1 of them."""

HOLD_MS = 10_000
"""So long the first prices after a settlement wait for its rate, where simulated fills must come after it."""

_TRIES_MS = (2_000, 5_000, 10_000, 20_000, 40_000, 60_000, 120_000, 300_000)
_TRIES_UNANNOUNCED = 2
_LONGEST_SLEEP_MS = 60_000


class LiveFunding:
    """`settled` is told of new rates, each once. `hold(minute, until)` lets what follows a settlement wait for it."""

    def __init__(
        self,
        wire: Wire,
        candles: CandleStore,
        settled: Callable[[Iterable[FundingRate]], None],
        hold: Callable[[int, int], None],
    ) -> None:
        self._wire = wire
        self._candles = candles
        self._settled = settled
        self._hold = hold
        self._told: dict[str, int] = {}
        self._announced: dict[str, tuple[int, ...]] = {}
        self._scheduled_from: dict[str, int] = {}
        self._begun = asyncio.Event()

    def begin(self, told_ms: dict[str, int]) -> None:
        """Go on behind the minute up to which each symbol's funding was told."""
        self._told = dict(told_ms)
        self._begun.set()

    def announce(self, symbol: str, next_ms: int, now_ms: int) -> None:
        """The exchange says when it settles next."""
        times = self._announced.get(symbol, ())
        if next_ms not in times:
            self._announced[symbol] = (*times, next_ms)[-4:]
            self._scheduled_from.setdefault(symbol, now_ms)

    async def run(self) -> None:
        await self._begun.wait()
        hour_ms = self._wire.clock.now_ms() // HOUR_MS * HOUR_MS
        while True:
            if self._due(hour_ms):
                self._hold(hour_ms, hour_ms + HOLD_MS)
            await self._settle(hour_ms)
            hour_ms += HOUR_MS
            await sleep_until(self._wire.clock, hour_ms)

    def _due(self, hour_ms: int) -> list[str]:
        """Symbols whose funding of that hour was announced and is not told yet."""
        return [
            symbol
            for symbol, told_ms in self._told.items()
            if told_ms < hour_ms and hour_ms in self._announced.get(symbol, ())
        ]

    def _perhaps_due(self, hour_ms: int) -> list[str]:
        """Symbols of which no announcement tells whether that hour settles."""
        return [
            symbol
            for symbol, told_ms in self._told.items()
            if told_ms < hour_ms and self._scheduled_from.get(symbol, hour_ms) >= hour_ms
        ]

    async def _settle(self, hour_ms: int) -> None:
        for attempt, after_ms in enumerate(_TRIES_MS):
            asked = self._due(hour_ms)
            if attempt < _TRIES_UNANNOUNCED:
                asked += [symbol for symbol in self._perhaps_due(hour_ms) if symbol not in asked]
            if not asked:
                return
            await sleep_until(self._wire.clock, hour_ms + after_ms)
            await self._ask(asked)
            if not self._due(hour_ms):
                self._hold(hour_ms, 0)
        if late := self._due(hour_ms):
            log.warning("%s: the exchange does not tell the funding of %s", ", ".join(late), iso(hour_ms))

    async def _ask(self, symbols: Sequence[str]) -> None:
        for symbol in symbols:
            from_ms = self._told[symbol] + MINUTE_MS
            try:
                await fill_funding(self._wire, self._candles, symbol, from_ms)
            except (UnavailableError, VenueRejectedError) as error:
                log.warning("%s: its funding could not be asked for: %s", symbol, error)
                continue
            rates = await self._candles.funding(symbol, from_ms, self._wire.clock.now_ms() + 1)
            if rates:
                self._told[symbol] = max(rate.time_ms for rate in rates) // MINUTE_MS * MINUTE_MS
                self._settled(rates)


async def sleep_until(clock: Clock, time_ms: int) -> None:
    """Sleep to a time of a clock that may be set right meanwhile."""
    left_ms = time_ms - clock.now_ms()
    while left_ms > 0:
        await asyncio.sleep(min(left_ms, _LONGEST_SLEEP_MS) / 1_000)
        left_ms = time_ms - clock.now_ms()
