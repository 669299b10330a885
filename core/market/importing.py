"""Candle and funding files (Parquet, CSV) to validated columns. A file is taken whole or refused whole."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import DataError
from core.market.checking import first_bad_bar, first_bad_rate
from core.market.intervals import INTERVALS_MS, interval_text
from core.market.settlements import LONGEST_MS, step_ms
from core.market.tables import MEND, Origin, Table, read_table
from core.ports import BarColumns

_BAR_TIMES = ("open_time", "ts")
_FUNDING_TIMES = ("funding_time", "calc_time")
_FUNDING_RATES = ("funding_rate", "last_funding_rate")
_PRICES = ("open", "high", "low", "close", "volume")
_SYMBOL = re.compile(r"[A-Z0-9]{1,15}(USDT|USDC|BUSD|FDUSD|USD)")
_GIVEN_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9_]{0,31}")
# Times from 2001 to 2096 in one unit cannot be taken for another unit's.
_UNITS = ((10**12, 1), (10**15, 1_000), (10**18, 1_000_000))
_TIMES = frozenset((*_BAR_TIMES, *_FUNDING_TIMES))
_FUNDING_HOURS = "funding_interval_hours"
_OTHERS = frozenset((*_PRICES, *_FUNDING_RATES, "mark_price", _FUNDING_HOURS))


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


def read_market_file(path: Path, *, symbol: str | None = None, interval: str | None = None) -> CandleFile | FundingFile:
    """Read and validate a whole file. Symbol and interval are told by its name, or its times, unless given.

    Raises DataError naming the file, the line, the reason and the mend.
    """
    table = read_table(path, _TIMES, _OTHERS)
    if symbol is not None and not _GIVEN_SYMBOL.fullmatch(symbol):
        raise DataError(f"{path.name}: {symbol!r} is no symbol; write capital letters and digits, like BTCUSDT")
    symbol = symbol or _symbol_of(path)
    if interval is not None and interval not in INTERVALS_MS:
        raise DataError(f"{path.name}: interval {interval!r} is unknown; use one of {', '.join(INTERVALS_MS)}")
    names = table.names
    if names & _TIMES and not any(map(len, table.columns.values())):
        raise DataError(f"{path.name}: holds no rows; {MEND}")
    if names & set(_FUNDING_TIMES):
        return _funding(table, symbol, interval)
    missing = [name for name in _PRICES if name not in names]
    if not names & set(_BAR_TIMES) or missing:
        lacking = ", ".join(missing or ["open_time"])
        raise DataError(
            f"{path.name}: lacks the columns {lacking}; name the columns open_time, {', '.join(_PRICES)} "
            "(candles) or funding_time, funding_rate (funding)"
        )
    return _candles(table, symbol, interval or _interval_in(path))


def _candles(table: Table, symbol: str, interval: str | None) -> CandleFile:
    origin, times = table.origin, _times(table, _BAR_TIMES)
    columns = [table.columns[name] for name in _PRICES]
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


def _funding(table: Table, symbol: str, interval: str | None) -> FundingFile:
    origin, times = table.origin, _times(table, _FUNDING_TIMES)
    rates = table.columns[_one_of(table, _FUNDING_RATES)]
    marks = table.columns.get("mark_price")
    if bad := first_bad_rate(times, rates, marks):
        raise origin.error(*bad)
    interval_ms = INTERVALS_MS[interval] if interval else _funding_interval_ms(table, times)
    return FundingFile(origin, symbol, interval_ms, times, rates, marks)


def _funding_interval_ms(table: Table, times: NDArray[np.int64]) -> int:
    """How far apart settlements are: the longest that the file names, else what its times tell, else the longest that
    there is."""
    hours = table.columns.get(_FUNDING_HOURS)
    if hours is None:
        return min(step_ms(times) or LONGEST_MS, LONGEST_MS)
    strange = ~((hours >= 1) & (hours <= 24) & (hours == np.floor(hours)))
    if strange.any():
        index = int(np.argmax(strange))
        raise table.origin.error(index, f"{_FUNDING_HOURS} {hours[index]} is no whole number of hours from 1 to 24")
    return int(hours.max()) * 3_600_000


def _one_of(table: Table, names: tuple[str, ...]) -> str:
    for name in names:
        if name in table.columns:
            return name
    raise DataError(f"{table.origin.name}: lacks the column {names[0]}; {MEND}")


def _times(table: Table, names: tuple[str, ...]) -> NDArray[np.int64]:
    """UTC milliseconds, from integers of ms, us or ns."""
    origin, name = table.origin, _one_of(table, names)
    values = table.columns[name]
    for scale, divisor in _UNITS:
        if scale <= values[0] < 4 * scale:
            strange = ~((values >= scale) & (values < 4 * scale)) | (values % divisor != 0)
            if strange.any():
                index = int(np.argmax(strange))
                raise origin.error(index, f"{name} {values[index]} is not in the unit of the rows before")
            return np.asarray(values // divisor, dtype=np.int64)
    raise origin.error(0, f"{name} {values[0]} is no time in milliseconds, microseconds or nanoseconds")


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
