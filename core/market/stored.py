"""What a store tells of the market data in it. Times are integer UTC milliseconds."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

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


def longer(series: Series, interval_ms: int) -> Series | None:
    """What a series comes to in bars of `interval_ms`: itself, or between which times whole ones can be built of it;
    None where none can."""
    if interval_ms % series.interval_ms:
        return None
    first_ms, last_ms = -(-series.first_ms // interval_ms) * interval_ms, series.last_ms // interval_ms * interval_ms
    return replace(series, interval_ms=interval_ms, first_ms=first_ms, last_ms=last_ms) if first_ms < last_ms else None


def both(one: Series, other: Series) -> Series:
    """Two series of the same symbol and interval as one."""
    return replace(
        one,
        first_ms=min(one.first_ms, other.first_ms),
        last_ms=max(one.last_ms, other.last_ms),
        is_synthetic=one.is_synthetic or other.is_synthetic,
    )


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
