"""What `replay --verify` says of a simulated hour's journal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from core.domain.records import Record
from core.engine.starts import Start
from core.lab.replay.verify import verify
from core.trader.trader import Trader
from tests.simulation.process import ACCOUNT, Machine


class StoredRecords:
    """Implements core.lab.replay.verify.StoredJournal."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records

    @property
    def last_seq(self) -> int:
        return len(self._records)

    def records(self, first_seq: int, last_seq: int) -> Iterator[tuple[int, Record]]:
        yield from enumerate(self._records[first_seq - 1 : last_seq], first_seq)


async def unproved(machine: Machine) -> list[str]:
    """Where the journal and a fresh trader part, in words; nothing where they do not."""
    disk = machine.disk
    _, opened_ms = disk.meta["opening"]
    found = await verify(
        StoredRecords(disk.records),
        machine.candles,
        [Start(seq, rules) for seq, rules in sorted(disk.starts.items())],
        opened_ms,
        lambda rules: Trader(
            ACCOUNT,
            machine.strategy,
            rules.settings,
            rules.instruments,
            rules.retired,
            rules.id_form,
            machine.beside,
        ),
    )
    parted = found.first_difference
    if parted is None:
        return []
    return [f"replayed, record {parted.record} differs: the journal has {parted.journal}; the trader {parted.trader}"]
