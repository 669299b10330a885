"""Candle and funding files to validated columns. A file is taken whole or refused whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import BadInputError, DataError
from core.market.checking import first_bad_bar, first_bad_rate
from core.market.importing.depth import is_of_changes, read_depth
from core.market.importing.facts import SYMBOL, one_of, row_error, symbol_of, times_of, usual_step_ms
from core.market.importing.forms import read_table
from core.market.importing.naming import Named, is_symbol, named
from core.market.importing.observed import ObservedFile, family_in, read_observed
from core.market.importing.table import Origin, Table, Wanted
from core.market.intervals import INTERVALS_MS, LONGEST_FUNDING_MS, interval_text
from core.market.kinds import CANDLES, FUNDING, KINDS, MARK, PRICE_KINDS
from core.market.settlements import step_ms
from core.market.streams import BARS, BOOK, FAMILIES
from core.market.streams import stream as known_stream
from core.ports import BarColumns

_BAR_TIMES = ("open_time",)
_FUNDING_TIMES = ("funding_time", "open_time")
_FUNDING_RATES = ("funding_rate",)
_PRICES = ("open", "high", "low", "close")
_VOLUME = "volume"
_TRADES = "count"
_CLOSE_TIME = "closetime"
_FUNDING_HOURS = "funding_interval_hours"
_WANTED = Wanted(
    times=frozenset((*_BAR_TIMES, *_FUNDING_TIMES)),
    numbers=frozenset((*_PRICES, _VOLUME, _TRADES, *_FUNDING_RATES, "mark_price", _FUNDING_HOURS)),
    texts=frozenset((SYMBOL,)),
)

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
    path: Path,
    *,
    symbol: str | None = None,
    interval: str | None = None,
    kind: str | None = None,
    stream: str | None = None,
    snapshot: Path | None = None,
    sort: bool = False,
) -> CandleFile | FundingFile | ObservedFile:
    """Read and validate a whole file. Symbol, interval and kind (one of KINDS), or the stream, are told by its name,
    the folders of an exchange's archive or what it holds, unless given. `snapshot` is a file of the order book that
    changes of one begin with. `sort` puts rows in order and takes equal ones once.

    Raises DataError naming the file, the line, the reason and the mend.
    """
    if stream is not None:
        family, kind, interval = as_told(path.name, stream, kind, interval)
        if kind is None and (family != BOOK or snapshot is None):
            check_options(path.name, symbol, interval, kind)
            return read_observed(path, family, symbol=symbol, interval=interval, sort=sort)
    check_options(path.name, symbol, interval, kind)
    table = read_table(path, _WANTED)
    if is_of_changes(table.names):
        return read_depth(path, snapshot, symbol=symbol)
    if snapshot is not None:
        raise DataError(f"{path.name}: holds no changes of an order book, which alone begin with a --snapshot")
    told = named(path, table.member)
    missing = [name for name in _PRICES if name not in table.columns]
    is_funding = _is_funding(table, kind or told.kind, missing)
    family = family_in(table.names, path) if kind is None and missing else ""
    # A rate beside prices of the moment, without a time of settlement, is not settled.
    is_settled = is_funding and (family != MARK or "funding_time" in table.columns)
    if family and not is_settled:
        return read_observed(path, family, symbol=symbol, interval=interval, sort=sort)
    if is_funding:
        table = _sorted(table, _FUNDING_TIMES) if sort else table
        return _funding(table, told, symbol, interval or told.interval)
    has_trades = (kind or told.kind or CANDLES) in (CANDLES, "spot")
    missing += [_VOLUME] if has_trades and _VOLUME not in table.columns else []
    if missing or not set(_BAR_TIMES) & set(table.columns):
        raise _lacking(table, missing)
    table = _sorted(table, _BAR_TIMES) if sort else table
    return _candles(table, told, symbol, interval or told.interval, kind)


def as_told(file: str, stream: str, kind: str | None, interval: str | None) -> tuple[str, str | None, str | None]:
    """The family that --stream names, the kind of its candles or funding (None of observations) and the interval.

    Raises DataError for what is no stream, or is told otherwise beside it.
    """
    family, _, period = stream.partition(".")
    try:
        if family not in FAMILIES or period:
            its = known_stream(stream)
            period = interval_text(its.period_ms) if its.period_ms else ""
    except BadInputError as error:
        raise DataError(f"{file}: {error}; nothing was imported") from error
    if kind is not None or (period and interval not in (None, period)):
        raise DataError(f"{file}: --stream {stream} says what --kind and --interval say otherwise; write one of them")
    if family in (BARS, FUNDING, *PRICE_KINDS) and not (family == MARK and not period and interval is None):
        kind = CANDLES if family == BARS else family
    return family, kind, period or interval


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
        f"open_time, {', '.join(_PRICES)}, volume (candles) or funding_time, funding_rate (funding), or say with "
        "--stream what else it holds; nothing was imported"
    )


def _is_funding(table: Table, kind: str, missing: list[str]) -> bool:
    """freqtrade keeps rates as candles, which only the file's name tells."""
    return kind == FUNDING or (bool(missing) and not table.columns.keys().isdisjoint(("funding_time", *_FUNDING_RATES)))


