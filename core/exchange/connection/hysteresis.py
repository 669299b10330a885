"""When the way to an exchange counts as well again: not at once, for what comes and goes would fire and clear a limit
each time."""

from __future__ import annotations

from core.trader.limits import WELL_AGAIN_S


class Steady:
    """A problem counts at once; that there is none, only once there has been none for WELL_AGAIN_S. A start is not held
    up: what ends within WELL_AGAIN_S of it was part of it.

    Times are seconds of the loop, so that a clock that is set moves none of them.
    """

    def __init__(self, now_s: float) -> None:
        self._started_s = now_s
        self._well_since_s: float | None = None
        self.last = ""

    def hold_s(self, problem: str, now_s: float) -> float:
        """For how long the problem told `last` still stands; 0 where there is one now, or all is well."""
        if problem:
            self.last, self._well_since_s = problem, None
        if problem or not self.last:
            return 0.0
        if self._well_since_s is None:
            self._well_since_s = now_s
        left_s = self._well_since_s + WELL_AGAIN_S - now_s
        if left_s <= 0.0 or self._well_since_s < self._started_s + WELL_AGAIN_S:
            self.last = ""
            return 0.0
        return left_s
