from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.arithmetic import fills
from core.arithmetic.costs import slippage_bps, slipped_price

prices = st.floats(0.01, 200_000.0)
sides = st.sampled_from([1, -1])
pct = st.floats(0.01, 100.0)

CASES: dict[Callable[..., Any], tuple[st.SearchStrategy[Any], ...]] = {
    fills.stop_is_touched: (sides, prices, prices, prices),
    fills.target_is_touched: (sides, prices, prices, prices),
    fills.limit_trades_through: (sides, prices, prices, prices),
    fills.limit_is_marketable: (sides, prices, prices),
    fills.worse_price: (sides, prices, prices),
    fills.adverse_ticks: (prices, st.sampled_from([0.1, 0.01, 0.0001]), sides),
    fills.participation_cap_lots: (st.floats(0.0, 1e9), st.sampled_from([0.001, 0.1, 1.0]), pct),
    fills.participation_share: (st.integers(1, 10**6), st.sampled_from([0.001, 1.0]), st.floats(0.0, 1e6)),
    fills.liquidation_price: (sides, prices, st.integers(1, 125).map(float), st.floats(0.001, 0.05)),
    fills.is_beyond: (st.just(0.0) | prices, sides, prices),
    slippage_bps: (st.floats(0.0, 100.0), st.floats(0.0, 100.0), st.floats(0.0, 1.0)),
    slipped_price: (prices, sides, st.floats(0.0, 500.0)),
}


def test_every_function_of_the_module_is_compared() -> None:
    public = {value for value in vars(fills).values() if callable(value) and value.__module__ == fills.__name__}
    assert public <= set(CASES)


@pytest.mark.parametrize("function", CASES, ids=lambda function: function.__name__)
def test_compiled_and_plain_agree_to_the_last_bit(function: Callable[..., Any]) -> None:
    compiled = numba.njit(function)

    @settings(deadline=None, derandomize=True)
    @given(st.tuples(*CASES[function]))
    def agree(arguments: tuple[Any, ...]) -> None:
        assert compiled(*arguments) == function(*arguments)

    agree()


def test_touching_counts_for_triggers_and_not_for_limits() -> None:
    assert fills.stop_is_touched(-1, 100.0, 100.0, 101.0)
    assert not fills.stop_is_touched(-1, 100.0, 100.1, 101.0)
    assert fills.stop_is_touched(1, 101.0, 100.0, 101.0)
    assert not fills.stop_is_touched(1, 101.1, 100.0, 101.0)
    assert fills.target_is_touched(-1, 101.0, 100.0, 101.0)
    assert fills.target_is_touched(1, 100.0, 100.0, 101.0)
    assert not fills.target_is_touched(1, 99.9, 100.0, 101.0)
    assert not fills.limit_trades_through(1, 100.0, 100.0, 101.0)
    assert fills.limit_trades_through(1, 100.1, 100.0, 101.0)
    assert not fills.limit_trades_through(-1, 101.0, 100.0, 101.0)
    assert fills.limit_trades_through(-1, 100.9, 100.0, 101.0)


def test_ticks_round_against_the_order_and_keep_the_grid() -> None:
    assert fills.adverse_ticks(100.01, 0.1, 1) == 1001
    assert fills.adverse_ticks(100.09, 0.1, -1) == 1000
    assert fills.adverse_ticks(0.3, 0.1, 1) == 3
    assert fills.adverse_ticks(0.3, 0.1, -1) == 3
    assert fills.adverse_ticks(0.00001, 0.1, -1) == 1


@settings(deadline=None, derandomize=True)
@given(ticks=st.integers(1, 2_000_000), side=sides)
def test_a_price_on_the_grid_stays_there(ticks: int, side: int) -> None:
    assert fills.adverse_ticks(float(f"{ticks / 10:.1f}"), 0.1, side) == ticks


def test_participation_is_at_least_one_lot_of_something_and_none_of_nothing() -> None:
    assert fills.participation_cap_lots(0.0, 0.001, 10.0) == 0
    assert fills.participation_cap_lots(0.000001, 0.001, 10.0) == 1
    assert fills.participation_cap_lots(0.3, 0.001, 10.0) == 30
    assert fills.participation_share(8, 0.5, 16.0) == 0.25
    assert fills.participation_share(10, 0.001, 0.001) == 1.0
    assert fills.participation_share(10, 0.001, 0.0) == 1.0


@settings(deadline=None, derandomize=True)
@given(side=sides, entry=prices, leverage=st.integers(2, 125), fraction=st.floats(0.0005, 0.05))
def test_at_the_liquidation_price_only_the_maintenance_margin_is_left(
    side: int, entry: float, leverage: int, fraction: float
) -> None:
    price = fills.liquidation_price(side, entry, float(leverage), fraction)
    left = entry / leverage + side * (price - entry)
    assert math.isclose(left, fraction * price, rel_tol=1e-9, abs_tol=1e-9 * entry)


def test_a_long_without_leverage_is_never_liquidated() -> None:
    assert fills.liquidation_price(1, 100.0, 1.0, 0.004) == 0.0
