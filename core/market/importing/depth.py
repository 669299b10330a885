"""Changes of an order book as an exchange pushes them, with a snapshot of it, made into the stream of its ten best
levels."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from heapq import nlargest, nsmallest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import DataError
from core.domain.plain import plain
from core.market.checking import LEAST_PRICE, MOST_PRICE, MOST_VOLUME
from core.market.importing.facts import SYMBOL, symbol_of, times_of
from core.market.importing.forms import read_table
from core.market.importing.naming import named
from core.market.importing.observed import ObservedFile
from core.market.importing.table import MEND, Origin, Table, Wanted, open_plain
from core.market.streams import BOOK
from core.ports import ObservationColumns

SAMPLE_MS = 1_000
"""Of the books of a second the last one is kept."""

LEVELS = 10
MAX_SNAPSHOT_BYTES = 1 << 24

_FIRST, _LAST, _BEFORE = "first_id", "final_id", "prev_final_id"
_IDS = (_FIRST, _LAST, _BEFORE)
_TIME = "event_time"
_COLUMNS = (_TIME, *_IDS, "side", "price", "qty")
_WANTED = Wanted(
    times=frozenset((_TIME,)),
    numbers=frozenset((*_IDS, "price", "qty")),
    texts=frozenset((SYMBOL,)),
    words=frozenset(("side",)),
)
_PARTS = "import the parts that hold together, each with a snapshot of its own; nothing was imported"

Ints = NDArray[np.int64]
Side = dict[float, float]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A book as it was after the update `last_id`: quantities by price. What lies beyond its outermost levels it does
    not tell."""

    name: str
    last_id: int
    bids: Side
    asks: Side


def is_of_changes(names: frozenset[str]) -> bool:
    """Whether a file with columns of these names (in their plain form) holds changes of a book."""
    return all(name in names or name.replace("_", "") in names for name in _COLUMNS)


def read_depth(path: Path, snapshot: Path | None, *, symbol: str | None) -> ObservedFile:
    """The book after the last change of each second, from the one on that follows the snapshot, known when the exchange
    told it. Where its ten best levels are not all within what the snapshot told, one that never changed could be among
    them: such a book is left out, and noted.

    Raises DataError naming the file, the row, the reason and the mend: where no snapshot is given, none of the changes
    follows it, changes are missing between two, or a book cannot be.
    """
    table = read_table(path, _WANTED)
    if snapshot is None:
        raise DataError(
            f"{table.origin.name}: holds changes of an order book; name the book that they begin with, as the exchange "
            "told it, with --snapshot FILE; nothing was imported"
        )
    begun, origin = read_snapshot(snapshot), table.origin
    times = times_of(table, (_TIME,))
    _check(table, times)
    ends = np.flatnonzero(np.diff(table.columns[_LAST], append=np.inf) != 0)
    whose = symbol_of(table, named(path), symbol, times)
    told = list(_books(table, times, ends, begun))
    within = [(row, book) for row, book in told if book is not None]
    if not within:
        raise DataError(f"{origin.name}: {begun.name} tells none of the ten best levels of any second; {_PARTS}")
    places, books = np.array([row for row, _ in within], np.int64), [book for _, book in within]
    number = table.columns[_LAST][places].astype(np.int64)
    found = ObservationColumns(whose, BOOK, times[places], times[places], number, np.array(books))
    return ObservedFile(replace(origin, places=places), BOOK, 0, found, _notes(len(told) - len(within), begun))


def _notes(left_out: int, begun: Snapshot) -> tuple[str, ...]:
    if not left_out:
        return ()
    return (f"the books of {left_out} seconds are left out: {begun.name} does not reach all of their ten best levels",)


def read_snapshot(path: Path) -> Snapshot:
    """As an exchange answers: lastUpdateId, bids and asks, each of [price, quantity]. Raises DataError."""
    name = plain(path.name)
    with open_plain(path) as file:
        text = file.read(MAX_SNAPSHOT_BYTES + 1)
    if len(text) > MAX_SNAPSHOT_BYTES:
        raise DataError(f"{name}: is larger than a snapshot of an order book can be; nothing was imported")
    try:
        told = json.loads(text)
        last_id = told["lastUpdateId"]
        if type(last_id) is not int:
            raise TypeError("lastUpdateId is no whole number")
        found = Snapshot(name, last_id, _side(told, "bids"), _side(told, "asks"))
    except (ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:80]}"
        raise DataError(
            f"{name}: is no snapshot of an order book, which has lastUpdateId, bids and asks ({reason}); {MEND}"
        ) from error
    if max(found.bids) >= min(found.asks):
        raise DataError(f"{name}: its best bid {max(found.bids)} is no lower than its best ask; {MEND}")
    return found


