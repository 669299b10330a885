"""Files of what is observed beside bars: which stream one holds, and its rows as observations."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import BadInputError, DataError
from core.domain.stream import Stream
from core.market.importing.facts import SYMBOL, symbol_of, times_of, usual_step_ms
from core.market.importing.forms import read_table
from core.market.importing.naming import named
from core.market.importing.table import MEND, Origin, Table, Wanted
from core.market.intervals import INTERVALS_MS, interval_text
from core.market.kinds import MARK
from core.market.streams import (
    BOUNDS,
    INSTANTS,
    MARK_NOW,
    OBSERVED_KINDS,
    PERIODS,
    TRADES,
    bounds_text,
    stream,
    stream_name,
)
from core.ports import ObservationColumns

Times = NDArray[np.int64]

BY_NAME_ALONE = ("liquidations", "vendor_open_interest", "vendor_funding")
"""The families whose columns are those of others, too."""

BY_HEADERS = (MARK, *(kind for kind in OBSERVED_KINDS if kind not in (MARK_NOW, *BY_NAME_ALONE)))
"""The families whose columns no other has."""

_WORDS = {"top": "long_short_top", "global": "long_short"}
_NUMBERS = {family: "update_id" for family, its in INSTANTS.items() if its.is_numbered} | {TRADES: "trade_id"}
_MAKER, _SIDE = "is_buyer_maker", "side"
_KNOWN = "event_time"
_LARGEST = float(1 << 53)
_ORDER = "correct the file and import it again, --sort puts rows in order; nothing was imported"


@dataclass(frozen=True, slots=True)
class ObservedFile:
    """`family` and `period_ms`, 0 of instants, make the stream's name. `notes` are for the operator."""

    origin: Origin
    family: str
    period_ms: int
    observations: ObservationColumns
    notes: tuple[str, ...] = ()

    @property
    def only_grows(self) -> bool:
        return self.period_ms > 0 and PERIODS[self.family].only_grows


def family_in(names: frozenset[str], file: Path) -> str:
    """The family that the columns tell, or with them the name of the file; empty where they tell none.

    Raises DataError where they fit several.
    """
    # Of columns that are called nothing else outside, the plain form is the name.
    found = [f for f in BY_HEADERS if all(name in names or name.replace("_", "") in names for name in _told_by(f))]
    if len(found) > 1:
        words = re.split(r"[\W_]+", file.name.lower())
        found = [_WORDS[word] for word in words if _WORDS.get(word) in found] or found
    if len(set(found)) > 1:
        ways = " or ".join(f"--stream {family}" for family in found)
        raise DataError(f"{file.name}: its columns are those of several streams; write {ways}; nothing was imported")
    return found[0] if found else ""


def read_observed(path: Path, family: str, *, symbol: str | None, interval: str | None, sort: bool) -> ObservedFile:
    """Read and validate a whole file of a family. Of one of periods these are told by `interval`, the file's name or
    the steps between rows; a row of a period is known at its end, and what the file says of its publication is held to.

    Raises DataError naming the file, the line, the reason and the mend.
    """
    table, told = read_table(path, _wanted(family)), named(path)
    if lacking := _lacking(table, family):
        where = "line 1: " if table.origin.place == "line" else ""
        raise DataError(f"{table.origin.name}: {where}{family} lacks the columns {', '.join(lacking)}; {MEND}")
    times = times_of(table, (_time_of(family),))
    period_ms = _period_ms(table, interval or told.interval, family, times)
    try:
        its = stream(stream_name(family, period_ms))
    except BadInputError as error:
        raise DataError(f"{table.origin.name}: {error}; nothing was imported") from error
    whose = symbol_of(table, told, symbol, times)
    found = ObservationColumns(
        whose,
        its.name,
        times,
        _known(table, times, period_ms),
        _numbers(table, family),
        np.column_stack([_values(table, field.name) for field in its.fields]),
    )
    origin = table.origin
    if sort:
        origin, found = _in_order(origin, found)
    _check(origin, its, found)
    return ObservedFile(origin, family, period_ms, found)


def _is_of_periods(family: str) -> bool:
    """Candles of the mark price are read as candles."""
    return family in PERIODS and family != MARK


def _fields_of(family: str) -> tuple[str, ...]:
    its = PERIODS[family] if _is_of_periods(family) else INSTANTS[family]
    return tuple(field.name for field in its.fields)


def _told_by(family: str) -> frozenset[str]:
    """The columns without which a file does not hold it, the time apart."""
    names = set(_fields_of(family))
    if family == "trades":
        names = names - {_SIDE} | {_MAKER, _NUMBERS[family]}
    return frozenset(names)


def _time_of(family: str) -> str:
    return "open_time" if _is_of_periods(family) else "trade_time"


