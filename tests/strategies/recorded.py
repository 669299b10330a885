"""Windows of the recorded market and made-up ones, for the tests of strategies and learning."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from core.domain.market import MINUTE_MS
from core.ports import BarColumns

_CANDLES = Path(__file__).parents[2] / "data" / "candles"
COLUMNS = ("open", "high", "low", "close", "volume")


@cache
def recorded(symbol: str) -> BarColumns:
    table = pq.read_table(_CANDLES / f"{symbol}-1m.parquet")
    columns = {name: table[name].to_numpy() for name in COLUMNS}
    return BarColumns(symbol, MINUTE_MS, table["open_time"].to_numpy(), **columns)


def cut(window: BarColumns, first: int, end: int) -> BarColumns:
    """Bars first <= i < end."""
    part = slice(first, end)
    columns = {name: getattr(window, name)[part] for name in COLUMNS}
    return replace(window, open_time_ms=window.open_time_ms[part], **columns)


def without(window: BarColumns, bar: int) -> BarColumns:
    columns = {name: np.delete(getattr(window, name), bar) for name in COLUMNS}
    return replace(window, open_time_ms=np.delete(window.open_time_ms, bar), **columns)


def made_up(close: np.ndarray, volume: np.ndarray, spread: float = 0.0) -> BarColumns:
    """Bars around the given closes, `spread` of the price wide."""
    times = np.arange(len(close), dtype=np.int64) * MINUTE_MS
    return BarColumns("MADEUP", MINUTE_MS, times, close, close * (1 + spread), close * (1 - spread), close, volume)
