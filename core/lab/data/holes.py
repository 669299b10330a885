"""Where the bars of a history are missing for longer than is traded through: holes, and symbols that begin later or
end earlier than the others.

Before a hole everything ends: at the close of the last bar positions are closed at its price, orders are gone, and
nothing is predicted. What a hole holds is not covered: it has no place in the equity curve and in the time that figures
are of, and a UTC day that it falls on gives no return.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from core.arithmetic.days import DAY_MS
from core.domain.errors import BadInputError
from core.lab.data.history import History
from core.lab.statistics.figures import duration_text, utc_minute

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]
Times = NDArray[np.int64]

_LISTED = 5
"""How many holes are told one by one."""


class Kind(StrEnum):
    HOLE = "hole"
    BEGINS = "begins later"
    ENDS = "ends earlier"


@dataclass(frozen=True, slots=True)
class Hole:
    """Bars of `symbol` that are missing: those that open in [from_ms, to_ms), `bars` of them."""

    symbol: str
    kind: Kind
    from_ms: int
    to_ms: int
    bars: int

    def text(self) -> str:
        if self.kind is Kind.BEGINS:
            return f"{self.symbol} begins at {utc_minute(self.to_ms)}"
        if self.kind is Kind.ENDS:
            return f"{self.symbol} ends at {utc_minute(self.from_ms)}"
        span = f"{utc_minute(self.from_ms)} to {utc_minute(self.to_ms)}"
        return f"{self.symbol} {span} ({duration_text(self.to_ms - self.from_ms)})"


def holes(history: History) -> list[Hole]:
    """Those of the traded slots that are longer than `history.max_hole_ms`, by symbol and time."""
    found = []
    for symbol, there in zip(history.symbols, ~np.isnan(history.close[:, history.first :]), strict=True):
        found += _of_symbol(history, symbol, there)
    return found


def _of_symbol(history: History, symbol: str, there: Flags) -> list[Hole]:
    if there.all():
        return []
    edges = np.flatnonzero(np.diff(np.concatenate(([True], there, [True])).astype(np.int8))).tolist()
    found = []
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        if (stop - start) * history.interval_ms <= history.max_hole_ms:
            continue
        kind = Kind.BEGINS if start == 0 else Kind.ENDS if stop == len(there) else Kind.HOLE
        from_ms = history.from_ms + start * history.interval_ms
        to_ms = history.from_ms + stop * history.interval_ms
        found.append(Hole(symbol, kind, from_ms, to_ms, stop - start))
    return found


def last_bars_of_symbols(history: History) -> list[tuple[int, int]]:
    """The traded slots after whose close a symbol has no bar for too long, with the symbol's row, in order."""
    rows = {symbol: row for row, symbol in enumerate(history.symbols)}
    return sorted(
        (history.first + (hole.from_ms - history.from_ms) // history.interval_ms - 1, rows[hole.symbol])
        for hole in holes(history)
        if hole.kind is not Kind.BEGINS
    )


def unasked_before_holes(history: History, values: Floats) -> Floats:
    """`values` (k, n) with NaN where nothing that is decided on could be carried out any more."""
    ends = last_bars_of_symbols(history)
    if not ends:
        return values
    values = values.copy()
    slots, rows = np.array(ends).T
    values[rows, slots] = np.nan
    return values


def covered(history: History) -> Flags:
    """Which of the traded slots have a bar of any symbol, (n - first,)."""
    return np.asarray((~np.isnan(history.close[:, history.first :])).any(axis=0))


def covered_bars(history: History) -> NDArray[np.int64]:
    """The traded slots that have a bar of any symbol."""
    return np.flatnonzero(covered(history)) + history.first


def holed_days(history: History) -> Times:
    """The UTC days that a hole falls on, by their starts in ms, ascending: a hole of any symbol, or bars that all of
    them lack for as long. What is missing before the first bar and after the last is none."""
    spans = [(hole.from_ms, hole.to_ms) for hole in holes(history) if hole.kind is Kind.HOLE]
    nowhere = _of_symbol(history, "", covered(history))
    spans += [(hole.from_ms, hole.to_ms) for hole in nowhere if hole.kind is Kind.HOLE]
    return days_touched(spans)


def days_touched(spans: Iterable[tuple[int, int]]) -> Times:
    """The UTC days, by their starts in ms, that any of the spans [from_ms, to_ms) falls on."""
    days = {day for from_ms, to_ms in spans for day in range(from_ms // DAY_MS, (to_ms - 1) // DAY_MS + 1)}
    return np.array(sorted(days), np.int64) * DAY_MS


def refuse_holes(found: Sequence[Hole], max_hole_ms: int) -> None:
    """Raises BadInputError, with the holes and the mends, where there are any."""
    real = [hole for hole in found if hole.kind is Kind.HOLE]
    if real:
        raise BadInputError(
            f"the period has {_count(real)} longer than {duration_text(max_hole_ms)}: {_list(real)}; choose a period "
            "without with --from and --to, import what is missing, or add --allow-holes: positions are then closed "
            "before a hole, and the result says HOLES"
        )


def hole_labels(found: Sequence[Hole]) -> tuple[str, ...]:
    """What must stand beside every figure of a run over such a history."""
    labels = []
    if real := [hole for hole in found if hole.kind is Kind.HOLE]:
        labels.append(f"HOLES: positions were closed before {_count(real)} in the data: {_list(real)}")
    if uneven := [hole for hole in found if hole.kind is not Kind.HOLE]:
        labels.append(f"UNEVEN: not every symbol covers the period: {_list(uneven)}")
    return tuple(labels)


def _count(found: Sequence[Hole]) -> str:
    return "a hole" if len(found) == 1 else f"{len(found)} holes"


def _list(found: Sequence[Hole]) -> str:
    more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    return ", ".join(hole.text() for hole in found[:_LISTED]) + more
