"""An account as its journal left it, by the contract rules of today; and what a start keeps of its own."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.domain.instrument import Instrument
    from core.domain.records import Record
    from core.engine.assembly.stores import AccountJournal
    from core.engine.recovery import Remembered
    from core.engine.starts import Rules
    from core.trader.memory import TraderMemory

log = logging.getLogger("quarterdeck")

EXCHANGE = "exchange"
"""The journal's fact of where its account is; a demo has none."""

MARKET = "market"
"""The journal's fact of which stored market a demo trades."""


async def told_again(
    journal: AccountJournal, fresh: Mapping[str, Instrument]
) -> tuple[dict[str, Instrument], list[Record]]:
    """The contracts by which this account goes on, which take orders as `fresh` do, then those that it traded once, as
    it knew them last; and its records, counted by them.

    Raises RefusedError where a contract has become one in which what was done cannot be counted.
    """
    instruments = await _rules(journal, fresh)
    records = await journal.load(instruments)
    return _needed(instruments, records, fresh, await _coming_back(journal, fresh))


async def recalled(
    journal: AccountJournal, fresh: Mapping[str, Instrument]
) -> tuple[dict[str, Instrument], Remembered | None, list[Record]]:
    """As `told_again`, but with what the journal's checkpoint stands for in place of its records; None, and all of
    them, where it cannot be gone by."""
    instruments = await _rules(journal, fresh)
    remembered, records = await journal.recall(instruments)
    away = await _coming_back(journal, fresh)
    if remembered is not None and away:
        remembered, records = None, await journal.load(instruments)
    before = None if remembered is None else remembered.memory
    instruments, records = _needed(instruments, records, fresh, away, before)
    return instruments, remembered, records


def _needed(
    instruments: Mapping[str, Instrument],
    records: Sequence[Record],
    fresh: Collection[str],
    away: Collection[str],
    before: TraderMemory | None = None,
) -> tuple[dict[str, Instrument], list[Record]]:
    from core.market.replay.resuming import rejoining
    from core.trader.account import traded_symbols

    needed = traded_symbols(records, before).union(fresh)
    kept = {symbol: instrument for symbol, instrument in instruments.items() if symbol in needed}
    return kept, rejoining(records, away)


async def _rules(journal: AccountJournal, fresh: Mapping[str, Instrument]) -> dict[str, Instrument]:
    """Of every contract that is traded or was, in the ticks and lots of the account."""
    from core.domain.regrid import working

    eras = await journal.eras()
    known = await journal.instruments()
    rules = {**fresh, **{symbol: rule for symbol, rule in known.items() if symbol not in fresh}}
    return {symbol: working(instrument, eras.grids(symbol)) for symbol, instrument in rules.items()}


async def _coming_back(journal: AccountJournal, fresh: Mapping[str, Instrument]) -> set[str]:
    return (await journal.left_out()).intersection(fresh)


async def note_start(journal: AccountJournal, now_ms: int, rules: Rules) -> None:
    """Keep what a start trades by, and say in which contracts it takes orders otherwise than the last."""
    from core.engine.starts import changed_steps, start_meta
    from core.strategy.code_version import code_version

    before = await journal.instruments()
    for line in changed_steps(before, rules.instruments):
        log.warning("%s", line)
    first: dict[str, str] = {}
    if before and journal.last_seq and not await journal.has_starts():
        # Its records count by what is written over now; by which settings they were made, nobody knows any more.
        first = start_meta(0, now_ms, replace(rules, instruments=before))
    code = code_version(rules.settings.strategy)
    await journal.set_meta(first | start_meta(journal.last_seq, now_ms, rules, code))
    await journal.put_instruments(list(rules.instruments.values()))


async def change_rules(journal: AccountJournal, now_ms: int, rules: Rules) -> None:
    """Keep what a running engine trades by from now on."""
    from core.domain.regrid import factor, grid_of

    for symbol, before in (await journal.instruments()).items():
        now = rules.instruments.get(symbol, before)
        by = factor(symbol, grid_of(before), grid_of(now))
        if not by.is_one:
            await journal.count_finer(symbol, by)
    await note_start(journal, now_ms, rules)
