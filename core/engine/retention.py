"""Keeps a start from growing with every year: what nobody reads any more is forgotten, a little at a time, and a
checkpoint stands for what was told long ago."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from core.clock import Clock
from core.domain.errors import StorageError
from core.engine.session import history_bars
from core.market.forgetting import keep_for
from core.market.streams import stream
from core.settings.schema import Settings
from core.strategy.declaration import Strategy
from core.trader.trader import Trader

log = logging.getLogger("quarterdeck.engine")

_DAY_MS = 86_400_000

KEEP_MS = 90 * _DAY_MS
"""So long every record is kept. Of older ones, those of trainings go; see `docs/operating.md`."""

_PIECE = 200
_PAUSE_S = 0.25
_AGAIN_S = 3_600.0

STREAM_ROWS = 500
"""So many rows of streams go at a time: some milliseconds in which no bar can be stored."""

CHECKPOINT_RECORDS = 5_000
"""So many records behind a checkpoint, the next is made."""

_LOOK_S = 30.0


class AgingJournal(Protocol):
    async def age_out(self, before_ms: int, at_most: int) -> int:
        """Forget so many of the oldest records of trainings that were asked for before then; how many there were."""
        ...


class ForgettingStore(Protocol):
    async def forget(self, symbol: str, stream: str, before_ms: int, at_most: int) -> int:
        """Take out so many rows that came live, the oldest of before a time: how many it were."""
        ...


async def keep_short(journal: AgingJournal, clock: Clock, pause_s: float = _PAUSE_S) -> None:
    """Forget what is older than KEEP_MS, in pieces that no commit has to wait long for, until canceled."""
    while True:
        gone = await journal.age_out(clock.now_ms() - KEEP_MS, _PIECE)
        await asyncio.sleep(pause_s if gone else _AGAIN_S)


def streams_kept_ms(settings: Settings, strategy: Strategy, names: Sequence[str]) -> dict[str, int]:
    """By stream, how long what came of it is kept, as `[collect]` says, but as long as a start reads it; none of what
    is kept for ever."""
    read_ms = history_bars(strategy, settings) * settings.market.interval_ms
    days = {name: settings.collect.keep_days(name.partition(".")[0]) for name in names}
    return {
        name: max(its_days * _DAY_MS, read_ms + stream(name).max_age_ms) for name, its_days in days.items() if its_days
    }


async def keep_streams(
    store: ForgettingStore, symbols: Sequence[str], keep_ms: Mapping[str, int], clock: Clock, pause_s: float = _PAUSE_S
) -> None:
    """Take out what came of streams and is older than it is kept, in pieces that no bar has to wait long for, until
    canceled. What cannot be taken out now is tried again an hour later."""

    async def forget(symbol: str, name: str, before_ms: int) -> int:
        try:
            return await store.forget(symbol, name, before_ms, STREAM_ROWS)
        except StorageError as error:
            log.warning("%s: old rows of %s stay for now: %s", symbol, name, error)
            return 0

    def told(symbol: str, name: str, gone: int) -> None:
        log.debug("%s: %d rows of %s are kept no longer", symbol, gone, name)

    await keep_for(forget, symbols, keep_ms, clock.now_ms, lambda: asyncio.sleep(pause_s), told)


class CheckpointedJournal(Protocol):
    @property
    def last_seq(self) -> int: ...

    async def checkpoint_seq(self) -> int:
        """How many records the checkpoint stands for; 0 without one."""
        ...

    async def renew_checkpoint(self, build: Callable[[], Trader]) -> None: ...


async def keep_checkpoint(journal: CheckpointedJournal, build: Callable[[], Trader]) -> None:
    """Renew the checkpoint whenever enough lies behind it, until canceled. `build` makes a new trader as it is now."""
    while True:
        await asyncio.sleep(_LOOK_S)
        if journal.last_seq - await journal.checkpoint_seq() >= CHECKPOINT_RECORDS:
            await journal.renew_checkpoint(build)
