"""Ratios of daily returns, by which models and runs are judged alike."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from core.arithmetic.days import DAYS_PER_YEAR

Floats = NDArray[np.float64]


ROUNDING = 1e-12
"""A spread this small against the values themselves is what rounding leaves of equal values."""


def sharpe(returns: Floats) -> float | None:
    """Mean over standard deviation (n - 1) of daily returns, times sqrt(365); the riskless rate is 0.

    Sharpe (1994), "The Sharpe Ratio". None for fewer than two returns or where they are all equal.
    """
    if len(returns) < 2:
        return None
    spread = float(np.std(returns, ddof=1))
    if spread <= ROUNDING * float(np.max(np.abs(returns))):
        return None
    return float(np.mean(returns)) / spread * math.sqrt(DAYS_PER_YEAR)


def sortino(returns: Floats) -> float | None:
    """Mean of daily returns over their downside deviation, times sqrt(365).

    The deviation is the root of the mean over all days, the winning ones too, of min(return, 0) squared: Rollinger and
    Hoffman (2013), "Sortino: A 'Sharper' Ratio". None without a losing day or with fewer than two days.
    """
    if len(returns) < 2:
        return None
    downside = math.sqrt(float(np.mean(np.minimum(returns, 0.0) ** 2)))
    return float(np.mean(returns)) / downside * math.sqrt(DAYS_PER_YEAR) if downside > 0.0 else None
