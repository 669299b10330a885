"""Keeps a journal from growing with every year: what nobody reads any more is forgotten, a little at a time."""

from __future__ import annotations

import asyncio
from typing import Protocol

from core.clock import Clock

KEEP_MS = 90 * 86_400_000
"""So long every record is kept. Of older ones, those of trainings go; see `docs/operating.md`."""

_PIECE = 200
_PAUSE_S = 0.25
_AGAIN_S = 3_600.0


class AgingJournal(Protocol):
    async def age_out(self, before_ms: int, at_most: int) -> int:
        """Forget so many of the oldest records of trainings that were asked for before then; how many there were."""
        ...


async def keep_short(journal: AgingJournal, clock: Clock, pause_s: float = _PAUSE_S) -> None:
    """Forget what is older than KEEP_MS, in pieces that no commit has to wait long for, until canceled."""
    while True:
        gone = await journal.age_out(clock.now_ms() - KEEP_MS, _PIECE)
        await asyncio.sleep(pause_s if gone else _AGAIN_S)
