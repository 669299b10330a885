"""Candles in memory that outlive a process."""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Sequence

import numpy as np

from core.domain.market import MINUTE_MS, Bar, FundingRate
from core.ports import BarColumns


class MemoryCandles:
    """Implements core.ports.CandleStore. Raises AssertionError where a bar is told twice and not alike. `most` is how
    many bars of a symbol are kept."""

    def __init__(self, most: int = 1 << 30) -> None:
        self._most = most
        self._times: dict[str, list[int]] = {}
        self._bars: dict[str, list[Bar]] = {}
        self.settled: list[object] = []

    async def bars(self, symbol: str, from_ms: int, to_ms: int) -> BarColumns:
        times, bars = self._times.get(symbol, []), self._bars.get(symbol, [])
        low, high = bisect_left(times, from_ms), bisect_left(times, to_ms)
        found = bars[low:high]
        columns = [np.array([getattr(bar, name) for bar in found], np.float64) for name in _PRICES]
        return BarColumns(symbol, MINUTE_MS, np.array(times[low:high], np.int64), *columns)

    async def append(self, bars: Sequence[Bar]) -> Sequence[Bar]:
        for bar in bars:
            times = self._times.setdefault(bar.symbol, [])
            known = bisect_left(times, bar.open_time_ms)
            if known < len(times):
                assert self._bars[bar.symbol][known] == bar, f"another bar at {bar.open_time_ms}: {bar}"
                continue
            times.append(bar.open_time_ms)
            kept = self._bars.setdefault(bar.symbol, [])
            kept.append(bar)
            del times[: -self._most], kept[: -self._most]
        return bars

    async def append_funding(self, rates: Sequence[object]) -> None:
        self.settled += rates

    async def funding(self, symbol: str, from_ms: int, to_ms: int) -> list[FundingRate]:
        return []

    async def span(self, symbol: str) -> tuple[int, int] | None:
        times = self._times.get(symbol)
        return (times[0], times[-1] + MINUTE_MS) if times else None

    def holes(self, symbol: str) -> list[int]:
        """Open times that are missing between the first and the last bar."""
        times = self._times.get(symbol, [])
        return [
            missing
            for before, after in itertools.pairwise(times)
            for missing in range(before + MINUTE_MS, after, MINUTE_MS)
        ]

    def newest_ms(self, symbol: str) -> int:
        """The newest bar's open time; 0 where there is none."""
        return self._times[symbol][-1] if self._times.get(symbol) else 0

    def close(self, symbol: str, open_ms: int) -> float:
        """Raises IndexError where no bar as late is there."""
        return self._bars[symbol][bisect_left(self._times[symbol], open_ms)].close

    def all_bars(self, symbol: str) -> list[Bar]:
        return list(self._bars.get(symbol, []))


_PRICES = ("open", "high", "low", "close", "volume")
