from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.errors import BadInputError
from core.learning.lifecycle.outcome import (
    Difference,
    Duel,
    Terms,
    at_close,
    difference_bps,
    outcome_bps,
    scaled_difference,
)
from core.learning.outcomes import trade_returns

MINUTE = 60_000
TERMS = Terms(horizon_ms=3 * MINUTE, cost_bps=11.0, bound_bps=100.0)

Bar = tuple[int, float, int | None, int | None]


def told(bars: list[Bar], terms: Terms = TERMS) -> tuple[Duel, list[Difference]]:
    duel, found = Duel(terms), []
    for minute, price, candidate, champion in bars:
        duel, ended = at_close(duel, minute * MINUTE, price, candidate, champion)
        found += [ended] if ended is not None else []
    return duel, found


def test_a_direction_earns_the_return_less_the_round_trip_and_none_earns_nothing() -> None:
    assert outcome_bps(1, 100.0, 100.5, 11.0) == pytest.approx(39.0)
    assert outcome_bps(-1, 100.0, 100.5, 11.0) == pytest.approx(-61.0)
    assert outcome_bps(0, 100.0, 200.0, 11.0) == 0.0


def test_both_are_bounded_before_they_are_compared() -> None:
    assert scaled_difference(39.0, -61.0, 100.0) == pytest.approx(0.5)
    assert scaled_difference(1e9, -1e9, 100.0) == 1.0
    assert scaled_difference(-250.0, 0.0, 100.0) == -0.5
    assert difference_bps(scaled_difference(30.0, -20.0, 100.0), 100.0) == pytest.approx(50.0)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(0.1, 1e4))
def test_a_difference_is_never_beyond_one_and_turns_with_the_sides(one: float, other: float, bound: float) -> None:
    found = scaled_difference(one, other, bound)
    assert -1.0 <= found <= 1.0
    assert scaled_difference(other, one, bound) == -found


def test_an_outcome_runs_from_the_close_that_was_decided_on_to_the_one_a_horizon_later() -> None:
    bars: list[Bar] = [(1, 100.0, 1, 0), (2, 90.0, -1, -1), (3, 80.0, -1, -1), (4, 101.0, 0, 0)]
    duel, (ended,) = told(bars)
    assert (ended.start_ms, ended.end_ms, ended.champion_bps) == (MINUTE, 4 * MINUTE, 0.0)
    assert ended.candidate_bps == pytest.approx(89.0)
    assert (ended.scaled, ended.is_clipped) == (pytest.approx(0.445), False)
    assert duel == Duel(TERMS)


def test_the_next_begins_where_the_last_ended_and_none_before() -> None:
    _, found = told([(minute, 100.0 + minute, 1, -1) for minute in range(20)])
    assert [one.start_ms // MINUTE for one in found] == [0, 3, 6, 9, 12, 15]
    assert all(one.end_ms == one.start_ms + 3 * MINUTE for one in found)


def test_one_that_stays_out_is_compared_with_one_that_does_not() -> None:
    for candidate, champion, scaled in ((0, -1, -0.445), (-1, 0, 0.445)):
        _, (ended,) = told([(0, 100.0, candidate, champion), (3, 99.0, 0, 0)])
        assert ended.scaled == pytest.approx(scaled)


def test_where_neither_decides_nothing_is_compared() -> None:
    assert told([(minute, 100.0 + minute, 0, 0) for minute in range(20)]) == (Duel(TERMS), [])


def test_who_forecast_nothing_is_not_compared_and_that_is_counted() -> None:
    bars: list[Bar] = [(0, 100.0, None, 1), (1, 100.0, 1, None), (2, 100.0, 1, 1), (3, 100.0, None, None)]
    duel, found = told(bars)
    assert found == []
    assert (duel.silent, duel.opened is not None) == (2, True), "while one is open nobody is asked"


@pytest.mark.parametrize("lacking", [math.nan, math.inf, 0.0, -1.0, None])
def test_an_outcome_whose_last_bar_never_came_is_void_and_counted(lacking: float | None) -> None:
    last: list[Bar] = [] if lacking is None else [(3, lacking, 1, -1)]
    duel, found = told([(0, 100.0, 1, 0), (1, 101.0, 1, 0), *last, (4, 103.0, 1, -1), (7, 104.0, 0, 0)])
    assert [one.start_ms // MINUTE for one in found] == [4]
    assert (duel.void, duel.silent) == (1, 0)


def test_what_was_clipped_is_told() -> None:
    _, (ended,) = told([(0, 100.0, 1, 0), (3, 150.0, 0, 0)])
    assert (ended.scaled, ended.is_clipped) == (0.5, True)
    assert ended.candidate_bps == pytest.approx(4_989.0), "as it was"


def test_they_are_the_trades_that_do_not_overlap_of_an_array() -> None:
    rng = np.random.default_rng(3)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 1e-3, 400)))
    decided = rng.integers(-1, 2, 400).astype(np.int8)
    times = np.arange(400, dtype=np.int64) * MINUTE
    _, found = told([(i, float(close[i]), int(decided[i]), 0) for i in range(400)])
    actual = 1e4 * (close[3:] / close[:-3] - 1.0)
    expected = trade_returns(decided[:-3], actual, times[:-3], times[3:], 11.0)
    assert [one.end_ms for one in found] == expected.end_ms.tolist()
    np.testing.assert_allclose([one.candidate_bps for one in found], expected.net_bps, rtol=1e-12)


def test_a_comparison_goes_on_from_its_bytes() -> None:
    bars: list[Bar] = [(minute, 100.0 + minute % 7, 1 - minute % 3, minute % 2) for minute in range(50)]
    duel, found = told(bars)
    half, first = told(bars[:25])
    half = msgspec.json.decode(msgspec.json.encode(half), type=Duel)
    for minute, price, candidate, champion in bars[25:]:
        half, ended = at_close(half, minute * MINUTE, price, candidate, champion)
        first += [ended] if ended is not None else []
    assert (half, first) == (duel, found)


@pytest.mark.parametrize("terms", [(0, 11.0, 100.0), (1, -1.0, 100.0), (1, 11.0, 0.0), (1, math.nan, 1.0)])
def test_terms_by_which_nothing_can_be_counted_are_refused(terms: tuple[int, float, float]) -> None:
    with pytest.raises(BadInputError, match="must be above 0"):
        Terms(*terms)
