from __future__ import annotations

from functools import reduce

import numpy as np
import pytest

from core.domain.errors import BadInputError
from core.learning.lifecycle.constant import Trial, constant_direction, trial
from core.learning.lifecycle.evidence import Evidence, fold
from core.learning.lifecycle.outcome import Duel, Terms, at_close

MINUTE = 60_000
TERMS = Terms(horizon_ms=3 * MINUTE, cost_bps=11.0, bound_bps=100.0)


def made(seed: int, bars: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Closes, and of every bar with a label the side, the return, start and end."""
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 3e-3, bars)))
    side = rng.integers(-1, 2, bars).astype(np.int8)
    times = np.arange(bars, dtype=np.int64) * MINUTE
    return close, side[:-3], 1e4 * (close[3:] / close[:-3] - 1.0), times[:-3], times[3:]


@pytest.mark.parametrize("constant", [-1, 0, 1])
def test_a_trial_is_the_comparison_that_goes_on_live(constant: int) -> None:
    close, side, actual, start, end = made(1)
    duel, live, clipped = Duel(TERMS), Evidence(0.02), 0
    for bar in range(50, 200):
        decided = int(side[bar]) if bar < 197 else 0
        duel, ended = at_close(duel, bar * MINUTE, float(close[bar]), decided, constant)
        if ended is not None:
            live, clipped = fold(live, ended.scaled), clipped + ended.is_clipped
    found = trial(side, constant, actual, start, end, 50 * MINUTE, TERMS, 0.02)
    assert found.evidence.outcomes == live.outcomes > 30
    assert found.evidence.log_e == pytest.approx(live.log_e, rel=1e-9)
    assert found.clipped == clipped


def test_rows_that_share_bars_with_what_was_learned_from_are_left_out() -> None:
    _, side, actual, start, end = made(2)
    whole = trial(side, 0, actual, start, end, 100 * MINUTE, TERMS, 0.05)
    assert trial(side[100:], 0, actual[100:], start[100:], end[100:], 0, TERMS, 0.05) == whole
    later = trial(side, 0, actual, start, end, 100 * MINUTE, TERMS, 0.05, embargo_ms=20 * MINUTE)
    assert trial(side, 0, actual, start, end, 120 * MINUTE, TERMS, 0.05) == later != whole
    assert trial(side, 0, actual, start, end, 10**9, TERMS, 0.05) == Trial(Evidence(0.05))


def test_outcomes_are_after_costs_and_those_beyond_the_bound_are_counted() -> None:
    start = np.arange(3, dtype=np.int64) * 3 * MINUTE
    sides, actual = np.array([1, -1, 0], np.int8), np.array([31.0, -500.0, 9.0])
    found = trial(sides, 0, actual, start, start + 3 * MINUTE, 0, TERMS, 0.05)
    assert found == Trial(reduce(fold, [0.1, 0.5], Evidence()), clipped=1)


def test_a_constant_decides_the_side_that_pays_or_none() -> None:
    assert [constant_direction(np.array(labels), 11.0) for labels in ([20.0, 4.0], [-20.0, -4.0], [20.0, 2.0], [])] == [
        1,
        -1,
        0,
        0,
    ]


def test_rows_out_of_order_are_refused() -> None:
    _, side, actual, start, end = made(3)
    for starts, ends in ((start[::-1], end[::-1]), (start, start)):
        with pytest.raises(BadInputError, match="in order"):
            trial(side, 0, actual, starts, ends, 0, TERMS, 0.05)
