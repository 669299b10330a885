"""Made markets on which columns are tried: drawn from a seed, the same everywhere."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.domain.market import MINUTE_MS
from core.ports import BarColumns

START_MS = 1_767_225_600_000
FIELDS = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True, slots=True)
class Weather:
    """Of each bar's move in bps: the mean, the standard deviation, and that of the slow swings of its logarithm."""

    drift_bps: float
    volatility_bps: float
    swings: float


WEATHERS = (Weather(0.0, 8.0, 0.0), Weather(-2.0, 8.0, 0.5), Weather(1.0, 15.0, 1.0))
"""A calm market, a falling one and a wild one."""


def made_market(bars: int, seed: int, weather: Weather = WEATHERS[0]) -> BarColumns:
    """One-minute bars of a price that walks from 100, each opening at the last close."""
    chance = np.random.default_rng(seed)
    swing = weather.swings * np.sin(np.arange(bars) / 97.0)
    deviation = 1e-4 * weather.volatility_bps * np.exp(swing)
    close = 100.0 * np.exp(np.cumsum(1e-4 * weather.drift_bps + deviation * chance.standard_normal(bars)))
    opened = np.concatenate([[100.0], close[:-1]])
    above, below = np.abs(chance.standard_normal((2, bars))) * deviation
    high, low = np.maximum(opened, close) * (1.0 + above), np.minimum(opened, close) / (1.0 + below)
    volume = 50.0 * np.exp(swing) * chance.exponential(size=bars)
    times = START_MS + MINUTE_MS * np.arange(bars, dtype=np.int64)
    return BarColumns("MADEUP", MINUTE_MS, times, opened, high, low, close, volume)


def part(bars: BarColumns, chosen: slice | NDArray[np.int64]) -> BarColumns:
    """Those of the bars that are `chosen`."""
    return bars.at(chosen)


def scaled(bars: BarColumns, price: float, volume: float) -> BarColumns:
    """The bars with all prices and all volumes multiplied."""
    fields: dict[str, Any] = {name: getattr(bars, name) * price for name in ("open", "high", "low", "close")}
    return replace(bars, volume=bars.volume * volume, **fields)
