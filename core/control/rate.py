"""How often something may be asked: so many at once, and so many a second after that."""

from __future__ import annotations

from collections.abc import Callable


class Pace:
    """`now_s` is a clock that never goes back."""

    def __init__(self, a_second: float, at_once: int, now_s: Callable[[], float]) -> None:
        self._a_second = a_second
        self._at_once = float(at_once)
        self._now_s = now_s
        self._left = self._at_once
        self._counted_s = now_s()

    def take(self) -> float:
        """Count one, and return after how many seconds it may be carried out; 0 for now."""
        self._refill()
        self._left -= 1.0
        return max(0.0, -self._left / self._a_second)

    def try_take(self) -> bool:
        """Count one where it may be carried out now; False, uncounted, where it may not."""
        self._refill()
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True

    def _refill(self) -> None:
        now_s = self._now_s()
        self._left = min(self._at_once, self._left + (now_s - self._counted_s) * self._a_second)
        self._counted_s = now_s
