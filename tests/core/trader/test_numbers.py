"""The arithmetic that trader, venue and sweep share gives the same bits under numba as in Python."""

from __future__ import annotations

import inspect
import math
import struct
from collections.abc import Callable
from typing import Any

import numba
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.arithmetic import costs, sizing
from core.trader import limits
from core.trader.limits import day_loss_pct, day_loss_usdt, drawdown, exposure, feed_age, limit

usdt = st.floats(min_value=-1e9, max_value=1e9)
positive = st.floats(min_value=1e-6, max_value=1e9)
pct = st.floats(min_value=1e-3, max_value=99.0)
bps = st.floats(min_value=0.0, max_value=1_000.0)
share = st.floats(min_value=0.0, max_value=1.0)
side = st.sampled_from([1, -1])
ticks = st.integers(min_value=1, max_value=10**9)
intervals = st.sampled_from([60_000, 900_000, 86_400_000])

CASES: dict[Callable[..., Any], tuple[st.SearchStrategy[Any], ...]] = {
    costs.slippage_bps: (bps, bps, share),
    costs.round_trip_cost_bps: (bps, bps),
    costs.slipped_price: (positive, side, bps),
    sizing.target_notional_usdt: (usdt, pct, pct, pct),
    # Prices and lots of real contracts: an order of more than 2**63 lots does not fit an integer of numba.
    sizing.lots_for_notional: (st.floats(-1e6, 1e7), st.floats(1e-4, 1e6), st.floats(1e-4, 1e3)),
    sizing.exit_parts: (ticks, st.integers(0, 10**9), st.integers(0, 10**6)),
    sizing.exit_part_lots: (ticks, st.integers(1, 8)),
    sizing.stop_ticks: (ticks, side, pct),
    sizing.target_ticks: (ticks, side, pct),
    limits.loss_usdt: (usdt, usdt),
    limits.loss_pct: (usdt, usdt),
    limits.drawdown_pct: (usdt, usdt),
    limits.exposure_pct: (positive, usdt),
    limits.room_usdt: (positive, usdt, pct),
    limits.level: (usdt, positive, pct),
    limits.allowed_ms: (intervals,),
    limits.feed_age_s: (st.integers(0, 10**13), st.integers(0, 10**13), intervals),
}


def bits(value: float | int | str) -> object:
    return struct.pack("<d", value) if isinstance(value, float) else value


def test_every_function_is_held_to_it() -> None:
    found = {
        function
        for module in (costs, sizing, day_loss_pct, day_loss_usdt, drawdown, exposure, feed_age, limit)
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and not name.startswith("_")
    }
    assert found == set(CASES)


@pytest.mark.parametrize("function", CASES, ids=lambda function: function.__name__)
def test_numba_gives_the_same_bits(function: Callable[..., Any]) -> None:
    compiled = numba.njit(function)

    @settings(max_examples=150, deadline=None)
    @given(st.tuples(*CASES[function]))
    def same(arguments: tuple[Any, ...]) -> None:
        expected = function(*arguments)
        assert bits(compiled(*arguments)) == bits(expected)
        assert type(compiled(*arguments)) is type(expected)

    same()


# What the numbers must be, whoever computes them


@given(st.floats(1.0, 1e7), pct, pct, pct)
def test_a_position_loses_no_more_than_its_risk_at_the_stop(
    equity: float, stop: float, size: float, risk: float
) -> None:
    notional = sizing.target_notional_usdt(equity, stop, size, risk)
    assert notional <= equity * size / 100 * (1 + 1e-12)
    assert notional * stop / 100 <= equity * risk / 100 * (1 + 1e-12)


@given(st.floats(0.0, 1e6), st.floats(1e-4, 1e5), st.floats(1e-4, 1e2))
def test_lots_never_cost_more_than_the_notional(notional: float, price: float, lot_qty: float) -> None:
    lots = sizing.lots_for_notional(notional, price, lot_qty)
    assert lots * price * lot_qty <= notional + 2e-9 * price * lot_qty + 1e-9 * notional
    assert (lots + 1) * price * lot_qty > notional * (1 - 1e-12) - 1e-9 * price * lot_qty


def test_lots_on_the_grid_are_not_lost_to_rounding() -> None:
    assert sizing.lots_for_notional(0.3 * 1_000, 1_000, 0.1) == 3
    assert sizing.lots_for_notional(0.29999 * 1_000, 1_000, 0.1) == 2


@given(ticks, st.floats(0.1, 99.0), st.floats(0.1, 99.0))
def test_stop_and_target_lie_on_their_sides(entry: int, stop_pct: float, target_pct: float) -> None:
    for sign in (1, -1):
        stop, target = sizing.stop_ticks(entry, sign, stop_pct), sizing.target_ticks(entry, sign, target_pct)
        assert sign * (entry - stop) >= 0
        assert sign * (target - entry) >= 0
        assert abs(abs(entry - stop) - entry * stop_pct / 100) <= 0.5 + 1e-6 * entry
        assert abs(abs(target - entry) - entry * target_pct / 100) <= 0.5 + 1e-6 * entry


@given(positive, bps)
def test_slippage_is_against_the_taker(price: float, slip: float) -> None:
    assert costs.slipped_price(price, -1, slip) <= price <= costs.slipped_price(price, 1, slip)


def test_costs_by_hand() -> None:
    assert costs.slippage_bps(0.5, 5.0, 0.04) == 1.5
    assert costs.round_trip_cost_bps(5.0, 0.5) == 11.0


def test_no_equity_is_the_worst_reading() -> None:
    assert limits.loss_pct(0.0, 1.0) == limits.drawdown_pct(0.0, 1.0) == limits.exposure_pct(1.0, 0.0) == math.inf
    assert limits.room_usdt(1.0, -5.0, 100.0) == 0.0


def test_limits_by_hand() -> None:
    assert (limits.loss_usdt(100.0, 90.0), limits.loss_usdt(100.0, 110.0)) == (10.0, 0.0)
    assert (limits.loss_pct(200.0, 190.0), limits.drawdown_pct(200.0, 150.0)) == (5.0, 25.0)
    assert (limits.exposure_pct(50.0, 200.0), limits.room_usdt(50.0, 200.0, 150.0)) == (25.0, 250.0)


@pytest.mark.parametrize("interval_ms", [60_000, 900_000, 86_400_000])
def test_a_feed_is_as_old_by_one_bar_that_stays_away_whatever_the_interval(interval_ms: int) -> None:
    ages = [
        limits.feed_age_s(5_000_000 + late_ms, 5_000_000, interval_ms) for late_ms in (interval_ms, 2 * interval_ms)
    ]
    assert ages == [60.0, 60.0 + interval_ms / 1000]
