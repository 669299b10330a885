from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.arithmetic.cost_basis import release


def test_a_full_close_releases_every_digit() -> None:
    cost = Decimal("-123.4567890123456789")
    assert release(-7, cost, 7) == cost


def test_a_part_is_rounded_half_even_to_1e8() -> None:
    assert release(3, Decimal(100), 1) == Decimal("33.33333333")
    assert release(-3, Decimal(-100), 2) == Decimal("-66.66666667")
    assert release(2, Decimal("0.00000001"), 1) == Decimal("0E-8")
    assert release(2, Decimal("0.00000003"), 1) == Decimal("2E-8")


@pytest.mark.parametrize("closed", [0, -1, 6])
def test_more_than_is_held_or_nothing_cannot_be_released(closed: int) -> None:
    with pytest.raises(ValueError, match=f"cannot release {closed} of -5 lots"):
        release(-5, Decimal(-10), closed)


@settings(deadline=None, derandomize=True)
@given(
    lots=st.integers(1, 10_000),
    cost=st.decimals(0, 10**9, places=9),
    sign=st.sampled_from([1, -1]),
    parts=st.lists(st.integers(1, 500), max_size=30),
)
def test_closing_in_parts_releases_exactly_the_cost(lots: int, cost: Decimal, sign: int, parts: list[int]) -> None:
    left_lots, left_cost, released = lots * sign, cost * sign, Decimal(0)
    for part in [*parts, lots]:
        closed = min(part, abs(left_lots))
        if not closed:
            break
        share = release(left_lots, left_cost, closed)
        left_lots -= sign * closed
        left_cost -= share
        released += share
    assert left_lots == 0
    assert left_cost == 0
    assert released == cost * sign
