"""The event loop's own lag: how late a sleeping task is woken."""

from __future__ import annotations

import asyncio
from collections import deque

from core.clock import monotonic_ns

PERIOD_S = 0.02
_KEEP = 3_000


class LagMeter:
    """`period_s` is how often it is measured."""

    def __init__(self, period_s: float = PERIOD_S) -> None:
        self._period_s = period_s
        self._lags_ms: deque[float] = deque(maxlen=_KEEP)

    async def run(self) -> None:
        while True:
            before = monotonic_ns()
            await asyncio.sleep(self._period_s)
            self._lags_ms.append(max(0.0, (monotonic_ns() - before) / 1e6 - self._period_s * 1e3))

    def p99_ms(self) -> float | None:
        """Over the last 3,000 measurements, a minute of the usual ones; None before the first measurement."""
        if not self._lags_ms:
            return None
        ordered = sorted(self._lags_ms)
        return ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