def _candles(
    table: Table, told: Named, given_symbol: str | None, interval: str | None, given_kind: str | None
) -> CandleFile:
    origin, times = table.origin, times_of(table, _BAR_TIMES)
    symbol = symbol_of(table, told, given_symbol, times)
    kind = given_kind or told.kind or CANDLES
    volume = table.columns.get(_VOLUME, np.zeros(len(times)))
    interval_ms = INTERVALS_MS[interval] if interval else usual_step_ms(origin, times)
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
        raise row_error(origin, times, *bad)
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
    origin, times = table.origin, times_of(table, _FUNDING_TIMES)
    symbol = symbol_of(table, told, given_symbol, times)
    rates = table.columns[one_of(table, (*_FUNDING_RATES, "open"))]
    if "funding_rate" not in table.columns:
        _check_rates_alone(table)
    marks = table.columns.get("mark_price")
    if bad := first_bad_rate(times, rates, marks):
        raise row_error(origin, times, *bad)
    interval_ms = INTERVALS_MS[interval] if interval else _funding_interval_ms(table, times)
    return FundingFile(origin, symbol, interval_ms, times, rates, marks)


def _check_rates_alone(table: Table) -> None:
    """Rates that are kept as candles stand in the opens, and nothing else is there. Raises DataError for candles that
    are some: a mean over venues, perhaps in percent, was settled by nobody."""
    others = [table.columns[name] for name in ("high", "low", "close") if name in table.columns]
    moved = np.any([column != 0 for column in others], axis=0) if others else np.zeros(0, np.bool_)
    if moved.any():
        raise table.origin.error(
            int(np.argmax(moved)),
            "its candles of funding have a high, a low and a close, and no settlement has",
            "say with --stream vendor_funding that it is a vendor's; nothing was imported",
        )


def _funding_interval_ms(table: Table, times: NDArray[np.int64]) -> int:
    """How far apart settlements are: the longest that the file names, else what its times tell, else the longest that
    there is."""
    hours = table.columns.get(_FUNDING_HOURS)
    if hours is None:
        return min(step_ms(times) or LONGEST_FUNDING_MS, LONGEST_FUNDING_MS)
    strange = ~((hours >= 1) & (hours <= 24) & (hours == np.floor(hours)))
    if strange.any():
        index = int(np.argmax(strange))
        reason = f"{_FUNDING_HOURS} {hours[index]} is no whole number of hours from 1 to 24"
        raise row_error(table.origin, times, index, reason)
    return int(hours.max()) * 3_600_000


def _sorted(table: Table, names: tuple[str, ...]) -> Table:
    """In order of the times, of equal rows one. Raises DataError where rows of one time differ."""
    times = table.columns[one_of(table, names)]
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
