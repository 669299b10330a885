"""What is missing of gathered streams, told by numbers, periods, times and by when a stream was listened to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Span = tuple[int, int]
"""UTC milliseconds; the end is not part of it."""


@dataclass(frozen=True, slots=True)
class MissedNumbers:
    """Rows of the numbers `first` to `last`, between rows of the two times."""

    first: int
    last: int
    after_ms: int
    before_ms: int

    @property
    def count(self) -> int:
        return self.last - self.first + 1


def missed_numbers(numbers: Ints, times: Ints) -> list[MissedNumbers]:
    """Between those that are there, (n,) both, in whatever order."""
    order = np.argsort(numbers, kind="stable")
    numbers, times = numbers[order], times[order]
    return [
        MissedNumbers(int(numbers[i]) + 1, int(numbers[i + 1]) - 1, int(times[i]), int(times[i + 1]))
        for i in np.flatnonzero(np.diff(numbers) > 1).tolist()
    ]


def missed_periods(times: Ints, from_ms: int, to_ms: int, period_ms: int) -> list[Span]:
    """Of the periods that begin in [from_ms, to_ms), those of which none of `times` (n,) is the beginning."""
    wanted = np.arange(-(-from_ms // period_ms) * period_ms, to_ms, period_ms, dtype=np.int64)
    missing = wanted[~np.isin(wanted, times)]
    edges = np.flatnonzero(np.diff(missing) > period_ms) + 1
    return [(int(run[0]), int(run[-1]) + period_ms) for run in np.split(missing, edges) if len(run)]


def silences(times: Ints, from_ms: int, to_ms: int, longest_ms: int) -> list[Span]:
    """Where nothing was told for longer than that in [from_ms, to_ms), by `times` (n,) that rise."""
    inside = times[(times >= from_ms) & (times < to_ms)]
    edges = np.concatenate(([from_ms], inside, [to_ms]))
    return [(int(edges[i]), int(edges[i + 1])) for i in np.flatnonzero(np.diff(edges) > longest_ms).tolist()]


def unheard(listened: Iterable[Span], from_ms: int, to_ms: int) -> list[Span]:
    """Of [from_ms, to_ms) what is in none of the spans."""
    found = []
    for start_ms, end_ms in sorted(listened):
        if start_ms > from_ms:
            found.append((from_ms, min(start_ms, to_ms)))
        from_ms = max(from_ms, end_ms)
        if from_ms >= to_ms:
            break
    if from_ms < to_ms:
        found.append((from_ms, to_ms))
    return [(start_ms, end_ms) for start_ms, end_ms in found if start_ms < end_ms]


def duration_ms(spans: Sequence[Span]) -> int:
    return sum(end_ms - start_ms for start_ms, end_ms in spans)
