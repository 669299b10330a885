"""Candle and funding files to validated columns. A file is taken whole or refused whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import DataError
from core.market.checking import first_bad_bar, first_bad_rate
from core.market.importing.forms import read_table
from core.market.importing.naming import Named, delivered, is_symbol, named, symbol_in
from core.market.importing.table import MEND, Origin, Table, Wanted
from core.market.intervals import INTERVALS_MS, interval_text
from core.market.kinds import CANDLES, FUNDING, KINDS
from core.market.settlements import LONGEST_MS, step_ms
from core.ports import BarColumns

_BAR_TIMES = ("open_time",)
_FUNDING_TIMES = ("funding_time", "open_time")
_FUNDING_RATES = ("funding_rate",)
_PRICES = ("open", "high", "low", "close")
_VOLUME = "volume"
_TRADES = "count"
_SYMBOL = "symbol"
_CLOSE_TIME = "closetime"
_FUNDING_HOURS = "funding_interval_hours"
_WANTED = Wanted(
    times=frozenset((*_BAR_TIMES, *_FUNDING_TIMES)),
    numbers=frozenset((*_PRICES, _VOLUME, _TRADES, *_FUNDING_RATES, "mark_price", _FUNDING_HOURS)),
    texts=frozenset((_SYMBOL,)),
)
# Times from 2001 to 2096 in one unit cannot be taken for another unit's: from, times, divided by.
_UNITS = ((10**9, 1_000, 1), (10**12, 1, 1), (10**15, 1, 1_000), (10**18, 1, 1_000_000))

NO_VOLUME = "every volume is zero"
SPOT_APART = "spot candles, kept apart; --kind candles takes them as the contract's"
LOOKS_SPOT = (
    "its name is that of spot candles, a perpetual contract's names its coin twice or says swap or futures; "
    "taken as the contract's"
)


@dataclass(frozen=True, slots=True)
class CandleFile:
    """`kind` is "candles" for those of the contract's trades, else "mark", "index", "premium" or "spot", which are
    never to be taken for them. `notes` are for the operator."""

    origin: Origin
    bars: BarColumns
    kind: str = CANDLES
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FundingFile:
    """Rates are fractions of notional; `marks_usdt` is None where the file has no mark price. One length each."""

    origin: Origin
    symbol: str
    interval_ms: int
    time_ms: NDArray[np.int64]
    rates: NDArray[np.float64]
    marks_usdt: NDArray[np.float64] | None


def read_market_file(
    path: Path, *, symbol: str | None = None, interval: str | None = None, kind: str | None = None, sort: bool = False
) -> CandleFile | FundingFile:
    """Read and validate a whole file. Symbol, interval and kind (one of KINDS) are told by its name, the folders of an
    exchange's archive or what it holds, unless given. `sort` puts rows in order and takes equal ones once.

    Raises DataError naming the file, the line, the reason and the mend.
    """
    check_options(path.name, symbol, interval, kind)
    table = read_table(path, _WANTED)
    told = named(path, table.member)
    missing = [name for name in _PRICES if name not in table.columns]
    if _is_funding(table, kind or told.kind, missing):
        table = _sorted(table, _FUNDING_TIMES) if sort else table
        return _funding(table, told, symbol, interval or told.interval)
    has_trades = (kind or told.kind or CANDLES) in (CANDLES, "spot")
    missing += [_VOLUME] if has_trades and _VOLUME not in table.columns else []
    if missing or not set(_BAR_TIMES) & set(table.columns):
        raise _lacking(table, missing)
    table = _sorted(table, _BAR_TIMES) if sort else table
    return _candles(table, told, symbol, interval or told.interval, kind)


def check_options(file: str, symbol: str | None, interval: str | None, kind: str | None) -> None:
    """Raises DataError for a symbol, an interval or a kind that is none."""
    if symbol is not None and not is_symbol(symbol):
        raise DataError(f"{file}: {symbol!r} is no symbol; write capital letters and digits, like BTCUSDT")
    if interval is not None and interval not in INTERVALS_MS:
        raise DataError(f"{file}: interval {interval!r} is unknown; use one of {', '.join(INTERVALS_MS)}")
    if kind is not None and kind not in KINDS:
        raise DataError(f"{file}: kind {kind!r} is unknown; use one of {', '.join(KINDS)}")


def _lacking(table: Table, missing: list[str]) -> DataError:
    where = "line 1: " if table.origin.place == "line" else ""
    if not missing and _CLOSE_TIME in table.names:
        return DataError(
            f"{table.origin.name}: {where}tells when candles close and not when they open; "
            "add a column open_time; nothing was imported"
        )
    return DataError(
        f"{table.origin.name}: {where}lacks the columns {', '.join(missing or _BAR_TIMES)}; name the columns "
        f"open_time, {', '.join(_PRICES)}, volume (candles) or funding_time, funding_rate (funding); "
        "nothing was imported"
    )


def _is_funding(table: Table, kind: str, missing: list[str]) -> bool:
    """freqtrade keeps rates as candles, which only the file's name tells."""
    return kind == FUNDING or (bool(missing) and not table.columns.keys().isdisjoint(("funding_time", *_FUNDING_RATES)))


def _symbol_of(table: Table, told: Named, given: str | None, times: NDArray[np.int64]) -> str:
    """Raises DataError where neither the name nor the rows tell it, they differ, or the name may mean another."""
    name, said = table.origin.name, table.texts.get(_SYMBOL)
    inside = symbol_in(said) if said is not None else ""
    if given is not None:
        return given
    later = delivered(told.symbol, told.day) if told.symbol and told.day else ""
    if inside and told.symbol and inside not in (told.symbol, later):
        raise DataError(f"{name}: its rows are of {inside} and its name says {told.symbol}; give the right --symbol")
    if later and not inside and _day(times.min()) < told.day and _day(times.max()) <= told.day:
        raise DataError(
            f"{name}: {told.day} may be a day of the file or that of a delivery; give --symbol {told.symbol} or "
            f"--symbol {later}; nothing was imported"
        )
    if found := inside or told.symbol:
        return found
    raise DataError(f"{name}: its name does not tell the symbol; give it with --symbol, like BTCUSDT")


