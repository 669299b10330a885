"""Prediction -> direction, as pure arithmetic that numba can compile."""

from __future__ import annotations


def entry_threshold_bps(round_trip_cost_bps: float, min_edge_bps: float, edge_over_cost_bps: float) -> float:
    """Smallest |prediction| worth an entry: it must pay both sides' costs with something to spare."""
    return max(min_edge_bps, round_trip_cost_bps + edge_over_cost_bps)


def decide(value_bps: float, threshold_bps: float) -> int:
    """+1 long above the threshold, -1 short below its negative, else 0 (NaN too)."""
    if value_bps > threshold_bps:
        return 1
    if value_bps < -threshold_bps:
        return -1
    return 0
