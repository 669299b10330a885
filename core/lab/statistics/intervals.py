"""Within what a Sharpe ratio may lie, given how it was measured: an interval that holds its level on short records
too."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from core.arithmetic.days import DAYS_PER_YEAR, LEAST_DAYS
from core.lab.run.result import Floats
from core.lab.statistics.basis import LEVEL
from core.lab.validation.luck import NORMAL, moments

MOST_DEPENDENCE = 0.9


@dataclass(frozen=True, slots=True)
class Interval:
    low: float
    high: float


def sharpe_interval(returns: Floats, level: float = LEVEL) -> Interval | None:
    """The annual Sharpe ratios that the daily `returns` (n,) do not speak against at `level`, riskless rate 0.

    A ratio is in it where the measured one lies within Student's quantile of its standard error, by the variance that
    the estimate would have if that ratio were the true one (Mertens 2002) and each day told of the next as much as is
    measured (`dependence_factor`). At a ratio of 0 that is the t test of the mean, which skew and tails do not mislead.

    None for fewer than LEAST_DAYS, where the returns do not differ, and where their tails leave no bound.
    """
    shape = moments(returns)
    if shape is None or shape.observations < LEAST_DAYS:
        return None
    quantile = student_quantile((1.0 + level) / 2.0, shape.observations - 1)
    error = quantile**2 * dependence_factor(returns) / shape.observations
    # (ratio - x)^2 = error (1 - skew x + (kurtosis - 1) / 4 x^2), solved for x.
    square = 1.0 - error * (shape.kurtosis - 1.0) / 4.0
    half = shape.sharpe - error * shape.skew / 2.0
    root = half**2 - square * (shape.sharpe**2 - error)
    if square <= 0.0 or root < 0.0:
        return None
    annual = math.sqrt(DAYS_PER_YEAR)
    low, high = ((half + sign * math.sqrt(root)) / square * annual for sign in (-1.0, 1.0))
    return Interval(low, high)


def dependence_factor(returns: Floats) -> float:
    """Variance of a mean of the `returns` (n,) over that of independent ones: (1 + r) / (1 - r) of an autoregression of
    one day, r corrected for the bias of short series (Kendall 1954)."""
    off = returns - returns.mean()
    count = len(returns)
    measured = float(off[1:] @ off[:-1]) / float(off @ off)
    true = float(np.clip(measured + (1.0 + 3.0 * measured) / count, -MOST_DEPENDENCE, MOST_DEPENDENCE))
    return (1.0 + true) / (1.0 - true)


def student_quantile(probability: float, freedom: int) -> float:
    """Of Student's t with `freedom` degrees, LEAST_DAYS - 1 or more: right to 1e-5 from 0.5 % to 99.5 % (Abramowitz and
    Stegun 26.7.5)."""
    z = NORMAL.inv_cdf(probability)
    terms = (
        z,
        (z**3 + z) / 4.0,
        (5.0 * z**5 + 16.0 * z**3 + 3.0 * z) / 96.0,
        (3.0 * z**7 + 19.0 * z**5 + 17.0 * z**3 - 15.0 * z) / 384.0,
        (79.0 * z**9 + 776.0 * z**7 + 1_482.0 * z**5 - 1_920.0 * z**3 - 945.0 * z) / 92_160.0,
    )
    return math.fsum(term / freedom**power for power, term in enumerate(terms))
