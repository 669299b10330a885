"""How far figures of a run would scatter by chance: block bootstrap of its returns.

Blocks keep what follows on what. Circular: Politis and Romano (1992); stationary: Politis and Romano (1994).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.backtest.result import Floats
from core.backtest.statistics import DAYS_PER_YEAR, ROUNDING
from core.domain.errors import BadInputError

Blocks = Literal["stationary", "circular"]


@dataclass(frozen=True, slots=True)
class Interval:
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class BootstrapIntervals:
    """Percentile intervals that hold `level` of `samples` resamplings in blocks of (on average) `block_days`.

    `mean_daily_pct` is the mean daily return, `sharpe` the annual Sharpe ratio (None where the returns do not differ),
    `max_drawdown_pct` the drawdown of the compounded daily returns, 0 or above.
    """

    level: float
    samples: int
    block_days: int
    mean_daily_pct: Interval
    sharpe: Interval | None
    max_drawdown_pct: Interval


def bootstrap_intervals(
    returns: Floats,
    rng: np.random.Generator,
    samples: int = 2_000,
    level: float = 0.95,
    block_days: int | None = None,
    blocks: Blocks = "stationary",
) -> BootstrapIntervals | None:
    """Intervals of the daily `returns` (n,), None for fewer than two.

    Without `block_days` a block has the cube root of n days, rounded up: the order that is best for the variance of
    a mean (Hall, Horowitz and Jing 1995). Raises BadInputError for fewer than one sample, a block shorter than a day or
    longer than the series, or a level that is not between 0 and 1.
    """
    count = len(returns)
    if count < 2:
        return None
    length = math.ceil(round(count ** (1 / 3), 9)) if block_days is None else block_days
    if samples < 1 or not 0.0 < level < 1.0 or not 1 <= length <= count:
        raise BadInputError(
            f"samples = {samples}, level = {level}, block_days = {length}: "
            f"a bootstrap needs 1 sample, a level between 0 and 1 and blocks of 1 to {count} days"
        )
    drawn = returns[resampled_rows(count, samples, length, rng, blocks)]
    means, spreads = drawn.mean(axis=1), drawn.std(axis=1, ddof=1)
    varied = spreads > ROUNDING * np.abs(drawn).max(axis=1)
    ratios = means[varied] / spreads[varied] * math.sqrt(DAYS_PER_YEAR)
    wealth = np.cumprod(1.0 + drawn, axis=1)
    peaks = np.maximum(np.maximum.accumulate(wealth, axis=1), 1.0)
    depths = -np.minimum((wealth / peaks - 1.0).min(axis=1), 0.0)
    return BootstrapIntervals(
        level=level,
        samples=samples,
        block_days=length,
        mean_daily_pct=_interval(means * 100.0, level),
        sharpe=_interval(ratios, level) if len(ratios) else None,
        max_drawdown_pct=_interval(depths * 100.0, level),
    )


def resampled_rows(
    count: int, samples: int, length: int, rng: np.random.Generator, blocks: Blocks
) -> NDArray[np.int64]:
    """Rows (samples, count) of a series of `count` that runs on from its end to its beginning.

    Circular blocks all have `length` rows, stationary ones a geometric number with that mean.
    """
    if blocks == "circular":
        starts = rng.integers(0, count, (samples, -(-count // length)))
        runs = starts[:, :, None] + np.arange(length)
        return runs.reshape(samples, -1)[:, :count] % count
    column = np.arange(count)
    fresh = rng.random((samples, count)) < 1.0 / length
    fresh[:, 0] = True
    begun = np.maximum.accumulate(np.where(fresh, column, 0), axis=1)
    starts = np.take_along_axis(rng.integers(0, count, (samples, count)), begun, axis=1)
    return (starts + column - begun) % count


def _interval(values: Floats, level: float) -> Interval:
    low, high = np.quantile(values, ((1.0 - level) / 2.0, (1.0 + level) / 2.0))
    return Interval(float(low), float(high))
