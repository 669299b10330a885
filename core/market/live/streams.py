"""One public stream of ccxt.pro kept alive: awaited, watched on the exchange's own times, cut and opened again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from core.clock import Clock
from core.domain.errors import UnavailableError
from core.market.live.quotes import AHEAD_MS

log = logging.getLogger("quarterdeck.market")

_CLOSE_SECONDS = 2.0
_MAX_BACKOFF_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """What a stream is to this house.

    `marks` are beginnings of ccxt's message hashes by which its connection is found. Each of `watches` awaits the next
    event. `read` takes over ccxt's cache and returns the exchange's time of the newest news, None before any.
    After an event it is not awaited for `pause_seconds`: what comes meanwhile waits in the cache.
    `is_quiet` asks the exchange whether a silent stream has really nothing to say. `needed`: whether the market counts
    as stale without it.
    """

    name: str
    marks: tuple[str, ...]
    watches: Sequence[Callable[[], Awaitable[Any]]]
    read: Callable[[], int | None]
    pause_seconds: float
    is_quiet: Callable[[], Awaitable[bool]] | None = None
    needed: Literal["always", "once heard", "never"] = "never"


class Stream:
    """`problem` says why the stream is not live now; empty while it is. `changed` is called when it changes."""

    def __init__(self, plan: StreamPlan, client: Any, clock: Clock, stale_ms: int, changed: Callable[[], None]) -> None:
        self._plan = plan
        self._client = client
        self._clock = clock
        self._stale_ms = stale_ms
        self._changed = changed
        self._failures = 0
        self._vouched_ms = 0
        self.news_ms: int | None = None
        self.problem = "not opened yet"
        self.cuts = 0

    @property
    def name(self) -> str:
        return self._plan.name

    @property
    def heard_until_ms(self) -> int | None:
        """Until when nothing was missed since the stream was opened last; None while it is not live."""
        return None if self.problem else self._vouched_ms

    def alarm(self) -> str:
        """What makes the market stale, in a few words; empty where nothing does."""
        needed = self._plan.needed
        return self.problem if needed == "always" or (needed == "once heard" and self.news_ms is not None) else ""

    async def run(self) -> None:
        """Follow the stream until canceled; returns only where the exchange has no such stream."""
        while True:
            try:
                reason = await self._follow()
            except _NotOfferedError as error:
                log.warning("%s are not offered by this exchange's streams: %s", self._plan.name, error)
                self._tell("not offered")
                return
            self._failures += 1
            self.cuts += 1
            if self.problem != reason:
                log.warning("the stream of %s is cut and opened again: %s", self._plan.name, reason)
            self._tell(reason)
            await cut(self._client, self._plan.marks)
            await asyncio.sleep(min(_MAX_BACKOFF_SECONDS, 0.25 * 2.0 ** min(self._failures, 10)))

    async def _follow(self) -> str:
        """Await events until the stream fails or stalls; the reason in a few words."""
        self._vouched_ms = self._clock.now_ms()
        waiting: dict[asyncio.Future[Any], Callable[[], Awaitable[Any]]] = {}
        resting = list(self._plan.watches)
        try:
            while True:
                for watch in resting:
                    waiting[asyncio.ensure_future(watch())] = watch
                done, _ = await asyncio.wait(
                    waiting, timeout=self._stale_ms / 4_000, return_when=asyncio.FIRST_COMPLETED
                )
                resting = [waiting.pop(future) for future in done]
                failure = next((text for future in done if (text := _failure(future))), "")
                if failure := failure or self._note():
                    return failure
                if self._is_silent() and not await self._is_quiet():
                    return f"no news for {(self._clock.now_ms() - self._vouched_ms) // 1_000} s"
                if done:
                    await asyncio.sleep(self._plan.pause_seconds)
        finally:
            for future in waiting:
                future.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    def _note(self) -> str:
        """Take over what came; why it cannot be read, empty where it can."""
        try:
            newest_ms = self._plan.read()
        except (TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
            return f"what it says cannot be read: {type(error).__name__}: {error}"
        if newest_ms is None or newest_ms > self._clock.now_ms() + AHEAD_MS:
            return ""
        self.news_ms = max(newest_ms, self.news_ms or newest_ms)
        if self.news_ms > self._vouched_ms:
            self._vouched_ms = self.news_ms
            self._failures = 0
            if not self._is_silent():
                self._tell("")
        return ""

    def _is_silent(self) -> bool:
        return self._clock.now_ms() - self._vouched_ms > self._stale_ms

    async def _is_quiet(self) -> bool:
        if self._plan.is_quiet is None or not await self._plan.is_quiet():
            # It may have spoken while the exchange was asked.
            self._note()
            return not self._is_silent()
        self._vouched_ms = self._clock.now_ms()
        self._tell("")
        return True

    def _tell(self, problem: str) -> None:
        if problem == self.problem:
            return
        if not problem:
            log.info("the stream of %s is live", self._plan.name)
        self.problem = problem
        self._changed()


async def cut(client: Any, marks: tuple[str, ...]) -> None:
    """Close the connections of ccxt.pro that carry such subscriptions, whatever state they are in.

    ccxt would keep one that it does not know to be dead, and its next `watch_...` would wait on it for ever.
    """
    for url, connection in list(client.clients.items()):
        if not any(str(name).startswith(marks) for name in [*connection.subscriptions, *connection.futures]):
            continue
        del client.clients[url]
        # With an error set, the end of this connection does not take the next one of the same address with it.
        connection.error = UnavailableError("cut: no news")
        waiting = list(connection.futures.values())
        connection.reject(connection.error)
        for future in waiting:
            if future.done() and not future.cancelled():
                future.exception()  # Nobody may be waiting for it any more, and that is no error.
        closing = asyncio.ensure_future(connection.close())
        await asyncio.wait({closing}, timeout=_CLOSE_SECONDS)
        if not closing.done():
            closing.cancel()
        elif not closing.cancelled() and closing.exception() is not None:
            log.debug("closing %s: %s", url, closing.exception())


class _NotOfferedError(Exception):
    """ccxt does not have this stream for this exchange."""


def _failure(future: asyncio.Future[Any]) -> str:
    """Why a watch failed, in one line; empty where it did not. Raises _NotOfferedError."""
    if future.cancelled():
        return "the connection was closed"
    error = future.exception()
    if error is None:
        return ""
    # ccxt takes half a second to import; by name its error is known without.
    if type(error).__name__ == "NotSupported":
        raise _NotOfferedError(str(error))
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
