"""How much of an exchange's ordinary rate limit something may use that trading can do without."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from core.domain.market import MINUTE_MS
from core.exchange.connection.wire import Wire

MINUTES = 60


class Rationed:
    """Reads of a wire that spend no more than `weight_an_hour`, a sixtieth of it in any minute: what is over waits for
    its turn here, before the rate limit that others share. What alone is more than a minute's part waits until a minute
    was free of others."""

    def __init__(self, wire: Wire, weight_an_hour: int) -> None:
        self._wire = wire
        self.client = wire.client
        self.dialect = wire.dialect
        self.clock = wire.clock
        self._a_minute = weight_an_hour // MINUTES
        self._taken: deque[tuple[int, int]] = deque()
        self._turn = asyncio.Lock()
        self.spent = 0

    def unified(self, symbol: str) -> str:
        return self._wire.unified(symbol)

    async def read(self, method: str, *args: Any, timeout_ms: int | None = None, **kwargs: Any) -> Any:
        """As `Wire.read`, of what does not protect."""
        weight = max(1, self.dialect.weight_of(method, args, kwargs))
        async with self._turn:
            while True:
                wait_ms = self._wait_ms(weight)
                if wait_ms <= 0:
                    break
                await asyncio.sleep(wait_ms / 1_000)
            self._taken.append((self.clock.steady_ms(), weight))
            self.spent += weight
        return await self._wire.read(method, *args, timeout_ms=timeout_ms, **kwargs)

    def _wait_ms(self, weight: int) -> int:
        now_ms = self.clock.steady_ms()
        while self._taken and self._taken[0][0] <= now_ms - MINUTE_MS:
            self._taken.popleft()
        if not self._taken or sum(taken for _, taken in self._taken) + weight <= self._a_minute:
            return 0
        return self._taken[0][0] + MINUTE_MS - now_ms
