"""How a part of a position's cost is released, exactly."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

COST_STEP_USDT = Decimal("1e-8")


def release(lots: int, cost_usdt: Decimal, closed_lots: int) -> Decimal:
    """The cost that leaves with `closed_lots` of `lots` (same sign convention as `cost_usdt`, counts unsigned).

    A full close releases everything; a partial one a share quantised to 1e-8 USDT. The remainder stays in the
    position, so released and remaining cost always add up to the last digit.
    """
    if not 0 < closed_lots <= lots:
        raise ValueError(f"cannot release {closed_lots} of {lots} lots")
    if closed_lots == lots:
        return cost_usdt
    return (cost_usdt * closed_lots / lots).quantize(COST_STEP_USDT, ROUND_HALF_EVEN)
