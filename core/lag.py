"""The event loop's own lag: how late a sleeping task is woken."""

from __future__ import annotations

import asyncio
from collections import deque

from core.clock import monotonic_ns

_PERIOD_S = 0.02
_KEEP = 3_000


class LagMeter:
    def __init__(self) -> None:
        self._lags_ms: deque[float] = deque(maxlen=_KEEP)

    async def run(self) -> None:
        while True:
            before = monotonic_ns()
            await asyncio.sleep(_PERIOD_S)
            self._lags_ms.append(max(0.0, (monotonic_ns() - before) / 1e6 - _PERIOD_S * 1e3))

    def p99_ms(self) -> float | None:
        """Over about the last minute; None before the first measurement."""
        if not self._lags_ms:
            return None
        ordered = sorted(self._lags_ms)
        return ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
