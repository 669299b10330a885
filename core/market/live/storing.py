"""Stores what comes of streams, beside the market that tells it: who trades waits for no disk."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Sequence

from core.domain.errors import DataError, StorageError
from core.domain.stream import Observation
from core.ports import ObservationColumns, ObservationStore

log = logging.getLogger("quarterdeck.market")

ROOM = 20_000
"""So many observations wait to be written; what comes beyond them is lost, and told."""

BATCH_ROWS, BREATH_S = 100, 0.01
"""So many are written at a time: some milliseconds in which no bar can be; then bars have their turn."""

AGAIN_S = 5.0
"""So long after a failure it is tried again."""


class StoredBeside:
    """Implements core.ports.ObservationStore on a slower one: what is put is written by `run` soon after, in order, and
    what is read has all that was put before. While nothing can be written `report` is told why, and what waits is kept
    and tried again. `lost` counts by stream what there was no room for."""

    def __init__(self, store: ObservationStore, report: Callable[[str], None]) -> None:
        self._store = store
        self._report = report
        self._waiting: deque[Observation] = deque()
        self._stir = asyncio.Event()
        self._wrote = asyncio.Event()
        self._put = self._done = 0
        self.lost: Counter[str] = Counter()

    def put(self, observations: Sequence[Observation]) -> list[Observation]:
        """Those that there is room for. What is lost must not be told either: no history would have it."""
        found = list(observations[: max(0, ROOM - len(self._waiting))])
        self._waiting += found
        self._put += len(found)
        if len(found) < len(observations):
            self._lose(observations[len(found) :], "what comes waits for the disk")
        if found:
            self._stir.set()
        return found

    async def append(self, observations: Sequence[Observation]) -> None:
        """As `put`."""
        self.put(observations)

    async def observations(self, symbol: str, stream: str, from_ms: int, to_ms: int) -> ObservationColumns:
        put = self._put
        while self._done < put:
            self._wrote.clear()
            await self._wrote.wait()
        return await self._store.observations(symbol, stream, from_ms, to_ms)

    async def close(self) -> None:
        await self._store.close()

    async def run(self) -> None:
        """Write until canceled, and then what still waits."""
        try:
            while True:
                if not self._waiting:
                    self._stir.clear()
                    await self._stir.wait()
                try:
                    await self._write()
                except StorageError as error:
                    self._report(f"what comes of streams cannot be stored: {error}")
                    log.error("what comes of streams cannot be stored, %d rows wait: %s", len(self._waiting), error)
                    await asyncio.sleep(AGAIN_S)
                else:
                    self._report("")
                    await asyncio.sleep(BREATH_S)
        finally:
            await self._write_rest()

    async def _write(self) -> None:
        """The oldest that wait. Raises StorageError, and they wait on."""
        batch = [self._waiting[place] for place in range(min(BATCH_ROWS, len(self._waiting)))]
        try:
            await self._store.append(batch)
        except DataError as error:
            self._lose(batch, str(error))
        for _ in batch:
            self._waiting.popleft()
        self._done += len(batch)
        self._wrote.set()

    async def _write_rest(self) -> None:
        try:
            while self._waiting:
                await self._write()
        except StorageError as error:
            log.error("the last %d rows of streams could not be stored: %s", len(self._waiting), error)

    def _lose(self, observations: Sequence[Observation], why: str) -> None:
        for name, rows in Counter(one.stream for one in observations).items():
            before = self.lost[name]
            self.lost[name] += rows
            # Of many, ever fewer are told.
            if before.bit_length() != self.lost[name].bit_length():
                log.warning("%s: %d observations were lost so far: %s", name, self.lost[name], why)
