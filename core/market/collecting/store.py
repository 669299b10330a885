"""What gathering needs of a store."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from core.domain.stream import Observation
from core.market.collecting.holes import Ints, MissedNumbers, Span
from core.ports import SettledFunding


@dataclass(frozen=True, slots=True)
class Listened:
    """A stream of events was heard without a break from one time to the other."""

    symbol: str
    stream: str
    from_ms: int
    to_ms: int


class CollectStore(Protocol):
    """Of one exchange's market. Rows are those that came live from it; all methods may raise StorageError."""

    async def append(
        self, observations: Sequence[Observation], listened: Sequence[Listened] = ()
    ) -> Mapping[tuple[str, str], int]:
        """All of it or nothing: how many were new, by symbol and stream. What is there already stays; a span that began
        before is made longer."""
        ...

    async def append_funding(self, rates: Sequence[SettledFunding]) -> int:
        """Those that are not stored; how many that were."""
        ...

    async def funding_until(self, symbol: str) -> int | None:
        """The time of the last settlement that is stored, from wherever it came."""
        ...

    async def missed_numbers(self, symbol: str, stream: str, from_ms: int) -> list[MissedNumbers]:
        """Between the rows since then, and the last one before."""
        ...

    async def last(self, symbol: str, stream: str) -> tuple[int, int] | None:
        """Time and number of the latest row."""
        ...

    async def times(self, symbol: str, stream: str, from_ms: int) -> Ints:
        """Of the rows since then, rising."""
        ...

    async def listened(self, symbol: str, stream: str, from_ms: int) -> list[Span]:
        """The spans that reach beyond that time."""
        ...

    async def forget(self, symbol: str, stream: str, before_ms: int, at_most: int = 5_000) -> int:
        """Take out so many of the oldest rows of before that time; how many it were. 0 where none is left."""
        ...

    async def rows(self, symbol: str, stream: str) -> int:
        """How many there are."""
        ...

    async def sources(self, symbol: str) -> Collection[str]:
        """The names of all that anything of a symbol came from."""
        ...

    async def close(self) -> None: ...


_ROW_BYTES = 36


def row_bytes(symbol: str, stream: str, fields: int) -> int:
    """About what a row takes on the disk, with what the database leaves free between rows of series that grow side by
    side."""
    return (len(symbol) + len(stream) + 8 * fields + _ROW_BYTES) * 8 // 5
