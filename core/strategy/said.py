"""What a part of a strategy has said, as columns that another part is given: what was said of each bar, or nothing.

Of a bar that a part said nothing of in time nothing is made up, and what it said of the bar before is not taken for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from core.ports import NEVER, Seen
from core.strategy.declaration import Part

Floats = NDArray[np.float64]
Times = NDArray[np.int64]


def said_at(part: Part, symbol: str, closes_ms: Times, said_ms: Times, values: Floats) -> Seen:
    """At each of `closes_ms` (n,) what `part` said of that bar, out of `values` (m, outputs) said of the closes
    `said_ms` (m,), which rise."""
    place = np.searchsorted(said_ms, closes_ms, side="right") - 1
    newest_ms = np.append(said_ms, 0)[place]
    ages_ms = np.where(place >= 0, closes_ms - newest_ms, NEVER)
    rows = np.full((len(closes_ms), len(part.outputs)), np.nan)
    there = ages_ms == 0
    rows[there] = values[place[there]]
    names = tuple(f"{part.name}.{output.name}" for output in part.outputs)
    return Seen(symbol, (part.name,), names, closes_ms, rows, ages_ms[:, np.newaxis], (0,))


def joined(seen: Sequence[Seen], inputs: Sequence[str]) -> Seen:
    """The columns of `inputs` in that order, out of what was seen of one symbol at the same closes. Raises ValueError
    for one that is not there."""
    if len(seen) == 1 and seen[0].inputs == tuple(inputs):
        return seen[0]
    columns, ages, names, oldest = [], [], [], []
    for name in inputs:
        its = next((one for one in seen if name in one.inputs), None)
        if its is None:
            raise ValueError(f"{seen[0].symbol if seen else ''}: {name} is not told")
        place = its.inputs.index(name)
        chosen = [n for n, column in enumerate(its.names) if column.rpartition(".")[0] == name]
        columns.append(its.values[:, chosen])
        names += [its.names[n] for n in chosen]
        ages.append(its.ages_ms[:, place])
        oldest.append(its.max_ages_ms[place])
    first = seen[0]
    values = np.hstack(columns)
    return Seen(first.symbol, tuple(inputs), tuple(names), first.close_ms, values, np.column_stack(ages), tuple(oldest))


def without_newest(seen: Seen, parts: Sequence[str]) -> Seen:
    """As it is known at the newest close itself, before the parts have spoken of that bar."""
    values, ages_ms = seen.values.copy(), seen.ages_ms.copy()
    for place, name in enumerate(seen.inputs):
        if name in parts:
            ages_ms[-1:, place] = NEVER
            values[-1:, [n for n, column in enumerate(seen.names) if column.rpartition(".")[0] == name]] = np.nan
    return replace(seen, values=values, ages_ms=ages_ms)


class Sayings:
    """The newest that one part has said of one symbol, at most `capacity` bars of it."""

    def __init__(self, part: Part, symbol: str, capacity: int) -> None:
        self._part = part
        self._symbol = symbol
        self._capacity = capacity
        # Twice as many rows as are kept, so that they move only once in a while.
        self._closes = np.empty(2 * capacity, np.int64)
        self._values = np.empty((2 * capacity, len(part.outputs)))
        self._end = 0

    def keep(self, closes_ms: Times, values: Floats) -> None:
        """Of bars in order; what is of no later bar than the newest that is known is left out."""
        if self._end:
            first = int(np.searchsorted(closes_ms, self._closes[self._end - 1], side="right"))
            closes_ms, values = closes_ms[first:], values[first:]
        closes_ms, values = closes_ms[-self._capacity :], values[-self._capacity :]
        if self._end + len(closes_ms) > len(self._closes):
            left = min(self._capacity, self._end)
            for kept in (self._closes, self._values):
                kept[:left] = kept[self._end - left : self._end]
            self._end = left
        stop = self._end + len(closes_ms)
        self._closes[self._end : stop] = closes_ms
        self._values[self._end : stop] = values
        self._end = stop

    def at(self, closes_ms: Times) -> Seen:
        return said_at(self._part, self._symbol, closes_ms, self._closes[: self._end], self._values[: self._end])
