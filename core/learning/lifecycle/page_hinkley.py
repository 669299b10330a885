"""Whether the loss of a model has risen: the test of Page and Hinkley, one loss at a time. An alarm, not evidence: it
has no level, and how often it is false hangs on its threshold and on the losses' scale.

E. S. Page (1954), "Continuous inspection schemes", of the mean so far as Hinkley (1971) has it; with the fading factor
of Gama, Sebastiao and Rodrigues (2013). Its numbers are those of river's `drift.PageHinkley(mode="up")`.
"""

from __future__ import annotations

import math

from msgspec import Struct

from core.domain.errors import BadInputError


class Watchfulness(Struct, frozen=True):
    """`delta` is how much above its mean a loss may lie, and `threshold` how much of what exceeds that may gather, in
    the unit of the losses; of what has gathered `fading` stays at each. Nothing is told of the first `least` losses."""

    delta: float = 0.005
    threshold: float = 50.0
    fading: float = 1 - 0.0001
    least: int = 30

    def __post_init__(self) -> None:
        if not (self.delta >= 0.0 and self.threshold > 0.0 and 0.0 < self.fading <= 1.0 and self.least >= 1):
            raise BadInputError(
                f"delta {self.delta}, threshold {self.threshold}, fading {self.fading}, least {self.least}: "
                "the threshold must be above 0, delta not below, fading in 0..1 and least 1 or more"
            )


class Gathered(Struct, frozen=True):
    """What the losses since the last alarm came to, as a fold. `least_sum` is the least that `sum` ever was;
    `has_risen` is of the newest loss alone, and the next begins anew."""

    losses: int = 0
    mean: float = 0.0
    sum: float = 0.0
    least_sum: float = 0.0
    has_risen: bool = False


def fold_loss(watchfulness: Watchfulness, gathered: Gathered, loss: float) -> Gathered:
    """After one more loss. Raises BadInputError for one that is not finite."""
    if not math.isfinite(loss):
        raise BadInputError(f"loss {loss}: is no number; leave it out and count it")
    if gathered.has_risen:
        gathered = Gathered()
    count = gathered.losses + 1
    mean = gathered.mean + (loss - gathered.mean) / count
    total = watchfulness.fading * gathered.sum + (loss - mean) - watchfulness.delta
    least = total if not gathered.losses else min(gathered.least_sum, total)
    risen = count >= watchfulness.least and total - least > watchfulness.threshold
    return Gathered(count, mean, total, least, risen)