def _side(told: Mapping[str, Any], name: str) -> Side:
    levels = {float(price): float(qty) for price, qty in told[name]}
    if len(levels) < LEVELS:
        raise ValueError(f"fewer than {LEVELS} {name}")
    for price, qty in levels.items():
        if not (LEAST_PRICE <= price <= MOST_PRICE and 0 < qty <= MOST_VOLUME):
            raise ValueError(f"{name} {price}, {qty}")
    return levels


def _check(table: Table, times: Ints) -> None:
    """Raises DataError naming the first row that cannot be."""
    columns, origin = table.columns, table.origin
    wrong: list[tuple[int, str]] = []

    def note(bad: NDArray[np.bool_], reason: str, name: str) -> None:
        if bad.any():
            row = int(np.argmax(bad))
            wrong.append((row, f"{name} {columns[name][row]:.16g} {reason}"))

    for name in _IDS:
        ids = columns[name]
        note(~((ids >= 0) & (ids < float(1 << 53)) & (ids == np.floor(ids))), "is no number of the venue's", name)
    price, qty = columns["price"], columns["qty"]
    note(~((price >= LEAST_PRICE) & (price <= MOST_PRICE)), "cannot be a price", "price")
    note(~((qty >= 0) & (qty <= MOST_VOLUME)), "cannot be a quantity", "qty")
    note(columns["side"] == 0, "is no side: 1 is a bid, -1 an ask", "side")
    note(columns[_FIRST] > columns[_LAST], "is behind the last update of its own change", _FIRST)
    note(np.diff(times, prepend=times[0]) < 0, "comes after a later one: not in order", _TIME)
    if wrong:
        row, reason = min(wrong)
        raise origin.error(row, reason)


def _books(table: Table, times: Ints, ends: Ints, begun: Snapshot) -> Iterator[tuple[int, list[float] | None]]:
    """Row and levels of the last book of each second, None where they are not known. Raises DataError."""
    origin, columns = table.origin, table.columns
    first, last, before = (columns[name].astype(np.int64).tolist() for name in _IDS)
    sides = {1.0: dict(begun.bids), -1.0: dict(begun.asks)}
    deepest = min(begun.bids), max(begun.asks)
    changes = columns["side"], columns["price"], columns["qty"]
    turns = (times[ends] // SAMPLE_MS).tolist()
    reached: int | None = None
    start = 0
    for place, end in enumerate(ends.tolist()):
        rows, start = slice(start, end + 1), end + 1
        if reached is None and last[end] < begun.last_id:
            continue
        if reached is None and not first[end] <= begun.last_id:
            raise origin.error(
                rows.start,
                f"{begun.name} is the book of update {begun.last_id}, and the changes go on at {first[end]}: what was "
                "between is missing",
                "give a snapshot that was taken while they ran; nothing was imported",
            )
        if reached is not None and before[end] != reached:
            raise origin.error(
                rows.start, f"the change before {last[end]} is {before[end]}, and {reached} was told: a gap", _PARTS
            )
        reached = last[end]
        for side, price, qty in zip(*(column[rows].tolist() for column in changes), strict=True):
            if qty:
                sides[side][price] = qty
            else:
                sides[side].pop(price, None)
        if place + 1 == len(turns) or turns[place + 1] != turns[place]:
            yield end, _best(origin, end, sides, deepest)
    if reached is None:
        raise DataError(
            f"{origin.name}: all of its changes are of before {begun.name} (update {begun.last_id}); give an earlier "
            "snapshot; nothing was imported"
        )


def _best(origin: Origin, row: int, sides: Mapping[float, Side], deepest: tuple[float, float]) -> list[float] | None:
    bids, asks = nlargest(LEVELS, sides[1.0]), nsmallest(LEVELS, sides[-1.0])
    if bids and asks and bids[0] >= asks[0]:
        raise origin.error(row, f"the best bid {bids[0]:.10g} is no lower than the best ask {asks[0]:.10g}", MEND)
    if min(len(bids), len(asks)) < LEVELS or bids[-1] < deepest[0] or asks[-1] > deepest[1]:
        return None
    levels = [value for price in bids for value in (price, sides[1.0][price])]
    return [*levels, *(value for price in asks for value in (price, sides[-1.0][price]))]
