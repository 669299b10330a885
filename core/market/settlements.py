"""When funding is settled, told by the times that are known: how far apart they are, and which are missing."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.domain.market import MINUTE_MS
from core.market.intervals import LONGEST_FUNDING_MS, interval_text

Times = NDArray[np.int64]

_NEAR = 3
"""So many steps on either side tell the interval that stands at a time."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Settlements that are missing: `count` of them, `interval_ms` apart, the first at `from_ms`."""

    from_ms: int
    interval_ms: int
    count: int

    @property
    def to_ms(self) -> int:
        """The last of them."""
        return self.from_ms + (self.count - 1) * self.interval_ms

    def times(self) -> list[int]:
        return [self.from_ms + n * self.interval_ms for n in range(self.count)]

    def text(self) -> str:
        what = "settlement is" if self.count == 1 else "settlements are"
        return f"{self.count} {what} missing, every {interval_text(self.interval_ms)}"


def pays_funding(symbol: str) -> bool:
    """A contract that is delivered on a day, as BTCUSDT_250328, is held to its price by that and by no funding."""
    return re.search(r"_[0-9]{6}$", symbol) is None


def step_ms(times: Times) -> int | None:
    """The usual step between settlements, whole minutes; None of fewer than two."""
    steps = np.diff(_on_minutes(times))
    return int(np.median(steps)) if len(steps) else None


def missing_between(times: Times, listed_ms: Times) -> list[Missing]:
    """Those between the first and the last of `times` (n,), rising UTC ms.

    `listed_ms` (n,) is the longest interval that the source of each allows. The interval may change with time: at each
    place it is what the nearest steps before and after agree on, and never more than is listed.
    """
    at = _on_minutes(times)
    found = []
    for index, (step, expected) in enumerate(zip(np.diff(at).tolist(), _expected(at, listed_ms).tolist(), strict=True)):
        if step >= 1.5 * expected:
            found.append(Missing(int(at[index]) + expected, expected, max(1, round(step / expected) - 1)))
    return found


def missing_in(times: Times, listed_ms: Times, from_ms: int, to_ms: int) -> list[tuple[int, int]]:
    """Time and interval of every settlement in [from_ms, to_ms) that is not among `times`; see `missing_between`.

    Before the first and after the last the interval goes on that stands there; without any it is 8 hours, on UTC.
    """
    at = _on_minutes(times)
    if not len(at):
        first = -(-from_ms // LONGEST_FUNDING_MS) * LONGEST_FUNDING_MS
        return [(time_ms, LONGEST_FUNDING_MS) for time_ms in range(first, to_ms, LONGEST_FUNDING_MS)]
    expected = _expected(at, listed_ms)
    ends = expected if len(expected) else listed_ms
    before, after = int(ends[0]), int(ends[-1])
    first, last = int(at[0]), int(at[-1])
    found = [(time_ms, before) for time_ms in range(first - before, from_ms - 1, -before)][::-1]
    found += [(time_ms, gap.interval_ms) for gap in missing_between(times, listed_ms) for time_ms in gap.times()]
    found += [(time_ms, after) for time_ms in range(last + after, to_ms, after)]
    return [(time_ms, interval_ms) for time_ms, interval_ms in found if from_ms <= time_ms < to_ms]


def _on_minutes(times: Times) -> Times:
    """Venues stamp a settlement some milliseconds late."""
    return times - times % MINUTE_MS


def _expected(at: Times, listed_ms: Times) -> Times:
    """How long each step between `at` should be, (n - 1,)."""
    steps = np.diff(at)
    expected = steps.copy()
    for index, step in enumerate(steps):
        before, after = steps[max(0, index - _NEAR) : index], steps[index + 1 :][:_NEAR]
        if len(before) and len(after):
            usual = max(before.min(), after.min())
        else:
            usual = min(step, *before[-1:], *after[:1]) if len(steps) > 1 else step
        expected[index] = min(usual, listed_ms[index + 1])
    return np.maximum(expected, MINUTE_MS)
