"""Which signs a forecast leaves possible: split conformal prediction, on rows later than those that were learned from.

Of rows that are exchangeable with the calibrating ones, the set holds the sign that comes in `coverage` of the cases
(Vovk, Gammerman and Shafer 2005; Angelopoulos and Bates 2021, "A gentle introduction to conformal prediction", section
1). Over all rows, not over those that are decided; and a market that changed is not exchangeable with its past: what
came of it is to be counted (`core.learning.lifecycle.reliability`).
"""

from __future__ import annotations

import math

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from core.domain.errors import BadInputError, ModelError
from core.domain.forecast import Because

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class SignSet(Struct, frozen=True):
    """A sign is possible where its probability is `least_probability` or more; of `rows` calibrating rows."""

    least_probability: float
    coverage: float
    rows: int


def fit_signs(p_up: Floats, went_up: Flags, coverage: float = 0.9) -> SignSet:
    """From what was said of later rows, `p_up` (n,), and what came.

    The score of a row is 1 less the probability of the sign that came; the bound is the ceil((n + 1) coverage)-th of
    them, so that the promise holds for n rows and not only for many. Raises ModelError where the rows are too few for
    such a bound, or what is said is no probability, BadInputError for a coverage that is not between 0 and 1.
    """
    if not 0.0 < coverage < 1.0:
        raise BadInputError(f"coverage {coverage}: must lie between 0 and 1")
    if not ((p_up >= 0.0) & (p_up <= 1.0)).all():
        raise ModelError("conformal set: what is said is no probability; retrain it")
    rank = math.ceil(round((len(p_up) + 1) * coverage, 9))
    if rank > len(p_up):
        raise ModelError(f"conformal set: {len(p_up)} later rows are too few to cover {100.0 * coverage:g} %")
    of_what_came = np.sort(np.where(went_up, p_up, 1.0 - p_up))[::-1]
    return SignSet(float(of_what_came[rank - 1]), coverage, len(p_up))


def possible_signs(signs: SignSet, p_up: float) -> tuple[int, ...]:
    """+1, -1, both, or none where even the likelier sign was rarely right with so little."""
    found = ((1, p_up), (-1, 1.0 - p_up))
    return tuple(sign for sign, probability in found if probability >= signs.least_probability)


def undecided(signs: SignSet, p_up: float | None, direction: int) -> Because | None:
    """Why nothing should be decided in this `direction`; None where its sign alone is possible."""
    said = None if p_up is None or math.isnan(p_up) else p_up if direction > 0 else 1.0 - p_up
    possible = () if said is None or p_up is None else possible_signs(signs, p_up)
    if possible == (direction,):
        return None
    # The other sign is impossible from here on.
    needed = max(signs.least_probability, math.nextafter(1.0 - signs.least_probability, 1.0))
    what = "both signs are" if len(possible) == 2 else "the other sign alone is" if possible else "neither sign is"
    note = "nothing was said" if said is None else f"{what} possible at {100.0 * signs.coverage:g} %"
    return Because("p_direction", said, needed, "probability", note)
