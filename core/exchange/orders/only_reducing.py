"""Contracts in which the exchange takes only what reduces: nothing is entered there for a while, then one entry is."""

from __future__ import annotations

import asyncio

from core.exchange.connection.limiter import utc
from core.exchange.connection.wire import Wire

PART = "entries"
PAUSE_S = 600.0
"""Binance judges by contract, in cycles of ten minutes. It names no end: who tries all the time may prolong it."""


class OnlyReducing:
    """Entries alone are held up; stops, exits and withdrawals go on."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._over: dict[str, asyncio.TimerHandle] = {}

    def note(self, symbol: str, reason: str) -> None:
        """An entry in `symbol` was refused for `reason`, and would be again."""
        until = utc(self._wire.clock.now_ms() + round(1000 * PAUSE_S))
        self._wire.health.report(PART, f"{reason}; the next entry is tried after {until}", symbol)
        if (earlier := self._over.get(symbol)) is not None:
            earlier.cancel()
        self._over[symbol] = asyncio.get_running_loop().call_later(PAUSE_S, self._end, symbol)

    def _end(self, symbol: str) -> None:
        del self._over[symbol]
        self._wire.health.report(PART, "", symbol)
