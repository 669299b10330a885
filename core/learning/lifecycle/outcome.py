"""What decided forecasts came to, two deciders beside each other on the same bars: made one closed bar at a time.

An outcome is the return in bps from the close of the bar that was decided on to the close `horizon_ms` later, in the
direction that was decided, less the round trip's costs; who decides nothing earns 0. Stops and targets are left out: it
is the forecast that is judged, not the bracket. Outcomes do not overlap: while one is open none begins, as in
`core.learning.outcomes.trade_returns`. Outcomes that share bars know of each other, and no test of a sequence holds its
level on them.
"""

from __future__ import annotations

import math

from msgspec import Struct
from msgspec.structs import replace

from core.domain.errors import BadInputError

Direction = int | None
"""+1 long, -1 short, 0 nothing; None where nothing was forecast, which is no decision."""


class Terms(Struct, frozen=True):
    """How outcomes are counted. `cost_bps` is of a round trip; beyond `bound_bps` to either side an outcome counts as
    the bound, which a test of bounded means needs. Raises BadInputError for what no outcome can be counted by."""

    horizon_ms: int
    cost_bps: float
    bound_bps: float

    def __post_init__(self) -> None:
        if self.horizon_ms <= 0 or not self.cost_bps >= 0.0 or not 0.0 < self.bound_bps < math.inf:
            raise BadInputError(
                f"horizon {self.horizon_ms} ms, cost {self.cost_bps} bps, bound {self.bound_bps} bps: "
                "horizon and bound must be above 0, the cost not below"
            )


class Opened(Struct, frozen=True):
    """What both decided at the close `start_ms`, and the price then."""

    start_ms: int
    price: float
    candidate: int
    champion: int


class Difference(Struct, frozen=True):
    """What both came to from `start_ms` to `end_ms`, before the bound; `scaled` in -1..1 is the difference, candidate
    less champion, of the bounded outcomes over twice the bound."""

    start_ms: int
    end_ms: int
    candidate_bps: float
    champion_bps: float
    scaled: float
    is_clipped: bool


class Duel(Struct, frozen=True):
    """A comparison under way. `void` counts outcomes whose last bar never came, `silent` the bars at which none began
    because one of the two had forecast nothing."""

    terms: Terms
    opened: Opened | None = None
    void: int = 0
    silent: int = 0


def outcome_bps(direction: int, start_price: float, end_price: float, cost_bps: float) -> float:
    """The return in the `direction` that was decided, after the round trip `cost_bps`; 0 where nothing was."""
    return direction * 1e4 * (end_price / start_price - 1.0) - cost_bps if direction else 0.0


def scaled_difference(candidate_bps: float, champion_bps: float, bound_bps: float) -> float:
    """In -1..1: both bounded to -bound..bound, their difference over twice the bound."""
    return (_bounded(candidate_bps, bound_bps) - _bounded(champion_bps, bound_bps)) / (2.0 * bound_bps)


def exceeds(candidate_bps: float, champion_bps: float, bound_bps: float) -> bool:
    """Whether one of the two lies beyond the bound, and so counts as it."""
    return max(abs(candidate_bps), abs(champion_bps)) > bound_bps


def difference_bps(scaled: float, bound_bps: float) -> float:
    """A scaled difference, or a mean of such, in bps an outcome."""
    return 2.0 * bound_bps * scaled


def at_close(
    duel: Duel, close_ms: int, price: float, candidate: Direction, champion: Direction
) -> tuple[Duel, Difference | None]:
    """The comparison after a closed bar, and the outcome that ended with it. Closes come in order; `price` is that of
    the close. A price that is not finite and above 0 is a bar that never came.

    An outcome begins where none is open, both have spoken and at least one decided something: where neither does, there
    is nothing to tell them apart by.
    """
    if not 0.0 < price < math.inf:
        return duel, None
    ended = None
    if duel.opened is not None and close_ms >= duel.opened.start_ms + duel.terms.horizon_ms:
        if close_ms == duel.opened.start_ms + duel.terms.horizon_ms:
            ended = _settled(duel.opened, duel.terms, close_ms, price)
        duel = replace(duel, opened=None, void=duel.void + (ended is None))
    if duel.opened is not None:
        return duel, ended
    if candidate is None or champion is None:
        return replace(duel, silent=duel.silent + 1), ended
    if candidate or champion:
        duel = replace(duel, opened=Opened(close_ms, price, candidate, champion))
    return duel, ended


def _settled(opened: Opened, terms: Terms, end_ms: int, price: float) -> Difference:
    candidate_bps = outcome_bps(opened.candidate, opened.price, price, terms.cost_bps)
    champion_bps = outcome_bps(opened.champion, opened.price, price, terms.cost_bps)
    return Difference(
        start_ms=opened.start_ms,
        end_ms=end_ms,
        candidate_bps=candidate_bps,
        champion_bps=champion_bps,
        scaled=scaled_difference(candidate_bps, champion_bps, terms.bound_bps),
        is_clipped=exceeds(candidate_bps, champion_bps, terms.bound_bps),
    )


def _bounded(value: float, bound: float) -> float:
    return max(-bound, min(bound, value))
