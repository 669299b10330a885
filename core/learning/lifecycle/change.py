"""Whether a mean that was good for long has turned bad: the test of `evidence`, its beginning unknown.

One wealth would have to lose first what a long good time took from it. So a wealth is begun before every outcome, with
a share w_k of 1 for the k-th, and what is not begun yet is kept: the sum is a wealth as in `evidence`, so that it is
ever 1 / alpha or more with probability alpha at most, for all time, while the mean is not above 0. (A mixture over the
unknown moment; for bounded outcomes Shin, Ramdas and Rinaldo 2024, "E-detectors: a nonparametric framework for
sequential change detection", who bound how often it is wrong instead of whether it ever is.) The shares fall nearly as
slowly as they can, w_k = C / ((k + 1) ln^2(k + 1)): after k good outcomes a turn takes ln(1 / w_k) more evidence, 12.4
at 2,000 and 17.1 at 100,000, beside the ln(1 / alpha) of any.
"""

from __future__ import annotations

import math

from msgspec import Struct

from core.learning.lifecycle.evidence import STAKES, check_alpha, check_outcome, log_sum, staked

_SHARES = 0.47399
"""1 over the sum of 1 / (j ln^2 j) for j from 2 on, 2.109743, rounded down."""


class Change(Struct, frozen=True):
    """What the outcomes so far say, as a fold. `log_wealth`, empty before the first outcome, has one entry a stake:
    what was begun before any of the outcomes; `kept` is the share that is not begun yet."""

    alpha: float = 0.05
    outcomes: int = 0
    log_wealth: tuple[float, ...] = ()
    kept: float = 1.0

    def __post_init__(self) -> None:
        check_alpha(self.alpha)

    @property
    def log_e(self) -> float:
        """The logarithm of the whole wealth."""
        if not self.outcomes:
            return 0.0
        return log_sum((log_sum(self.log_wealth) - math.log(len(STAKES)), math.log(self.kept)))

    @property
    def has_come(self) -> bool:
        """Whether it is refused, at the level `alpha`, that the mean was never above 0."""
        return self.log_e >= -math.log(self.alpha)


def share(number: int) -> float:
    """How much of 1 is begun before the outcome of this number, from 1 on."""
    return _SHARES / ((number + 1) * math.log(number + 1) ** 2)


def fold_change(change: Change, outcome: float) -> Change:
    """After one more outcome in -1..1, above 0 where it speaks for the change. Raises BadInputError for any other."""
    check_outcome(outcome)
    number = change.outcomes + 1
    begun = math.log(share(number))
    before = [log_sum((known, begun)) for known in change.log_wealth] or [begun] * len(STAKES)
    return Change(
        alpha=change.alpha,
        outcomes=number,
        log_wealth=staked(before, outcome),
        kept=change.kept - share(number),
    )
