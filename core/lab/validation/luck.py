"""How likely a Sharpe ratio is luck: probabilistic and deflated Sharpe ratio, minimum track record length.

All ratios here are those of one period (a day for daily returns), not annual: an annual one of 365-day years is
sqrt(365) times as large, the variance of annual ones 365 times that of daily ones.

Bailey and Lopez de Prado (2012), "The Sharpe Ratio Efficient Frontier", and (2014), "The Deflated Sharpe Ratio".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from core.arithmetic.ratios import ROUNDING
from core.lab.run.result import Floats

EULER_GAMMA = 0.5772156649015329
NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Moments:
    """Shape of a series of `observations` returns: its Sharpe ratio, `skew` and `kurtosis` (3 for normal returns)."""

    observations: int
    sharpe: float
    skew: float
    kurtosis: float


def moments(returns: Floats) -> Moments | None:
    """Moments of `returns` (n,); None for fewer than three of them or where they are all equal.

    The Sharpe ratio has the sample deviation (n - 1); skew and kurtosis are those of the sample without correction for
    its size, as skfolio has them. quantstats corrects both, so its probabilistic ratio differs a little.
    """
    if len(returns) < 3:
        return None
    mean = float(np.mean(returns))
    off = returns - mean
    square = float(np.mean(off**2))
    if math.sqrt(square) <= ROUNDING * float(np.max(np.abs(returns))):
        return None
    scaled = off / math.sqrt(square)
    count = len(returns)
    return Moments(
        observations=count,
        sharpe=mean / math.sqrt(square * count / (count - 1)),
        skew=float(np.mean(scaled**3)),
        kurtosis=float(np.mean(scaled**4)),
    )


def sharpe_variance(of: Moments) -> float | None:
    """Variance of the estimate of the Sharpe ratio: (1 - skew SR + (kurtosis - 1) / 4 SR^2) / (n - 1).

    Mertens (2002). None where skew and kurtosis are such that it is not above 0.
    """
    spread = _spread(of)
    return spread / (of.observations - 1) if spread > 0.0 and of.observations > 1 else None


def probabilistic_sharpe(of: Moments, benchmark: float = 0.0) -> float | None:
    """Probability, 0 to 1, that the true Sharpe ratio is above `benchmark` (2012)."""
    variance = sharpe_variance(of)
    return None if variance is None else _normal_below((of.sharpe - benchmark) / math.sqrt(variance))


def expected_max_sharpe(trials: int, variance: float, mean: float = 0.0) -> float:
    """Sharpe ratio to expect of the best of `trials` independent ones without skill (2014).

    `variance` and `mean` are those of the trials' Sharpe ratios. The best of one trial is chosen by nobody, so 0.
    Raises ValueError for fewer than one trial or a negative variance.
    """
    if trials < 1 or not variance >= 0.0:
        raise ValueError(f"{trials} trials with a variance of {variance}: at least 1 and 0 are needed")
    if trials == 1:
        return 0.0
    # The quantiles at 1 - p are those at p with the sign turned, which stay exact for any number of trials.
    first, second = NORMAL.inv_cdf(1.0 / trials), NORMAL.inv_cdf(1.0 / (trials * math.e))
    return mean - math.sqrt(variance) * ((1.0 - EULER_GAMMA) * first + EULER_GAMMA * second)


def luck_of_best(of: Moments, trials: int, variance: float | None, mean: float | None) -> float:
    """What the best of `trials` that are like `of` shows by luck: expected of the `variance` and `mean` of the ratios
    that were kept (None for fewer than two), but no less than of so many estimates without skill.

    Trials that resemble each other differ by less than independent ones would, and trials that were sure to lose bring
    the mean down. Taken as they are, both would make the best look rarer than it is. (2014) leaves this open; the floor
    only ever lowers the deflated ratio.
    """
    without_skill = expected_max_sharpe(trials, sharpe_variance(of) or 0.0)
    if variance is None or mean is None:
        return without_skill
    return max(without_skill, expected_max_sharpe(trials, variance, mean))


def deflated_sharpe(of: Moments, trials: int, variance: float, mean: float = 0.0) -> float | None:
    """Probability, 0 to 1, that the best of `trials` has skill: its Sharpe ratio against the one expected of luck.

    `of` is the chosen trial, `variance` and `mean` those of the Sharpe ratios of all trials (of one period).
    """
    return probabilistic_sharpe(of, expected_max_sharpe(trials, variance, mean))


def minimum_track_record(of: Moments, benchmark: float = 0.0, confidence: float = 0.95) -> float | None:
    """Observations after which this Sharpe ratio is above `benchmark` with `confidence` (2012).

    None where it is not above the benchmark, as then no record is long enough. Raises ValueError for a confidence that
    is not between 0.5 and 1.
    """
    if not 0.5 < confidence < 1.0:
        raise ValueError(f"a confidence of {confidence} is not between 0.5 and 1")
    spread = _spread(of)
    if of.sharpe <= benchmark or spread <= 0.0:
        return None
    return 1.0 + spread * (NORMAL.inv_cdf(confidence) / (of.sharpe - benchmark)) ** 2


def days_beyond_luck(of: Moments, expected: float, confidence: float) -> float | None:
    """Observations after which this Sharpe ratio is above what luck is expected to show with `confidence`: luck
    scatters as estimates do, so `expected` falls with the root of the length. None where the ratio is not above 0."""
    spread = _spread(of)
    if of.sharpe <= 0.0 or spread <= 0.0 or of.observations < 2:
        return None
    errors = NORMAL.inv_cdf(confidence) + max(0.0, expected) * math.sqrt((of.observations - 1) / spread)
    return 1.0 + spread * (errors / of.sharpe) ** 2


def _spread(of: Moments) -> float:
    return 1.0 - of.skew * of.sharpe + (of.kurtosis - 1.0) / 4.0 * of.sharpe**2


def _normal_below(score: float) -> float:
    """The standard normal distribution function, exact in its lower tail too."""
    return 0.5 * math.erfc(-score / math.sqrt(2.0))
