"""How probable a trade must be to win before it is taken: a figure, or a multiple of the probability at which it costs
as much as it brings."""

from __future__ import annotations

import math
from typing import Literal

from msgspec import Struct

from core.domain.errors import BadInputError
from core.domain.forecast import Because


class Gate(Struct, frozen=True):
    """What a probability must reach: `figure` itself, or `figure` times the break-even probability of the trade. Raises
    BadInputError for a fixed figure that is no probability, and for a multiple below 1: it would take losing trades."""

    kind: Literal["fixed", "break_even"]
    figure: float

    def __post_init__(self) -> None:
        if self.kind == "fixed" and not 0.0 <= self.figure <= 1.0:
            raise BadInputError(f"gate {self.figure}: is no probability; set it between 0 and 1")
        if self.kind == "break_even" and not 1.0 <= self.figure < math.inf:
            raise BadInputError(
                f"gate {self.figure} times break-even: would take trades that lose on average; set it to 1 or more"
            )


def break_even_probability(stop_bps: float, target_bps: float, cost_bps: float) -> float:
    """The probability p of the target before the stop at which a trade earns nothing on average, NaN where the target
    does not pay the round trip.

    A win brings target - cost, a loss takes stop + cost: p (target - cost) = (1 - p) (stop + cost), so that
    p = (stop + cost) / (stop + target). Without costs it is the chance of a driftless price (gambler's ruin, Feller
    1968, XIV.2). It is taken that every trade ends at one of the two, at its price; one that runs out of time, and a
    stop that slips further, are not in it.
    """
    if not (stop_bps > 0.0 and cost_bps >= 0.0 and target_bps > cost_bps):
        return math.nan
    return (stop_bps + cost_bps) / (stop_bps + target_bps)


def needed_probability(gate: Gate, stop_bps: float, target_bps: float, cost_bps: float) -> float:
    """What the gate asks of a trade; NaN where no probability is enough."""
    if gate.kind == "fixed":
        return gate.figure
    needed = gate.figure * break_even_probability(stop_bps, target_bps, cost_bps)
    return needed if needed <= 1.0 else math.nan


def veto(gate: Gate, probability: float | None, stop_bps: float, target_bps: float, cost_bps: float) -> Because | None:
    """Why the gate does not let a trade pass, None where it does. A probability that is not known does not pass."""
    needed = needed_probability(gate, stop_bps, target_bps, cost_bps)
    if math.isnan(needed):
        note = f"stop {stop_bps:g}, target {target_bps:g}, costs {cost_bps:g} bps: no probability is enough"
        return Because("p_win", probability, None, "probability", note)
    if probability is not None and probability >= needed:
        return None
    note = f"{gate.figure:g} times break-even" if gate.kind == "break_even" else ""
    return Because("p_win", probability, needed, "probability", note)
