"""How much of a position's cost leaves it when a part is closed: one definition for ledger and simulated venue."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

USDT_QUANTUM = Decimal("1e-8")


def release(lots: int, cost_usdt: Decimal, closed_lots: int) -> Decimal:
    """Signed cost in USDT that leaves with `closed_lots` (positive) of a position of signed `lots` and `cost_usdt`.

    A full close releases all of the cost, to the last digit; a partial close its share, rounded half-even to 1e-8,
    and what the rounding left behind stays in the position. So no sequence of closes gains or loses a digit.
    Raises ValueError unless 0 < closed_lots <= abs(lots).
    """
    held = abs(lots)
    if not 0 < closed_lots <= held:
        raise ValueError(f"cannot release {closed_lots} of {lots} lots")
    if closed_lots == held:
        return cost_usdt
    return (cost_usdt * closed_lots / held).quantize(USDT_QUANTUM, ROUND_HALF_EVEN)
