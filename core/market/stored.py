"""What a store tells of the market data in it. Times are integer UTC milliseconds."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from core.domain.rows import Row


@dataclass(frozen=True, slots=True)
class Series:
    """What is stored of one symbol and interval: `first_ms` opens its first bar, `last_ms` closes its last.

    `is_synthetic` is True where any of its candles was made up.
    """

    symbol: str
    interval_ms: int
    first_ms: int
    last_ms: int
    is_synthetic: bool


@dataclass(frozen=True, slots=True)
class ImportReport:
    """`rows` are the file's; `added` were new, `replaced` had other values before, `corrected` was a candle that was
    not finished in another file; the others were stored with the same values. `notes` are for the operator."""

    file: str
    kind: str
    symbol: str
    interval: str
    is_synthetic: bool
    first_ms: int
    last_ms: int
    rows: int
    added: int
    corrected: int
    replaced: int
    sha256: str
    notes: tuple[str, ...] = ()

    def as_dict(self) -> Row:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class DataRow:
    """What is stored of one symbol and interval from one source. Times are of the first and last row."""

    symbol: str
    kind: str
    interval: str
    first_ms: int
    last_ms: int
    rows: int
    source: str
    is_synthetic: bool
    sha256: str
    imported_ms: int
    note: str

    def as_dict(self) -> Row:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Deleted:
    """What was stored of one kind and interval of a symbol, and is no more. Times are of the first and last row."""

    symbol: str
    kind: str
    interval: str
    first_ms: int
    last_ms: int
    rows: int

    def as_dict(self) -> Row:
        return asdict(self)
