"""What an exchange tells when it is asked: rows of periods that are over, and funding as it was settled."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial

from core.domain.errors import DataError, RejectKind, UnavailableError, VenueRejectedError
from core.domain.stream import Observation, Stream
from core.exchange.connection.wire import Reads
from core.exchange.markets.observed import History, Numbered
from core.market.intervals import interval_text
from core.market.live.fill import funding_pages
from core.market.live.funding import HOUR_MS, sleep_until
from core.market.live.told import rows_read
from core.ports import SettledFunding

log = logging.getLogger("quarterdeck.market")

Refuse = Callable[[DataError], None]

_FIRST_MS = 5_000
"""So long after the end of a period its row is asked for first."""

_AGAIN_MS = (10_000, 20_000, 40_000, 60_000)
_SETTLED_MS = (20_000, 300_000)
"""So long after a full hour what was settled then is asked for: all at once, and what came late."""


async def history_pages(
    reads: Reads, history: History, its: Stream, symbol: str, from_ms: int, to_ms: int, refuse: Refuse
) -> AsyncIterator[list[Observation]]:
    """Rows of the periods that begin in [from_ms, to_ms), as answers hold them; a page may be empty. Raises
    UnavailableError, VenueRejectedError."""
    unified, period_ms = reads.unified(symbol), its.period_ms
    while from_ms < to_ms:
        end_ms = min(to_ms, from_ms + history.page * period_ms)
        answer = await history.ask(reads, unified, interval_text(period_ms), from_ms, end_ms)
        rows = [partial(history.read, unified, row) for row in answer]
        found = rows_read(symbol, its, rows, reads.clock.now_ms(), refuse)
        found = sorted((one for one in found if from_ms <= one.time_ms < end_ms), key=lambda one: one.time_ms)
        yield found
        from_ms = end_ms


async def numbered_pages(
    reads: Reads, numbered: Numbered, its: Stream, symbol: str, first: int, last: int, refuse: Refuse
) -> AsyncIterator[list[Observation]]:
    """Rows of the numbers first to last, as answers hold them, until there is no more of them. Raises UnavailableError,
    VenueRejectedError."""
    unified = reads.unified(symbol)
    while first <= last:
        answer = await numbered.ask(reads, unified, first)
        rows = [partial(numbered.read, unified, row) for row in answer]
        found = rows_read(symbol, its, rows, reads.clock.now_ms(), refuse)
        found = sorted((one for one in found if first <= one.number <= last), key=lambda one: one.number)
        if not found:
            return
        yield found
        first = found[-1].number + 1


class HistoryPoll:
    """One stream of periods: of each symbol the row that follows what was told, asked for when its period is over and
    again until it is there. `put` is given the rows."""

    def __init__(
        self,
        reads: Reads,
        history: History,
        its: Stream,
        symbols: Sequence[str],
        put: Callable[[Sequence[Observation]], None],
        refuse: Refuse,
    ) -> None:
        self._reads = reads
        self._history = history
        self._its = its
        self._put = put
        self._refuse = refuse
        over_ms = self._over_ms()
        self._next = dict.fromkeys(symbols, over_ms - its.period_ms)
        self._problem = ""

    async def run(self) -> None:
        """Until canceled; returns only where the exchange does not offer it."""
        misses = 0
        while True:
            for symbol in self._due():
                if not await self._ask(symbol):
                    return
            if self._due():
                await asyncio.sleep(_AGAIN_MS[min(misses, len(_AGAIN_MS) - 1)] / 1_000)
                misses += 1
                continue
            misses = 0
            await sleep_until(self._reads.clock, min(self._next.values()) + self._its.period_ms + _FIRST_MS)

    def _over_ms(self) -> int:
        """Until when all periods are over, with some time for their rows."""
        return (self._reads.clock.now_ms() - _FIRST_MS) // self._its.period_ms * self._its.period_ms

    def _due(self) -> list[str]:
        over_ms = self._over_ms()
        return [symbol for symbol, next_ms in self._next.items() if next_ms < over_ms]

    async def _ask(self, symbol: str) -> bool:
        """Whether to ask again some time."""
        over_ms = self._over_ms()
        from_ms = max(self._next[symbol], over_ms - self._history.reach_ms)
        try:
            pages = history_pages(self._reads, self._history, self._its, symbol, from_ms, over_ms, self._refuse)
            async for rows in pages:
                if rows:
                    self._put(rows)
                    self._next[symbol] = rows[-1].time_ms + self._its.period_ms
        except (UnavailableError, VenueRejectedError) as error:
            if self._problem != str(error):
                self._problem = str(error)
                log.warning("%s: %s cannot be asked for: %s", symbol, self._its.name, error)
            return not is_not_offered(error)
        self._problem = ""
        return True


class FundingPoll:
    """Funding as it was settled, asked for after each full hour. `settled` is given the news of a symbol, once."""

    def __init__(
        self, reads: Reads, told_ms: Mapping[str, int], settled: Callable[[list[SettledFunding]], Awaitable[None]]
    ) -> None:
        """`told_ms`: until when each symbol's is known."""
        self._reads = reads
        self._told = dict(told_ms)
        self._settled = settled

    async def run(self) -> None:
        """Until canceled."""
        clock = self._reads.clock
        hour_ms = clock.now_ms() // HOUR_MS * HOUR_MS
        while True:
            for after_ms in _SETTLED_MS:
                await sleep_until(clock, hour_ms + after_ms)
                for symbol in self._told:
                    await self._ask(symbol)
            hour_ms = max(hour_ms + HOUR_MS, clock.now_ms() // HOUR_MS * HOUR_MS)

    async def _ask(self, symbol: str) -> None:
        try:
            async for rates in funding_pages(self._reads, symbol, self._told[symbol] + 1):
                if rates:
                    await self._settled(rates)
                    self._told[symbol] = max(rate.time_ms for rate in rates)
        except (UnavailableError, VenueRejectedError) as error:
            log.warning("%s: its funding could not be asked for: %s", symbol, error)


def is_not_offered(error: Exception) -> bool:
    return isinstance(error, VenueRejectedError) and error.kind is RejectKind.NOT_SUPPORTED
