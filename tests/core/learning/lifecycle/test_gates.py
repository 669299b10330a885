from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.errors import BadInputError
from core.domain.forecast import words
from core.learning.lifecycle.gates import Gate, break_even_probability, needed_probability, veto

BPS = st.floats(0.5, 1_000.0)


@given(BPS, BPS, st.floats(0.0, 100.0))
def test_at_break_even_a_trade_earns_nothing_on_average(stop: float, target: float, cost: float) -> None:
    chance = break_even_probability(stop, target, cost)
    if target <= cost:
        assert math.isnan(chance)
    else:
        assert 0.0 < chance <= 1.0
        assert chance * (target - cost) == pytest.approx((1.0 - chance) * (stop + cost), abs=1e-6)


def test_costs_raise_what_is_needed() -> None:
    assert break_even_probability(50.0, 50.0, 0.0) == 0.5
    assert break_even_probability(50.0, 50.0, 11.0) == pytest.approx(0.61)
    assert break_even_probability(100.0, 300.0, 11.0) == pytest.approx(0.2775)


@pytest.mark.parametrize("trade", [(0.0, 50.0, 11.0), (50.0, 11.0, 11.0), (50.0, 50.0, -1.0), (math.nan, 50.0, 11.0)])
def test_a_trade_that_cannot_win_passes_no_gate_by_break_even(trade: tuple[float, float, float]) -> None:
    gate = Gate("break_even", 1.0)
    assert math.isnan(needed_probability(gate, *trade))
    refused = veto(gate, 1.0, *trade)
    assert refused is not None
    assert words([refused]).endswith("no probability is enough)")


def test_a_multiple_beyond_certainty_is_never_reached() -> None:
    assert math.isnan(needed_probability(Gate("break_even", 1.7), 50.0, 50.0, 11.0))
    assert needed_probability(Gate("break_even", 1.1), 50.0, 50.0, 11.0) == pytest.approx(0.671)


def test_a_gate_says_what_it_compared() -> None:
    refused = veto(Gate("break_even", 1.1), 0.65, 50.0, 50.0, 11.0)
    assert refused is not None
    assert words([refused]) == "p_win 0.65, needed 0.67 (1.1 times break-even)"
    assert veto(Gate("break_even", 1.1), 0.68, 50.0, 50.0, 11.0) is None
    fixed = veto(Gate("fixed", 0.7), 0.65, 50.0, 50.0, 11.0)
    assert fixed is not None
    assert words([fixed]) == "p_win 0.65, needed 0.70"
    assert veto(Gate("fixed", 0.7), 0.7, 50.0, 11.0, 11.0) is None, "a figure asks nothing of the bracket"


@pytest.mark.parametrize("unknown", [None, math.nan])
@pytest.mark.parametrize("gate", [Gate("fixed", 0.0), Gate("break_even", 1.0)])
def test_a_probability_that_is_not_known_passes_no_gate(unknown: float | None, gate: Gate) -> None:
    assert veto(gate, unknown, 50.0, 50.0, 11.0) is not None


@pytest.mark.parametrize(
    ("kind", "figure"), [("fixed", 1.1), ("fixed", -0.1), ("break_even", 0.9), ("break_even", math.nan)]
)
def test_a_gate_that_is_none_is_refused(kind: str, figure: float) -> None:
    with pytest.raises(BadInputError, match="gate"):
        Gate(kind, figure)  # type: ignore[arg-type]
