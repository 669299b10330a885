"""The section of promotion and demotion at tiny sizes: its markets are what it says, and its figures fit together."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import __main__ as entry
from benchmarks import evidence


@pytest.mark.parametrize("horizon_bars", [1, 10])
def test_the_market_moves_as_far_as_it_says_and_nothing_foretells_it(horizon_bars: int) -> None:
    close = evidence.closes(np.random.default_rng(1), 60_001, horizon_bars)
    moves = 1e4 * (close[horizon_bars:] / close[:-horizon_bars] - 1.0)
    assert np.abs(moves).mean() == pytest.approx(evidence.MEAN_MOVE_BPS, rel=0.03)
    apart = moves[::horizon_bars]
    assert abs(np.corrcoef(apart[1:], apart[:-1])[0, 1]) < 0.03


def test_a_side_is_right_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    close = evidence.closes(rng, 20_000, 10)
    side = evidence.directions(rng, close, 10, np.full(20_000, 0.7))
    assert np.mean(side[:-10] * (close[10:] - close[:-10]) > 0) == pytest.approx(0.7, abs=0.02)


def test_outcomes_are_one_a_horizon() -> None:
    close = np.full(101, 100.0)
    ended = [bar for bar, _ in evidence.outcomes(close, np.ones(101, int), -np.ones(101, int), 10)]
    assert ended == list(range(10, 101, 10))


def test_the_section_tells_all_its_figures() -> None:
    assert "evidence" in entry.SECTIONS
    section = evidence.run(runs=4, outcomes_each=30, most=300, few=0.01)
    told = {figure.what: figure.value for figure in section.figures}
    assert len(told) == len(section.figures) == 3 + 2 * len(evidence.HITS) + 1 + 2 * 5
    assert told["labels turn after 1,000 bars, horizon 1: noticed, p50"] <= evidence.WITHIN_BARS
    assert not [figure for figure in section.figures if figure.value < 0.0]
    assert [figure.at_most for figure in section.figures if "promoted without" in figure.what] == [5.0]
