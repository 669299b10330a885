"""Costs as pure arithmetic, one definition for trader, simulated venue and sweep."""

from __future__ import annotations

import math


def slippage_bps(base_bps: float, impact_bps: float, participation: float) -> float:
    """Adverse price move of a taking order in bps: base + impact * sqrt(participation).

    `participation` is the order's share of the reference volume, 0..1 (square-root impact law, Almgren et al. 2005,
    "Direct estimation of equity market impact").
    """
    return base_bps + impact_bps * math.sqrt(participation)


def round_trip_cost_bps(taker_fee_bps: float, base_slippage_bps: float) -> float:
    """Both sides of a taken round trip, in bps of notional."""
    return 2.0 * (taker_fee_bps + base_slippage_bps)


def slipped_price(price: float, side_sign: int, slip_bps: float) -> float:
    """`price` moved against a buyer (side_sign 1) or a seller (-1)."""
    return price * (1.0 + side_sign * slip_bps / 10_000.0)
