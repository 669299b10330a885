"""Streams beside the market that is traded: what came of them is told with what the market tells next, and stored
beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import replace

from core.domain.market import Bar, MarketBatch
from core.domain.stream import Observation
from core.exchange.connection.wire import Wire
from core.market.live.observing import WEIGHT_AN_HOUR, LiveStreams
from core.market.live.ration import Rationed
from core.market.live.storing import StoredBeside
from core.market.streams import stream
from core.ports import ObservationStore

HEALTH_PART, STORE_PART = "streams", "streams' store"


class StreamsBeside:
    """Implements what an engine's feed is given of `names` (`core.market.live.observing.live_names`). `run` beside the
    market keeps them; of those with the marks `followed` the market keeps the connection. `stored` is what is stored of
    them, read with all that was told.

    While a stream of events is not heard its silence says nothing, so that is reported as a problem of the market.
    """

    def __init__(
        self,
        wire: Wire,
        symbols: Sequence[str],
        names: Sequence[str],
        store: ObservationStore,
        *,
        followed: Collection[tuple[str, ...]] = (),
        stale_ms: int,
    ) -> None:
        self._health = wire.health
        self._live = LiveStreams(
            wire,
            symbols,
            names,
            reads=Rationed(wire, WEIGHT_AN_HOUR),
            stale_ms=stale_ms,
            followed=followed,
            changed=self._tell_health,
        )
        self._closes_ms: dict[str, int] = {}
        self.stored = StoredBeside(store, lambda problem: wire.health.report(STORE_PART, problem))

    async def run(self) -> None:
        """Until canceled; raises what ended it otherwise."""
        self._tell_health()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.stored.run())
            group.create_task(self._live.run())

    async def batches(self, market: AsyncIterator[MarketBatch]) -> AsyncIterator[MarketBatch]:
        """The market's, each with what was received before it. Nothing is awaited here but the market."""
        async for batch in market:
            observed = self.stored.put([self._told_now(one) for one in self._live.waiting()])
            self._closes_ms |= {e.symbol: e.close_time_ms for e in batch.events if isinstance(e, Bar)}
            yield replace(batch, observed=tuple(observed)) if observed else batch

    def _told_now(self, one: Observation) -> Observation:
        """What is told behind a bar was not known at its close, whatever our clock thought then."""
        close_ms = self._closes_ms.get(one.symbol, -1)
        return one if one.known_ms > close_ms else replace(one, known_ms=close_ms + 1)

    def _tell_health(self) -> None:
        deaf = [
            f"{name}: {one.problem}" for name, one in self._live.pushed.items() if one.problem and not _is_steady(name)
        ]
        self._health.report(HEALTH_PART, ", ".join(deaf))


def _is_steady(name: str) -> bool:
    return stream(name).is_steady
