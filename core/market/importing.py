"""Candle and funding files (Parquet, CSV) to validated columns. A file is taken whole or refused whole."""

from __future__ import annotations

import hashlib
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import DataError
from core.market.checking import first_bad_bar, first_bad_rate
from core.market.intervals import INTERVALS_MS, interval_text
from core.ports import BarColumns

DUMP_COLUMNS = (
    "open_time",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "close_time",
    "quote_volume",
    "count",
    "taker_buy_volume",
    "taker_buy_quote_volume",
    "ignore",
)
"""Of the venue's public kline files, which have no header before 2022."""

_BAR_TIMES = ("open_time", "ts")
_FUNDING_TIMES = ("funding_time", "calc_time")
_FUNDING_RATES = ("funding_rate", "last_funding_rate")
_PRICES = ("open", "high", "low", "close", "volume")
_SYMBOL = re.compile(r"[A-Z0-9]{1,15}(USDT|USDC|BUSD|FDUSD|USD)")
_GIVEN_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9_]{0,31}")
# Times from 2001 to 2096 in one unit cannot be taken for another unit's.
_UNITS = ((10**12, 1), (10**15, 1_000), (10**18, 1_000_000))
_MEND = "correct the file and import it again; nothing was imported"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where rows come from. Row i of the data stands at `first_line + i`, of what `place` calls a line or a row."""

    name: str
    sha256: str
    place: str
    first_line: int

    def error(self, index: int, reason: str, mend: str = _MEND) -> DataError:
        return DataError(f"{self.name}: {self.place} {self.first_line + index}: {reason}; {mend}")


@dataclass(frozen=True, slots=True)
class CandleFile:
    origin: Origin
    bars: BarColumns


@dataclass(frozen=True, slots=True)
class FundingFile:
    """Rates are fractions of notional; `marks_usdt` is None where the file has no mark price. One length each."""

    origin: Origin
    symbol: str
    interval_ms: int
    time_ms: NDArray[np.int64]
    rates: NDArray[np.float64]
    marks_usdt: NDArray[np.float64] | None


def file_sha256(path: Path) -> str:
    """Raises DataError when the file cannot be read."""
    return hashlib.sha256(_content(path)).hexdigest()


def read_market_file(path: Path, *, symbol: str | None = None, interval: str | None = None) -> CandleFile | FundingFile:
    """Read and validate a whole file. Symbol and interval are told by its name, or its times, unless given.

    Raises DataError naming the file, the line, the reason and the mend.
    """
    origin, table = _read_table(path)
    if symbol is not None and not _GIVEN_SYMBOL.fullmatch(symbol):
        raise DataError(f"{path.name}: {symbol!r} is no symbol; write capital letters and digits, like BTCUSDT")
    symbol = symbol or _symbol_of(path)
    if interval is not None and interval not in INTERVALS_MS:
        raise DataError(f"{path.name}: interval {interval!r} is unknown; use one of {', '.join(INTERVALS_MS)}")
    if not table.num_rows:
        raise DataError(f"{path.name}: holds no rows; {_MEND}")
    names = set(table.column_names)
    if names & set(_FUNDING_TIMES):
        return _funding(origin, table, symbol, interval)
    missing = [name for name in _PRICES if name not in names]
    if not names & set(_BAR_TIMES) or missing:
        lacking = ", ".join(missing or ["open_time"])
        raise DataError(
            f"{path.name}: lacks the columns {lacking}; name the columns open_time, {', '.join(_PRICES)} "
            "(candles) or funding_time, funding_rate (funding)"
        )
    return _candles(origin, table, symbol, interval or _interval_in(path))


def _candles(origin: Origin, table: Any, symbol: str, interval: str | None) -> CandleFile:
    times = _times(origin, table, _BAR_TIMES)
    columns = [_numbers(origin, table, name) for name in _PRICES]
    interval_ms = INTERVALS_MS[interval] if interval else _step_ms(origin, times)
    steps = np.diff(times)
    if len(steps) > 1 and steps.min() > interval_ms:
        raise DataError(
            f"{origin.name}: no two rows are {interval_text(interval_ms)} apart; "
            "name the right interval in the file's name or with --interval"
        )
    bars = BarColumns(symbol, interval_ms, times, *columns)
    if bad := first_bad_bar(bars):
        raise origin.error(*bad)
    return CandleFile(origin, bars)


def _funding(origin: Origin, table: Any, symbol: str, interval: str | None) -> FundingFile:
    times = _times(origin, table, _FUNDING_TIMES)
    rates = _numbers(origin, table, _one_of(origin, table, _FUNDING_RATES))
    marks = _numbers(origin, table, "mark_price") if "mark_price" in table.column_names else None
    if bad := first_bad_rate(times, rates, marks):
        raise origin.error(*bad)
    return FundingFile(origin, symbol, INTERVALS_MS[interval or "8h"], times, rates, marks)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def _read_table(path: Path) -> tuple[Origin, Any]:
    import pyarrow as pa
    import pyarrow.parquet as parquet
    from pyarrow import csv

    content = _content(path)
    sha256 = hashlib.sha256(content).hexdigest()
    try:
        if path.suffix == ".parquet":
            return Origin(path.name, sha256, "row", 1), parquet.read_table(io.BytesIO(content))
        if path.suffix == ".csv":
            if not content.strip():
                raise DataError(f"{path.name}: holds no rows; {_MEND}")
            text = content.removeprefix(b"\xef\xbb\xbf").rstrip() + b"\n"
            has_header = not re.match(rb'"?-?[0-9]', text)
            width = text.split(b"\n", 1)[0].count(b",") + 1
            # One thread, because only then an error names its row.
            names = None if has_header else _headerless(path, width)
            options = csv.ReadOptions(column_names=names, use_threads=False)
            # An empty line stays a row, so that line numbers are the file's own.
            table = csv.read_csv(io.BytesIO(text), options, csv.ParseOptions(ignore_empty_lines=False))
            return Origin(path.name, sha256, "line", 2 if has_header else 1), table
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        row = re.search(r"Row #([0-9]+): (.*)", reason)
        told = f"line {row[1]}: {row[2]}" if row else f"cannot be read as {path.suffix[1:]}: {reason}"
        raise DataError(f"{path.name}: {told}; {_MEND}") from error
    raise DataError(f"{path.name}: is neither .parquet nor .csv; unpack or convert it first")


def _headerless(path: Path, width: int) -> list[str]:
    if not 6 <= width <= len(DUMP_COLUMNS):
        raise DataError(f"{path.name}: line 1: {width} columns and no header; add a line with the column names")
    return list(DUMP_COLUMNS[:width])


def _one_of(origin: Origin, table: Any, names: tuple[str, ...]) -> str:
    for name in names:
        if name in table.column_names:
            return name
    raise DataError(f"{origin.name}: lacks the column {names[0]}; {_MEND}")


def _numbers(origin: Origin, table: Any, name: str) -> NDArray[np.float64]:
    import pyarrow as pa

    column = table.column(name)
    if column.null_count:
        raise origin.error(column.is_null().to_pylist().index(True), f"{name} is missing or not a number")
    try:
        return np.array(column.cast(pa.float64()).to_numpy(), dtype=np.float64)
    except pa.ArrowException:
        index, value = _first_not_number(column.to_pylist())
        raise origin.error(index, f"{name} {value!r} is not a number") from None


def _first_not_number(values: list[Any]) -> tuple[int, Any]:
    for index, value in enumerate(values):
        try:
            float(value)
        except (TypeError, ValueError):
            return index, value
    return 0, values[0]


def _times(origin: Origin, table: Any, names: tuple[str, ...]) -> NDArray[np.int64]:
    """UTC milliseconds, from integers of ms, us or ns, or from a timestamp column."""
    import pyarrow as pa

    name = _one_of(origin, table, names)
    column = table.column(name)
    if column.null_count:
        raise origin.error(column.is_null().to_pylist().index(True), f"{name} is missing or not a number")
    if pa.types.is_timestamp(column.type):
        return np.array(column.cast(pa.timestamp("ms"), safe=False).cast(pa.int64()).to_numpy(), dtype=np.int64)
    if not pa.types.is_integer(column.type):
        index, value = _first_not_integer(column.to_pylist())
        raise origin.error(index, f"{name} {value!r} is not a whole number of milliseconds")
    values = np.array(column.to_numpy(), dtype=np.int64)
    for scale, divisor in _UNITS:
        if scale <= values[0] < 4 * scale:
            strange = ~((values >= scale) & (values < 4 * scale)) | (values % divisor != 0)
            if strange.any():
                index = int(np.argmax(strange))
                raise origin.error(index, f"{name} {values[index]} is not in the unit of the rows before")
            return values // divisor
    raise origin.error(0, f"{name} {values[0]} is no time in milliseconds, microseconds or nanoseconds")


def _first_not_integer(values: list[Any]) -> tuple[int, Any]:
    for index, value in enumerate(values):
        if not re.fullmatch(r"-?[0-9]+", str(value)):
            return index, value
    return 0, values[0]


def _tokens(path: Path) -> list[str]:
    return re.split(r"[-_.]", path.name)


def _symbol_of(path: Path) -> str:
    found = [token for token in _tokens(path) if _SYMBOL.fullmatch(token)]
    if len(found) != 1:
        raise DataError(f"{path.name}: its name does not tell the symbol; give it with --symbol, like BTCUSDT")
    return found[0]


def _interval_in(path: Path) -> str | None:
    found = [token for token in _tokens(path) if token in INTERVALS_MS]
    return found[0] if len(found) == 1 else None


def _step_ms(origin: Origin, times: NDArray[np.int64]) -> int:
    """The interval that most rows are apart, where the name does not tell it."""
    steps = np.diff(times)
    step = int(np.median(steps)) if len(steps) else 0
    if step not in INTERVALS_MS.values():
        raise DataError(f"{origin.name}: neither its name nor its times tell the interval; give it with --interval")
    return step
