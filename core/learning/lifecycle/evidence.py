"""Whether the mean of bounded outcomes is above zero, told after each of them and true however often one looks.

Betting (Waudby-Smith and Ramdas 2024, "Estimating means of bounded random variables by betting", JRSS B 86): who stakes
the share b of a wealth of 1 on each outcome x in -1..1 has prod(1 + b x). If, whatever came before, the mean of the
next outcome is not above 0, this wealth is expected not to grow, and the chance that it is ever 1 / alpha or more is at
most alpha (Ville 1939). The stake need not be known: the mean of the wealths of several stakes is such a wealth, too
(of `STAKES`, equal parts). What is asked of the outcomes is only that: no distribution, no independence, no number of
them fixed before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct

from core.domain.errors import BadInputError

STAKES = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 3 / 8, 1 / 2, 3 / 4, 15 / 16)
"""Below 1, so that no outcome ends a wealth for good. The best stake is about the mean over the variance."""

_MOST_WEIGHT = 0.75
"""Above which no outcome weighs in the bound: the truncation c of the paper."""


_MOST_LOG = 700.0


class Evidence(Struct, frozen=True):
    """What the outcomes so far say, as a fold: the same outcomes in the same order give the same, to the bit.

    `log_wealth` has one entry a stake. The other sums are of the bound, of outcomes y = (x + 1) / 2: `weights` of the
    weights, `weighted` of weight times y, `spent` of what the outcomes' spread costs; `total` of y, `squares` of the
    squared distances of y from their mean so far.
    """

    alpha: float = 0.05
    outcomes: int = 0
    log_wealth: tuple[float, ...] = (0.0,) * len(STAKES)
    weights: float = 0.0
    weighted: float = 0.0
    spent: float = 0.0
    total: float = 0.0
    squares: float = 0.0

    def __post_init__(self) -> None:
        check_alpha(self.alpha)

    @property
    def mean(self) -> float | None:
        """Of the outcomes themselves; None before the first."""
        return 2.0 * self.total / self.outcomes - 1.0 if self.outcomes else None

    @property
    def log_e(self) -> float:
        """The logarithm of the mean wealth."""
        return log_sum(self.log_wealth) - math.log(len(self.log_wealth))

    @property
    def is_enough(self) -> bool:
        """Whether a mean of 0 or below is refused at the level `alpha`."""
        return self.log_e >= -math.log(self.alpha)

    @property
    def lower_bound(self) -> float | None:
        """Below which, at every moment together, the mean lies with probability `alpha` at most; None before the first
        outcome. Where the mean changes it is that of the means by `weights`.

        The predictable plug-in empirical Bernstein bound (theorem 2 there), of one side. It is a little
        wider than the test, which may refuse a mean of 0 while the bound is still below.
        """
        if not self.outcomes:
            return None
        low = (self.weighted + math.log(self.alpha) - self.spent) / self.weights
        return max(-1.0, 2.0 * low - 1.0)


def fold(evidence: Evidence, outcome: float) -> Evidence:
    """The evidence after one more outcome in -1..1. Raises BadInputError for any other."""
    check_outcome(outcome)
    y = (outcome + 1.0) / 2.0
    count = evidence.outcomes + 1
    mean_before = (0.5 + evidence.total) / count
    variance_before = (0.25 + evidence.squares) / count
    # How much an outcome weighs is settled before it is known.
    weight = min(
        _MOST_WEIGHT, math.sqrt(2.0 * -math.log(evidence.alpha) / (variance_before * count * math.log(1.0 + count)))
    )
    total = evidence.total + y
    mean = (0.5 + total) / (count + 1)
    return Evidence(
        alpha=evidence.alpha,
        outcomes=count,
        log_wealth=staked(evidence.log_wealth, outcome),
        weights=evidence.weights + weight,
        weighted=evidence.weighted + weight * y,
        spent=evidence.spent + (y - mean_before) ** 2 * (-math.log1p(-weight) - weight),
        total=total,
        squares=evidence.squares + (y - mean) ** 2,
    )


def staked(log_wealth: Sequence[float], outcome: float) -> tuple[float, ...]:
    """The logarithms of the wealths of STAKES after one more outcome."""
    return tuple([known + math.log1p(stake * outcome) for known, stake in zip(log_wealth, STAKES, strict=True)])


def log_sum(logarithms: Sequence[float]) -> float:
    """The logarithm of the sum of what they are logarithms of."""
    most = max(logarithms)
    return most + math.log(math.fsum([math.exp(one - most) for one in logarithms]))


def wealth(log_e: float) -> float:
    """What a logarithm is of, as far as a float can tell it."""
    return math.exp(min(log_e, _MOST_LOG))


def check_outcome(outcome: float) -> None:
    if not -1.0 <= outcome <= 1.0:
        raise BadInputError(f"outcome {outcome}: is not in -1..1; scale it by the bound that it was clipped to")


def check_alpha(alpha: float) -> None:
    if not 0.0 < alpha < 1.0:
        raise BadInputError(f"alpha {alpha}: must lie between 0 and 1")