def _wanted(family: str) -> Wanted:
    fields = set(_fields_of(family))
    numbers = fields - {_SIDE} | ({_NUMBERS[family]} if family in _NUMBERS else set())
    return Wanted(
        times=frozenset((_time_of(family), _KNOWN)),
        numbers=frozenset(numbers),
        texts=frozenset((SYMBOL,)),
        words=frozenset((_MAKER, _SIDE)) if _SIDE in fields else frozenset(),
    )


def _lacking(table: Table, family: str) -> list[str]:
    has_side = not table.columns.keys().isdisjoint((_MAKER, _SIDE))
    told = {name: _MAKER if name == _SIDE and family == "trades" else name for name in _fields_of(family)}
    lacking = [told[name] for name in told if name not in table.columns and not (name == _SIDE and has_side)]
    if _time_of(family) not in table.columns:
        lacking.insert(0, _time_of(family))
    if family == "trades" and _NUMBERS[family] not in table.columns:
        lacking.append(_NUMBERS[family])
    return lacking


def _period_ms(table: Table, interval: str | None, family: str, times: Times) -> int:
    """0 of instants. Raises DataError where it is not told, or is another than that of the rows."""
    if not _is_of_periods(family):
        return 0
    period_ms = INTERVALS_MS[interval] if interval else usual_step_ms(table.origin, times)
    steps = np.diff(np.sort(times))
    if len(steps) > 1 and steps.min() > period_ms:
        raise DataError(
            f"{table.origin.name}: no two rows are {interval_text(period_ms)} apart; "
            "name the right interval in the file's name or with --interval"
        )
    return period_ms


def _known(table: Table, times: Times, period_ms: int) -> Times:
    """At the end of the period, or at the time of publication, where the file tells one."""
    if _KNOWN not in table.columns:
        return times + period_ms
    return times_of(table, (_KNOWN,))


def _numbers(table: Table, family: str) -> Times:
    told = table.columns.get(_NUMBERS.get(family, ""))
    if told is None:
        return np.zeros(len(table.columns[_time_of(family)]), np.int64)
    strange = ~((told >= 0) & (told < _LARGEST) & (told == np.floor(told)))
    if strange.any():
        index = int(np.argmax(strange))
        raise table.origin.error(index, f"{_NUMBERS[family]} {told[index]} is no number of the venue's")
    return told.astype(np.int64)


def _values(table: Table, field: str) -> NDArray[np.float64]:
    if field == _SIDE and field not in table.columns:
        # Who made the price waited; the other one bought or sold.
        return 1.0 - 2.0 * table.columns[_MAKER]
    return np.asarray(table.columns[field], np.float64)


def _in_order(origin: Origin, columns: ObservationColumns) -> tuple[Origin, ObservationColumns]:
    """By time, then number, of equal rows one."""
    places = np.lexsort((columns.number, columns.time_ms))
    found = columns.at(places)
    is_again = np.zeros(len(places), dtype=np.bool_)
    is_again[1:] = (
        (found.time_ms[1:] == found.time_ms[:-1])
        & (found.number[1:] == found.number[:-1])
        & (found.known_ms[1:] == found.known_ms[:-1])
        & (found.values[1:] == found.values[:-1]).all(axis=1)
    )
    return replace(origin, places=places[~is_again]), found.at(~is_again)


def _check(origin: Origin, its: Stream, found: ObservationColumns) -> None:
    """Raises DataError naming the first row that cannot be."""
    times, number = found.time_ms, found.number
    is_late = np.zeros(len(times), dtype=np.bool_)
    is_late[1:] = (times[1:] < times[:-1]) | ((times[1:] == times[:-1]) & (number[1:] <= number[:-1]))
    wrong: list[tuple[int, str, str]] = []
    if is_late.any():
        index = int(np.argmax(is_late))
        is_twice = times[index] == times[index - 1] and number[index] == number[index - 1]
        told = (
            f"time {times[index]} {'is there twice' if is_twice else f'comes after {times[index - 1]}: not in order'}"
        )
        wrong.append((index, told, _ORDER))
    if its.period_ms and (off := times % its.period_ms != 0).any():
        index = int(np.argmax(off))
        wrong.append((index, f"time {times[index]} is not on the {interval_text(its.period_ms)} grid", MEND))
    over = times + its.period_ms
    if (early := found.known_ms < over).any():
        index = int(np.argmax(early))
        wrong.append((index, f"is known at {found.known_ms[index]}, before it was over at {over[index]}", MEND))
    for field, column in zip(its.fields, found.values.T, strict=True):
        low, high = BOUNDS[field.unit]
        bad = ~(np.isfinite(column) & (column >= low) & (column <= high))
        bad |= (field.unit == "side") & (column == 0)
        if bad.any():
            index = int(np.argmax(bad))
            wrong.append((index, f"{field.name} {column[index]} cannot be: {bounds_text(field.unit)}", MEND))
    if wrong:
        index, reason, mend = min(wrong)
        raise origin.error(index, reason, mend)
