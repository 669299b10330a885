"""Keeps a start from growing with every year: what nobody reads any more is forgotten, a little at a time, and a
checkpoint stands for what was told long ago."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from core.clock import Clock
from core.trader.trader import Trader

KEEP_MS = 90 * 86_400_000
"""So long every record is kept. Of older ones, those of trainings go; see `docs/operating.md`."""

_PIECE = 200
_PAUSE_S = 0.25
_AGAIN_S = 3_600.0

CHECKPOINT_RECORDS = 5_000
"""So many records behind a checkpoint, the next is made."""

_LOOK_S = 30.0


class AgingJournal(Protocol):
    async def age_out(self, before_ms: int, at_most: int) -> int:
        """Forget so many of the oldest records of trainings that were asked for before then; how many there were."""
        ...


async def keep_short(journal: AgingJournal, clock: Clock, pause_s: float = _PAUSE_S) -> None:
    """Forget what is older than KEEP_MS, in pieces that no commit has to wait long for, until canceled."""
    while True:
        gone = await journal.age_out(clock.now_ms() - KEEP_MS, _PIECE)
        await asyncio.sleep(pause_s if gone else _AGAIN_S)


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
