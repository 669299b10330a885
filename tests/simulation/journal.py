"""A journal in memory that keeps what was committed, and nothing else, beyond the end of a process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from core.domain.instrument import Instrument
from core.domain.records import CursorRecord, Record
from core.domain.regrid import Era, Eras, carried, grid_of, working
from core.engine.starts import Rules
from core.market.replay.resuming import rejoining
from core.trader.account import traded_symbols
from tests.journal_rules import JournalRules

COMMIT_S = 0.0005


class Disk:
    """What outlives a process. Without `keeps` only the number of records does, for a run that is never restarted.
    `starts` are the rules of each life, by the number of records before it."""

    def __init__(self, *, keeps: bool = True) -> None:
        self.keeps = keeps
        self.written = 0
        self.records: list[Record] = []
        self.meta: dict[str, Any] = {}
        self.starts: dict[int, Rules] = {}
        self.observers: list[Callable[[Sequence[Record]], None]] = []
        self.eras: list[Era] = []
        self.instruments: dict[str, Instrument] = {}
        self.rules = JournalRules()

    def told_again(self, fresh: Mapping[str, Instrument]) -> tuple[dict[str, Instrument], list[Record]]:
        """The contracts of a start that takes orders as `fresh` do, and the records, counted by them; see
        `core.engine.assembly.account.told_again`."""
        eras, needed = Eras(self.eras), traded_symbols(self.records).union(fresh)
        rules = {symbol: known for symbol, known in {**self.instruments, **fresh}.items() if symbol in needed}
        instruments = {symbol: working(instrument, eras.grids(symbol)) for symbol, instrument in rules.items()}
        records = carried(enumerate(self.records, 1), eras, instruments)
        self.begin(instruments)
        away = self.left_out().intersection(fresh)
        return instruments, rejoining(records, away)

    def left_out(self) -> set[str]:
        """As `SqliteJournal.left_out` has it."""
        newest = {r.symbol: place for place, r in enumerate(self.records, 1) if isinstance(r, CursorRecord)}
        return {
            symbol
            for symbol, place in newest.items()
            if any(seq >= place and symbol not in rules.settings.market.symbols for seq, rules in self.starts.items())
        }

    def begin(self, instruments: Mapping[str, Instrument]) -> None:
        """What is written from now on counts as `instruments` do."""
        self.instruments.update(instruments)
        grids = {symbol: grid_of(instrument) for symbol, instrument in instruments.items()}
        self.eras = [era for era in self.eras if era.seq < len(self.records)] + [Era(len(self.records), grids)]

    async def change_rules(self, instruments: Mapping[str, Instrument]) -> None:
        """See `core.engine.assembly.account.change_rules`."""
        self.begin(instruments)


class MemoryJournal:
    """Implements core.ports.Journal, and refuses what the database does. A process that ends before the middle of a
    commit leaves nothing of it, after it the whole of it."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._lock = asyncio.Lock()

    async def commit(self, records: Sequence[Record]) -> None:
        async with self._lock:
            await asyncio.sleep(COMMIT_S)
            if self._disk.keeps:
                self._disk.rules.take(records)
            self._disk.written += len(records)
            if self._disk.keeps:
                self._disk.records += records
            for observe in self._disk.observers:
                observe(records)
            await asyncio.sleep(0)

    async def load(self) -> list[Record]:
        return list(self._disk.records)
