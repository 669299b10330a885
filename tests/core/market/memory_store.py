from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from core.domain.market import MINUTE_MS, Bar, FundingRate
from core.ports import BarColumns, SettledFunding


class MemoryCandles:
    """Implements core.ports.CandleStore; a bar that is there already with other values is an error."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, int], Bar] = {}
        self.rates: dict[tuple[str, int], FundingRate] = {}

    async def bars(self, symbol: str, from_ms: int, to_ms: int) -> BarColumns:
        rows = sorted(
            (bar for bar in self.rows.values() if bar.symbol == symbol and from_ms <= bar.open_time_ms < to_ms),
            key=lambda bar: bar.open_time_ms,
        )
        table = np.array([(b.open, b.high, b.low, b.close, b.volume) for b in rows], dtype=np.float64).reshape(-1, 5)
        return BarColumns(symbol, MINUTE_MS, np.array([b.open_time_ms for b in rows], dtype=np.int64), *table.T)

    async def append(self, bars: Sequence[Bar]) -> Sequence[Bar]:
        for bar in bars:
            assert self.rows.setdefault((bar.symbol, bar.open_time_ms), bar) == bar
        return bars

    async def append_funding(self, rates: Sequence[SettledFunding]) -> None:
        for rate in rates:
            told = FundingRate(rate.symbol, rate.time_ms, rate.rate, rate.mark_price or Decimal(1))
            assert self.rates.setdefault((rate.symbol, rate.time_ms), told) == told

    async def funding(self, symbol: str, from_ms: int, to_ms: int) -> list[FundingRate]:
        found = [rate for rate in self.rates.values() if rate.symbol == symbol and from_ms <= rate.time_ms < to_ms]
        return sorted(found, key=lambda rate: rate.time_ms)

    async def span(self, symbol: str) -> tuple[int, int] | None:
        times = [open_ms for name, open_ms in self.rows if name == symbol]
        return (min(times), max(times) + MINUTE_MS) if times else None
