from __future__ import annotations

import math

import pytest

from core.domain.forecast import Because, Output, figure, outputs_problem, words

OUTPUTS = (Output("p_up", "probability"), Output("regime", "class"), Output("forecast", "bps"))


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (7.06, "bps", "+7.1 bps"),
        (-0.0, "bps", "0.0 bps"),
        (-0.04, "bps", "0.0 bps"),
        (1.234, "pct", "+1.23 %"),
        (0.634, "probability", "0.63"),
        (2.0, "class", "2"),
        (-1.5, "score", "-1.50"),
        (60_000.0, "price", "60000"),
        (30.0, "min", "30 min"),
        (math.nan, "bps", "nothing"),
        (None, "probability", "nothing"),
    ],
)
def test_a_figure_has_its_unit(value: float | None, unit: str, said: str) -> None:
    assert figure(value, unit) == said


@pytest.mark.parametrize(
    ("because", "said"),
    [
        (Because("p_up", 0.63, 0.6, "probability"), "p_up 0.63, needed 0.60"),
        (
            Because("forecast", 7.06, 6.0, "bps", "round trip cost"),
            "forecast +7.1 bps, needed +6.0 bps (round trip cost)",
        ),
        (Because("p_flat", 0.25, None, "probability"), "p_flat 0.25"),
        (Because("p_up", None, 0.6, "probability"), "p_up nothing, needed 0.60"),
        (Because('held "30" min, limit 30 min', None, None), 'held "30" min, limit 30 min'),
    ],
)
def test_what_was_compared_is_told_in_words(because: Because, said: str) -> None:
    assert words((because,)) == said


def test_figures_that_differ_are_never_told_as_equal() -> None:
    assert words((Because("p_up", 0.6000001, 0.6, "probability"),)) == "p_up 0.6000001, needed 0.6000000"
    assert words((Because("forecast", 6.04, 6.0, "bps"),)) == "forecast +6.04 bps, needed +6.00 bps"
    assert words((Because("p_up", 0.6, 0.6, "probability"),)) == "p_up 0.60, needed 0.60"


def test_several_comparisons_stand_in_one_line() -> None:
    both = (Because("p_up", 0.63, 0.6, "probability"), Because("p_flat", 0.25, None, "probability"))
    assert words(both) == "p_up 0.63, needed 0.60; p_flat 0.25"


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ((0.5, 2.0, -7.0), ""),
        ((None, None, None), ""),
        ((0.0, -1.0, 1e9), ""),
        ((1.5, 2.0, 0.0), "p_up 1.5, which is no probability"),
        ((0.5, 2.5, 0.0), "regime 2.5, which is no class"),
        ((0.5, 2.0, math.inf), "forecast inf, which is no number"),
        ((0.5, math.inf, 0.0), "regime inf, which is no class"),
        ((0.5, 2.0), "2 values for 3 outputs"),
    ],
)
def test_values_are_of_their_outputs(values: tuple[float | None, ...], problem: str) -> None:
    assert outputs_problem(OUTPUTS, values) == problem
