from __future__ import annotations

import math

import numpy as np
import pytest

from core.learning.outcomes import annual_sharpe, trade_returns_bps

MINUTE = 60_000
STARTS = np.arange(30, dtype=np.int64) * MINUTE
ENDS = STARTS + 10 * MINUTE


def test_trades_do_not_overlap_and_pay_the_round_trip() -> None:
    direction = np.ones(30, np.int8)
    direction[10:] = -1
    actual = np.arange(30, dtype=np.float64)
    returns = trade_returns_bps(direction, actual, STARTS, ENDS, cost_bps=11.0)
    assert returns == [0.0 - 11.0, -10.0 - 11.0, -20.0 - 11.0]


def test_what_was_not_decided_on_is_not_traded() -> None:
    direction = np.zeros(30, np.int8)
    direction[[8, 21]] = [-1, 1]
    assert trade_returns_bps(direction, np.ones(30), STARTS, ENDS, cost_bps=11.0) == [-12.0, -10.0]
    assert trade_returns_bps(direction[:0], np.ones(0), STARTS[:0], ENDS[:0], cost_bps=11.0) == []


def test_sharpe_counts_the_trades_of_a_year_of_365_days() -> None:
    day_ms = 86_400_000
    assert annual_sharpe([1.0, 3.0], day_ms) == pytest.approx(2.0 / math.sqrt(2.0) * math.sqrt(2 * 365))


@pytest.mark.parametrize("returns", [[], [5.0], [5.0, 5.0]])
def test_sharpe_is_undefined_without_spread(returns: list[float]) -> None:
    assert annual_sharpe(returns, MINUTE) is None
