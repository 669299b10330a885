"""What the streams of a live market did not bring in time, read by REST."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress

from core.domain.errors import UnavailableError, VenueBusyError, VenueRejectedError
from core.domain.market import Bar
from core.exchange.connection.wire import Wire
from core.market.live.bars import FRESH_MS, LiveBars
from core.market.live.fill import PAGE_BARS, exchange_time, read_candles
from core.market.live.quotes import AHEAD_MS
from core.market.live.rows import SETTLED_MS, bar_of, bars_of, is_past
from core.trader.account import iso

log = logging.getLogger("quarterdeck.market")

_READS_AT_ONCE = 4
_FIRST_RETRY_MS = 1_000
_URGENT_RETRY_MS = 2_000
_MAX_RETRY_MS = 30_000
_HOLE_CONFIRMED_MS = 5_000
_SHORTEST_WAIT_MS = 500
_LONGEST_WAIT_MS = 5_000


class LiveReader:
    """Reads what `bars` wants, which are of `interval_ms`; `changed` is called after each answer. `stir` makes it look
    at once.

    `brought` counts the bars that it, not a stream, was the first to bring.
    """

    def __init__(
        self, wire: Wire, bars: LiveBars, symbols: Sequence[str], changed: Callable[[], None], interval_ms: int
    ) -> None:
        self._wire = wire
        self._clock = wire.clock
        self._bars = bars
        self._symbols = symbols
        self._changed = changed
        self._interval_ms = interval_ms
        self._newest: dict[str, Bar] = {}
        self._probed = 0
        self._problem = ""
        self._retry: dict[str, tuple[int, int]] = {}
        self._holes: dict[str, tuple[int, int]] = {}
        self.stir = asyncio.Event()
        self.brought = 0

    def heard(self, bar: Bar) -> None:
        """The newest candle that a stream told of a symbol."""
        self._newest[bar.symbol] = bar

    async def nothing_new(self) -> bool:
        """Whether REST shows nothing of the next symbol in turn that a silent stream has not told."""
        symbol = self._symbols[self._probed % len(self._symbols)]
        self._probed += 1
        heard = self._newest.get(symbol)
        if heard is None:
            return False
        try:
            rows = await read_candles(self._wire, symbol, heard.open_time_ms, 5, self._interval_ms)
        except (UnavailableError, VenueRejectedError):
            return False
        shown = [bar for row in rows if (bar := bar_of(symbol, row, self._interval_ms)) is not None]
        return all(bar.volume == 0 or bar == heard for bar in shown)

    async def run(self, streams_are_live: Callable[[], bool], looked: Callable[[], None]) -> None:
        """Read until canceled. `looked` is called after each round, whether there was something to read or not."""
        while True:
            self.stir.clear()
            now_ms = self._clock.now_ms()
            wanted = self._bars.wanted(now_ms, first_prices=not streams_are_live())
            self._retry = {symbol: self._retry[symbol] for symbol, _ in wanted if symbol in self._retry}
            due = [(symbol, from_ms) for symbol, from_ms in wanted if self._retry.get(symbol, (0, 0))[0] <= now_ms]
            for start in range(0, len(due), _READS_AT_ONCE):
                async with asyncio.TaskGroup() as group:
                    for symbol, from_ms in due[start : start + _READS_AT_ONCE]:
                        group.create_task(self._read(symbol, from_ms))
            looked()
            if not due:
                now_ms = self._clock.now_ms()
                retries = [retry_ms for retry_ms, _ in self._retry.values()]
                wake_ms = min([now_ms + _LONGEST_WAIT_MS, self._bars.wake_ms(now_ms), *retries])
                await wait(self.stir, max(wake_ms - now_ms, _SHORTEST_WAIT_MS))

    async def _read(self, symbol: str, from_ms: int) -> None:
        asked_ms = self._clock.now_ms()
        limit = min(PAGE_BARS, max(asked_ms - from_ms, 0) // self._interval_ms + 3)
        try:
            is_overdue = asked_ms >= from_ms + self._interval_ms + SETTLED_MS
            exchange_ms = await exchange_time(self._wire) if is_overdue else None
            rows = await read_candles(self._wire, symbol, from_ms, limit, self._interval_ms)
        except VenueBusyError as error:
            self._retry[symbol] = (error.retry_ms, _MAX_RETRY_MS)
            return
        except (UnavailableError, VenueRejectedError) as error:
            self._put_off(symbol, from_ms)
            if self._problem != str(error):
                self._problem = str(error)
                log.warning("%s: the bars from %s cannot be read: %s", symbol, iso(from_ms), error)
            return
        self._problem = ""
        rows = [row for row in rows if is_past(row, self._clock.now_ms() + AHEAD_MS)]
        closed, still_open = bars_of(symbol, rows, exchange_ms, self._interval_ms)
        self.brought += sum(self._bars.closed(bar) for bar in closed if bar.open_time_ms >= from_ms)
        if still_open is not None:
            self._bars.opened(still_open, self._clock.now_ms())
        is_shown = any(bar.open_time_ms == from_ms for bar in (*closed, still_open) if bar is not None)
        self._look_for_hole(symbol, from_ms, asked_ms, is_shown=is_shown)
        self._put_off(symbol, from_ms)
        self._changed()

    def _look_for_hole(self, symbol: str, from_ms: int, asked_ms: int, *, is_shown: bool) -> None:
        """Go on behind bars that two answers, some seconds apart, do not have although they have later ones."""
        seen_ms, since_ms = self._holes.get(symbol, (-1, 0))
        if is_shown or asked_ms < from_ms + self._interval_ms:
            self._holes.pop(symbol, None)
        elif seen_ms != from_ms:
            self._holes[symbol] = (from_ms, asked_ms)
        elif asked_ms - since_ms >= _HOLE_CONFIRMED_MS and (hole := self._bars.skip(symbol)) is not None:
            log.warning("%s: the exchange has no bars from %s to %s", symbol, iso(hole[0]), iso(hole[1]))
            del self._holes[symbol]

    def _put_off(self, symbol: str, from_ms: int) -> None:
        """Ask for a symbol again only after a while, a longer one once its bar is too old to be decided on."""
        now_ms = self._clock.now_ms()
        waited_ms = self._retry.get(symbol, (0, _FIRST_RETRY_MS // 2))[1]
        is_urgent = now_ms - from_ms - self._interval_ms <= FRESH_MS
        wait_ms = min(2 * waited_ms, _URGENT_RETRY_MS if is_urgent else _MAX_RETRY_MS)
        self._retry[symbol] = (now_ms + wait_ms, wait_ms)


async def wait(event: asyncio.Event, timeout_ms: int) -> None:
    """Return when `event` is set or the time is over."""
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_ms / 1_000):
            await event.wait()
