"""How deep the drawdown of a run could have been by chance: block bootstrap of its returns.

Blocks keep what follows on what. Circular: Politis and Romano (1992); stationary: Politis and Romano (1994).
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import BadInputError
from core.lab.run.result import Floats
from core.lab.statistics.basis import LEVEL

Blocks = Literal["stationary", "circular"]


def likely_drawdown_pct(
    returns: Floats,
    rng: np.random.Generator,
    samples: int = 2_000,
    level: float = LEVEL,
    block_days: int | None = None,
    blocks: Blocks = "stationary",
) -> float | None:
    """What the drawdown of the compounded daily `returns` (n,) stays at or below in `level` of `samples` resamplings in
    blocks of (on average) `block_days`, in percent, 0 or above; None for fewer than two.

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
    wealth = np.cumprod(1.0 + drawn, axis=1)
    peaks = np.maximum(np.maximum.accumulate(wealth, axis=1), 1.0)
    depths = -np.minimum((wealth / peaks - 1.0).min(axis=1), 0.0)
    return float(np.quantile(depths * 100.0, level))


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
