"""What a zip of an archive holds, read within the bounds of `core.market.tables`."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import IO

from core.domain.errors import DataError
from core.fetch.plan import ArchiveFile
from core.market.importing import CandleFile, FundingFile, read_market_file
from core.market.intervals import interval_text
from core.market.tables import MAX_UNPACKED_BYTES, MAX_UNPACKED_RATIO, RATIO_FROM_BYTES, file_sha256, too_large
from core.memory import IMPORT_MEMORY_BYTES, memory_limit

_PIECE_BYTES = 1 << 20


def read_candles(packed: Path, file: ArchiveFile, symbol: str, interval_ms: int) -> CandleFile:
    """Raises DataError for a zip that holds anything but candles of the period of `file`."""
    found = _read(packed, symbol, interval_text(interval_ms))
    if not isinstance(found, CandleFile):
        raise DataError(f"{packed.name}: holds no candles; nothing was imported")
    times = found.bars.open_time_ms
    _check_period(packed, file, int(times[0]), int(times[-1]))
    return found


def read_funding(packed: Path, file: ArchiveFile, symbol: str) -> FundingFile:
    """The same of funding rates."""
    found = _read(packed, symbol, None)
    if not isinstance(found, FundingFile):
        raise DataError(f"{packed.name}: holds no funding rates; nothing was imported")
    _check_period(packed, file, int(found.time_ms[0]), int(found.time_ms[-1]))
    return found


def _read(packed: Path, symbol: str, interval: str | None) -> CandleFile | FundingFile:
    unpacked = packed.with_name(f"{packed.stem}.csv")
    try:
        with memory_limit(IMPORT_MEMORY_BYTES):
            unpack(packed, unpacked)
            found = read_market_file(unpacked, symbol=symbol, interval=interval)
    finally:
        unpacked.unlink(missing_ok=True)
    return replace(found, origin=replace(found.origin, name=packed.name, sha256=file_sha256(packed)))


def _check_period(packed: Path, file: ArchiveFile, first_ms: int, last_ms: int) -> None:
    if not file.from_ms <= first_ms <= last_ms < file.to_ms:
        raise DataError(f"{packed.name}: holds rows of another period than its name says; nothing was imported")


def unpack(packed: Path, target: Path) -> None:
    """Write what the zip `packed` holds to `target`, under no name but that. Raises DataError for a zip that is
    damaged, holds not exactly one file, or holds more than may be unpacked."""
    most = min(MAX_UNPACKED_BYTES, max(RATIO_FROM_BYTES, MAX_UNPACKED_RATIO * packed.stat().st_size))
    try:
        with zipfile.ZipFile(packed) as found:
            members = [member for member in found.infolist() if not member.is_dir()]
            if len(members) != 1:
                raise DataError(f"{packed.name}: holds {len(members)} files, and one is expected; nothing was imported")
            with found.open(members[0]) as source, target.open("wb") as file:
                _copy(source, file, packed.name, most)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise DataError(f"{packed.name}: cannot be unpacked: {error}; nothing was imported") from error


def _copy(source: IO[bytes], target: IO[bytes], name: str, most: int) -> None:
    """What a zip says of its sizes is no bound: what comes out is counted."""
    while piece := source.read(_PIECE_BYTES):
        most -= len(piece)
        if most < 0:
            raise too_large(name, "unpacks into more than an import may use")
        target.write(piece)
