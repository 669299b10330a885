"""Forecast -> decision, as pure arithmetic that numba can compile, and its words."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from core.domain.forecast import Because, Output

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

OUTPUTS = (Output("forecast", "bps"), Output("p_sign", "probability"))
"""The expected return over the horizon, and the probability of its sign."""


def entry_threshold_bps(round_trip_cost_bps: float, min_edge_bps: float, edge_over_cost_bps: float) -> float:
    """Smallest |prediction| worth an entry: it must pay both sides' costs with something to spare."""
    return max(min_edge_bps, round_trip_cost_bps + edge_over_cost_bps)


def decide(values: Vector, cost_bps: float, parameters: Vector) -> tuple[int, float]:
    """Long above what is needed, short below its negative, else nothing (NaN too). `parameters` are the smallest edge
    and the edge over costs."""
    needed_bps = max(parameters[0], cost_bps + parameters[1])
    if values[0] > needed_bps:
        return 1, values[1]
    if values[0] < -needed_bps:
        return -1, values[1]
    return 0, values[1]


def because(values: Vector, cost_bps: float, parameters: Vector, direction: int) -> tuple[Because, ...]:
    value_bps = float(values[0])
    needed_bps, note = _needed(cost_bps, *parameters.tolist())
    sign = direction or (1 if value_bps >= 0.0 else -1)
    return (Because("forecast", value_bps, sign * needed_bps, "bps", note),)


@lru_cache(maxsize=64)
def _needed(cost_bps: float, min_edge_bps: float, edge_over_cost_bps: float) -> tuple[float, str]:
    needed_bps = entry_threshold_bps(cost_bps, min_edge_bps, edge_over_cost_bps)
    if needed_bps == min_edge_bps:
        return needed_bps, "smallest edge"
    more = f" and {edge_over_cost_bps:g} bps more" if edge_over_cost_bps else ""
    return needed_bps, f"round trip cost{more}"
