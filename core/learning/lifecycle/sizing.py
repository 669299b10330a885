"""How much to stake on a trade whose chance is known: Kelly's share, bounded. For a model of a model, which says how
probable it is that the other's signal wins (meta-labelling: Lopez de Prado 2018, chapter 3)."""

from __future__ import annotations

import math

from msgspec import Struct

from core.domain.errors import BadInputError


class KellyTerms(Struct, frozen=True):
    """`fraction` of Kelly's share is wanted, `most_share` of equity at the most. Half of it has three quarters of the
    growth for half of the swings (MacLean, Ziemba and Blazenko 1992), and a probability that is told too high wants too
    much: more than all of it is refused."""

    fraction: float = 0.25
    most_share: float = 1.0

    def __post_init__(self) -> None:
        if not (0.0 < self.fraction <= 1.0 and 0.0 < self.most_share < math.inf):
            raise BadInputError(
                f"fraction {self.fraction}, most_share {self.most_share}: the fraction of Kelly's share must lie above "
                "0 and not above 1, the most share of equity above 0"
            )


def kelly_share(probability: float, stop_bps: float, target_bps: float, cost_bps: float) -> float:
    """The notional, as a share of equity, at which the logarithm of equity grows most; 0 at break-even and below, NaN
    where it cannot be told: a probability outside of 0..1, a stop that is not above 0, costs below 0.

    With the win w = (target - cost) / 1e4 and the loss l = (stop + cost) / 1e4 of the notional it maximises
    p ln(1 + f w) + (1 - p) ln(1 - f l): f = p / l - (1 - p) / w (Kelly 1956, "A new interpretation of information
    rate"; Thorp 2006).
    """
    if not (0.0 <= probability <= 1.0 and stop_bps > 0.0 and cost_bps >= 0.0 and target_bps > 0.0):
        return math.nan
    win, loss = (target_bps - cost_bps) / 1e4, (stop_bps + cost_bps) / 1e4
    if win <= 0.0:
        return 0.0
    return max(0.0, probability / loss - (1.0 - probability) / win)


def wanted_share(terms: KellyTerms, probability: float, stop_bps: float, target_bps: float, cost_bps: float) -> float:
    """What a strategy's `sizing` may return: the notional as a share of equity. NaN and 0 want nothing."""
    wanted = terms.fraction * kelly_share(probability, stop_bps, target_bps, cost_bps)
    return terms.most_share if wanted > terms.most_share else wanted
