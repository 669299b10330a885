"""What a zip of an archive holds: rows of the symbol, the interval and the period that were asked for, or nothing."""

from __future__ import annotations

from pathlib import Path

from core.domain.errors import DataError
from core.home.memory_limit import IMPORT_MEMORY_BYTES, memory_limit
from core.market.fetch.plan import ArchiveFile
from core.market.importing import CandleFile, FundingFile, ObservedFile, read_market_file
from core.market.intervals import interval_text
from core.market.kinds import CANDLES, FUNDING


def read_candles(packed: Path, file: ArchiveFile, symbol: str, interval_ms: int, kind: str = CANDLES) -> CandleFile:
    """Raises DataError for a zip that holds anything but candles of the period of `file`."""
    found = _read(packed, symbol, interval_text(interval_ms), kind)
    if not isinstance(found, CandleFile):
        raise DataError(f"{packed.name}: holds no candles; nothing was imported")
    times = found.bars.open_time_ms
    _check_period(packed, file, int(times[0]), int(times[-1]))
    return found


def read_funding(packed: Path, file: ArchiveFile, symbol: str) -> FundingFile:
    """The same of funding rates."""
    found = _read(packed, symbol, None, FUNDING)
    if not isinstance(found, FundingFile):
        raise DataError(f"{packed.name}: holds no funding rates; nothing was imported")
    _check_period(packed, file, int(found.time_ms[0]), int(found.time_ms[-1]))
    return found


def _read(packed: Path, symbol: str, interval: str | None, kind: str) -> CandleFile | FundingFile | ObservedFile:
    with memory_limit(IMPORT_MEMORY_BYTES):
        return read_market_file(packed, symbol=symbol, interval=interval, kind=kind)


def _check_period(packed: Path, file: ArchiveFile, first_ms: int, last_ms: int) -> None:
    if not file.from_ms <= first_ms <= last_ms < file.to_ms:
        raise DataError(f"{packed.name}: holds rows of another period than its name says; nothing was imported")
