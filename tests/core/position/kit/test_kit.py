"""The usual exits by hand: the cases of public suites, and each rule at its edge."""

from __future__ import annotations

import math

import numpy as np
import pytest
import talib
from numpy.testing import assert_allclose

from core.domain.errors import BadInputError
from core.position.kit.atr_stop import atr_stop
from core.position.kit.break_even import break_even
from core.position.kit.hard_loss import hard_loss
from core.position.kit.profit_lock import profit_lock
from core.position.kit.reversal import reversal
from core.position.kit.roi import roi
from core.position.kit.time_limit import time_limit
from core.position.kit.trailing import trailing
from core.position.policy import CLOSE, HOLD, ExitPolicy
from tests.core.position.candles import HOUR_MS, at, candle, held, said, stops

MINUTE_MS = 60_000


def test_a_trail_follows_the_high_of_bars_that_have_closed() -> None:
    bars = [candle(5000, 5050, 4950, 5000), candle(5000, 5250, 4750, 4850), candle(4850, 5050, 4650, 4750)]
    assert stops(trailing(10.0), bars) == [pytest.approx(4545.0), 4725.0, 4725.0]


def test_a_trail_waits_for_the_profit_that_it_begins_with() -> None:
    bars = [candle(5000, 5100, 4950, 5100), candle(5100, 5251, 5100, 5100), candle(5000, 5000, 4000, 4000)]
    assert stops(trailing(3.0, from_pct=5.0), bars) == [None, pytest.approx(5093.47), pytest.approx(5093.47)]
    exactly = [candle(5000, 5250, 4950, 5100)]
    assert stops(trailing(3.0, from_pct=5.0), exactly) == [5250 * 0.97]


def test_a_trail_of_a_short_follows_the_low() -> None:
    bars = [candle(100, 101, 90, 95), candle(95, 120, 93, 95)]
    assert stops(trailing(10.0), bars, -1, 100.0) == pytest.approx([99.0, 99.0])


def test_a_stop_is_raised_with_the_price() -> None:
    assert stops(trailing(10.0), [at(1.3), at(1.2), at(1.4)], entry_price=1.0) == pytest.approx([1.17, 1.17, 1.26])


@pytest.mark.parametrize(
    ("minutes", "profit_pct", "leaves"), [(4, 12.0, True), (21, 4.0, False), (21, 6.0, True), (59, 2.0, True)]
)
def test_what_is_enough_falls_with_time(minutes: int, profit_pct: float, leaves: bool) -> None:
    policy = roi({0: 10.0, 20: 5.0, 55: 1.0})
    for sign in (1, -1):
        trade = held(sign, 100.0, minutes * MINUTE_MS)
        bar = at(100.0 + sign * profit_pct)
        assert answer(policy, trade, bar)[0] == (CLOSE if leaves else HOLD)


def answer(policy: ExitPolicy, trade: object, bar: object, value: float = math.nan) -> tuple[int, float]:
    state = np.zeros(policy.state_size)
    return policy.step(state, trade, bar, np.array([value]), np.array(policy.parameters))  # type: ignore[arg-type]


def test_any_profit_is_more_than_none() -> None:
    policy = roi({0: 10.0, 120: 0.0})
    assert [answer(policy, held(1, 100.0, n * HOUR_MS), at(100.01))[0] for n in (1, 2)] == [HOLD, CLOSE]
    assert answer(policy, held(1, 100.0, 2 * HOUR_MS), at(100.0))[0] == HOLD
    assert answer(roi({20: 0.0}), held(1, 100.0, 19 * MINUTE_MS), at(200.0))[0] == HOLD


@pytest.mark.parametrize("table", [{}, {-1: 1.0}, {20: 1.0, 0: 5.0}])
def test_a_table_out_of_order_is_refused(table: dict[int, float]) -> None:
    with pytest.raises(BadInputError, match="minutes"):
        roi(table)


def test_a_time_limit_is_over_at_its_end() -> None:
    assert said(time_limit(2.0 * HOUR_MS), [at(1.0)] * 3) == [(HOLD, 0.0), (CLOSE, 0.0), (CLOSE, 0.0)]


def test_the_stop_goes_to_the_entry_once_there_was_a_profit() -> None:
    bars = [candle(100, 101.9, 99, 101), candle(101, 102, 101, 101), at(100.5)]
    assert stops(break_even(2.0), bars, entry_price=100.0) == [None, 100.0, 100.0]
    assert stops(break_even(2.0, beyond_bps=10.0), bars[1:], entry_price=100.0) == pytest.approx([100.1, 100.1])
    short = [candle(100, 100, 98, 99)]
    assert stops(break_even(2.0, beyond_bps=10.0), short, -1, 100.0) == pytest.approx([99.9])


def test_a_share_of_the_best_profit_is_kept() -> None:
    bars = [candle(100, 101, 99, 101), candle(101, 104, 101, 102), at(103)]
    assert stops(profit_lock(2.0, 0.5), bars, entry_price=100.0) == [None, 102.0, 102.0]
    assert stops(profit_lock(2.0, 0.25), [candle(100, 100, 96, 97)], -1, 100.0) == [99.0]


def test_the_largest_loss_rests_from_the_first_fill() -> None:
    policy = hard_loss(50.0)
    assert policy.at_entry is not None
    assert policy.at_entry(1, 100.0, 10.0, np.array(policy.parameters)) == 95.0
    assert policy.at_entry(-1, 100.0, 10.0, np.array(policy.parameters)) == 105.0
    assert answer(policy, held(1, 102.0, qty=20.0), at(100.0))[1] == 99.5


def test_a_forecast_against_the_trade_leaves_and_its_absence_does_not() -> None:
    policy = reversal(4.5)
    cases = [(1, -4.6), (1, -4.5), (-1, 4.6), (-1, -9.0), (1, math.nan)]
    assert [answer(policy, held(s), at(1.0), v)[0] for s, v in cases] == [CLOSE, HOLD, CLOSE, HOLD, HOLD]


def test_the_average_range_is_that_of_ta_lib() -> None:
    rng = np.random.default_rng(7)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, 200)))
    open_ = np.concatenate([[100.0], close[:-1]])
    high, low = np.maximum(open_, close) * 1.004, np.minimum(open_, close) * 0.997
    bars = [candle(*row) for row in zip(open_, high, low, close, strict=True)]
    told = stops(atr_stop(14, 3.0), bars, entry_price=100.0)
    assert told[:14] == [None] * 14
    expected = np.maximum.accumulate(high) - 3.0 * talib.ATR(high, low, close, 14)
    assert_allclose(np.array(told[14:], np.float64), expected[14:], rtol=1e-12)
    short = stops(atr_stop(14, 3.0), bars, -1, 100.0)
    expected = np.minimum.accumulate(low) + 3.0 * talib.ATR(high, low, close, 14)
    assert_allclose(np.array(short[14:], np.float64), expected[14:], rtol=1e-12)
