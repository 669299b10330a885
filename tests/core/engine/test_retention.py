"""A journal is kept short in pieces, and what is young stays."""

from __future__ import annotations

import asyncio

from core.engine.retention import KEEP_MS, keep_short

NOW_MS = 2 * KEEP_MS


class Old:
    """So many records to age; notes what it was asked."""

    def __init__(self, records: int) -> None:
        self.records = records
        self.asked: list[tuple[int, int]] = []
        self.is_done = asyncio.Event()

    async def age_out(self, before_ms: int, at_most: int) -> int:
        self.asked.append((before_ms, at_most))
        gone = min(self.records, at_most)
        self.records -= gone
        if not gone:
            self.is_done.set()
        return gone


class StillClock:
    def now_ms(self) -> int:
        return NOW_MS

    def steady_ms(self) -> int:
        return NOW_MS


async def test_it_forgets_piece_by_piece_what_is_older_than_it_keeps() -> None:
    journal = Old(450)
    keeping = asyncio.ensure_future(keep_short(journal, StillClock(), pause_s=0.0))
    await journal.is_done.wait()
    keeping.cancel()
    assert journal.records == 0
    assert {before_ms for before_ms, _ in journal.asked} == {NOW_MS - KEEP_MS}
    assert len(journal.asked) > 2  # A commit gets its turn between two pieces.
