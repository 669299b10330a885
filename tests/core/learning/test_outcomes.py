from __future__ import annotations

import math

import numpy as np
import pytest

from core.learning.outcomes import (
    TradeReturns,
    day_sharpe,
    days_lacking_bars,
    errors_above_zero,
    trade_returns,
    whole_days,
)

MINUTE = 60_000
DAY = 86_400_000
STARTS = np.arange(30, dtype=np.int64) * MINUTE
ENDS = STARTS + 10 * MINUTE


def test_trades_do_not_overlap_and_pay_the_round_trip() -> None:
    direction = np.ones(30, np.int8)
    direction[10:] = -1
    actual = np.arange(30, dtype=np.float64)
    found = trade_returns(direction, actual, STARTS, ENDS, cost_bps=11.0)
    assert found.net_bps.tolist() == [0.0 - 11.0, -10.0 - 11.0, -20.0 - 11.0]
    assert (found.end_ms // MINUTE).tolist() == [10, 20, 30]


def test_what_was_not_decided_on_is_not_traded() -> None:
    direction = np.zeros(30, np.int8)
    direction[[8, 21]] = [-1, 1]
    assert trade_returns(direction, np.ones(30), STARTS, ENDS, cost_bps=11.0).net_bps.tolist() == [-12.0, -10.0]
    assert len(trade_returns(direction[:0], np.ones(0), STARTS[:0], ENDS[:0], cost_bps=11.0)) == 0


def traded(*day_and_net: tuple[float, float]) -> TradeReturns:
    """Trades that end so many days after the epoch."""
    days, net = np.array(day_and_net).T
    return TradeReturns((days * DAY).astype(np.int64), net)


def test_a_part_of_a_day_and_a_day_with_a_hole_are_no_days() -> None:
    holed = np.array([3, 9], np.int64) * DAY
    assert (whole_days(DAY + 1, 6 * DAY - 1, holed) // DAY).tolist() == [2, 4]
    assert (whole_days(DAY, 6 * DAY, holed) // DAY).tolist() == [1, 2, 4, 5]
    assert len(whole_days(DAY + 1, 2 * DAY, holed)) == len(whole_days(DAY + 5, DAY + 9, holed)) == 0


def test_days_that_lack_bars_are_told() -> None:
    opens = np.arange(2 * DAY, 6 * DAY, 60 * MINUTE, dtype=np.int64)
    assert len(days_lacking_bars(opens, 60 * MINUTE)) == len(days_lacking_bars(opens[:0], 60 * MINUTE)) == 0
    lacking = np.delete(opens, [*range(30, 40), 95])
    assert (days_lacking_bars(lacking, 60 * MINUTE) // DAY).tolist() == [3, 5]
    assert (days_lacking_bars(np.delete(opens, range(24, 48)), 60 * MINUTE) // DAY).tolist() == [3]


def test_the_ratio_of_a_year_is_of_the_sums_of_days_and_not_of_trades() -> None:
    days = np.arange(10, 40, dtype=np.int64) * DAY
    # Two trades of the first day, one that ends with the second, one outside of every day; the others earned nothing.
    trades = traded((10.1, 5.0), (10.9, -2.0), (12.0, 4.0), (40.5, 1e6), (9.0, 1e6))
    sums = np.array([3.0, 4.0, *[0.0] * 28])
    expected = float(sums.mean() / sums.std(ddof=1)) * math.sqrt(365)
    assert day_sharpe(trades, days) == pytest.approx(expected)
    assert day_sharpe(trades, np.delete(days, 1)) is None, "29 days are too few"
    assert day_sharpe(traded((9.0, 1.0)), days) is None, "every day earned the same"


def test_errors_above_zero_are_of_the_mean_of_the_trades() -> None:
    net = np.array([1.0, 3.0, 8.0])
    trades = traded((1.0, 1.0), (1.1, 3.0), (1.2, 8.0))
    assert errors_above_zero(trades) == pytest.approx(net.mean() / (net.std(ddof=1) / math.sqrt(3)))
    assert errors_above_zero(traded((1.0, 5.0))) is None
    assert errors_above_zero(traded((1.0, 0.1), (1.1, 0.1), (1.2, 0.1))) is None