def _day(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms // 1000, UTC):%Y%m%d}"


def _candles(
    table: Table, told: Named, given_symbol: str | None, interval: str | None, given_kind: str | None
) -> CandleFile:
    origin, times = table.origin, _times(table, _BAR_TIMES)
    symbol = _symbol_of(table, told, given_symbol, times)
    kind = given_kind or told.kind or CANDLES
    volume = table.columns.get(_VOLUME, np.zeros(len(times)))
    interval_ms = INTERVALS_MS[interval] if interval else _step_ms(origin, times)
    steps = np.diff(times)
    if len(steps) > 1 and steps.min() > interval_ms:
        raise DataError(
            f"{origin.name}: no two rows are {interval_text(interval_ms)} apart; "
            "name the right interval in the file's name or with --interval"
        )
    notes = list(_candle_notes(table, volume, kind, given_kind is not None, told))
    columns = [*(table.columns[name] for name in _PRICES), volume]
    bars = BarColumns(symbol, interval_ms, times, *columns)
    if bad := first_bad_bar(bars, may_be_negative=kind == "premium"):
        raise _error(origin, times, *bad)
    return CandleFile(origin, bars, kind, tuple(notes))


def _candle_notes(table: Table, volume: NDArray[np.float64], kind: str, is_given: bool, told: Named) -> Iterator[str]:
    """Raises DataError for what is to be taken for the contract's candles though nobody traded it."""
    if kind == "spot" and not is_given:
        yield SPOT_APART
    if kind != CANDLES:
        return
    if not volume.any():
        if not is_given and table.columns.get(_TRADES, volume).any():
            raise table.origin.error(
                0,
                "trades are counted and every volume is zero, as in candles of mark, index and premium prices",
                "say which they are with --kind; nothing was imported",
            )
        yield NO_VOLUME
    if told.looks_spot and not is_given:
        yield LOOKS_SPOT
    if told.kind not in ("", CANDLES):
        yield f"named as {told.kind} and taken as the contract's candles by --kind"


def _funding(table: Table, told: Named, given_symbol: str | None, interval: str | None) -> FundingFile:
    origin, times = table.origin, _times(table, _FUNDING_TIMES)
    symbol = _symbol_of(table, told, given_symbol, times)
    rates = table.columns[_one_of(table, (*_FUNDING_RATES, "open"))]
    marks = table.columns.get("mark_price")
    if bad := first_bad_rate(times, rates, marks):
        raise _error(origin, times, *bad)
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
        reason = f"{_FUNDING_HOURS} {hours[index]} is no whole number of hours from 1 to 24"
        raise _error(table.origin, times, index, reason)
    return int(hours.max()) * 3_600_000


def _error(origin: Origin, times: NDArray[np.int64], index: int, reason: str) -> DataError:
    is_out_of_order = index > 0 and times[index] <= times[index - 1]
    mend = "correct the file and import it again, --sort puts rows in order; nothing was imported"
    return origin.error(index, reason, mend) if is_out_of_order else origin.error(index, reason)


def _sorted(table: Table, names: tuple[str, ...]) -> Table:
    """In order of the times, of equal rows one. Raises DataError where rows of one time differ."""
    times = table.columns[_one_of(table, names)]
    places = np.argsort(times, kind="stable")
    columns = {name: column[places] for name, column in table.columns.items()}
    ordered = replace(table, origin=replace(table.origin, places=places), columns=columns)
    times = times[places]
    is_again = np.zeros(len(times), dtype=np.bool_)
    is_again[1:] = times[1:] == times[:-1]
    for name, column in columns.items():
        other = is_again.copy()
        other[1:] &= column[1:] != column[:-1]
        if other.any():
            index = int(np.argmax(other))
            raise ordered.origin.error(index, f"time {times[index]} is there twice, with another {name}")
    kept = ~is_again
    origin = replace(table.origin, places=places[kept])
    return replace(table, origin=origin, columns={name: column[kept] for name, column in columns.items()})


def _one_of(table: Table, names: tuple[str, ...]) -> str:
    for name in names:
        if name in table.columns:
            return name
    raise DataError(f"{table.origin.name}: lacks the column {names[0]}; {MEND}")


def _times(table: Table, names: tuple[str, ...]) -> NDArray[np.int64]:
    """UTC milliseconds, from integers of s, ms, us or ns."""
    origin, name = table.origin, _one_of(table, names)
    values = table.columns[name]
    for scale, factor, divisor in _UNITS:
        if scale <= values[0] < 4 * scale:
            strange = ~((values >= scale) & (values < 4 * scale)) | (values % divisor != 0)
            if strange.any():
                index = int(np.argmax(strange))
                raise origin.error(index, f"{name} {values[index]} is not in the unit of the rows before")
            return np.asarray(values * factor // divisor, dtype=np.int64)
    raise origin.error(0, f"{name} {values[0]} is no time in seconds, milliseconds, microseconds or nanoseconds")


def _step_ms(origin: Origin, times: NDArray[np.int64]) -> int:
    """The interval that most rows are apart in whatever order, where the name does not tell it."""
    steps = np.diff(np.sort(times))
    step = int(np.median(steps)) if len(steps) else 0
    if step not in INTERVALS_MS.values():
        raise DataError(f"{origin.name}: neither its name nor its times tell the interval; give it with --interval")
    return step
