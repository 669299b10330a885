from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from core.arithmetic.exits import reversal, stop_loss, take_profit, time_stop
from core.strategy.declaration import ExitFunction

RULES = (reversal, stop_loss, take_profit, time_stop)
COMPILED = {rule: njit(rule) for rule in RULES}
NAN = float("nan")


@pytest.mark.parametrize(
    ("rule", "side_sign", "price", "value_bps", "held_ms", "parameter", "leave"),
    [
        (reversal, 1, 100.0, -4.6, 0, 4.5, True),
        (reversal, 1, 100.0, -4.5, 0, 4.5, False),
        (reversal, -1, 100.0, 4.6, 0, 4.5, True),
        (reversal, -1, 100.0, NAN, 0, 4.5, False),
        (stop_loss, 1, 99.0, 0.0, 0, 1.0, True),
        (stop_loss, 1, 99.01, 0.0, 0, 1.0, False),
        (stop_loss, -1, 101.0, 0.0, 0, 1.0, True),
        (stop_loss, -1, 99.0, 0.0, 0, 1.0, False),
        (stop_loss, 1, NAN, 0.0, 0, 1.0, False),
        (take_profit, 1, 103.0, 0.0, 0, 3.0, True),
        (take_profit, 1, 102.99, 0.0, 0, 3.0, False),
        (take_profit, -1, 97.0, 0.0, 0, 3.0, True),
        (take_profit, -1, 103.0, 0.0, 0, 3.0, False),
        (time_stop, 1, 100.0, 0.0, 60_000, 60_000.0, True),
        (time_stop, 1, 100.0, 0.0, 59_999, 60_000.0, False),
    ],
)
def test_each_rule_leaves_at_its_edge(
    rule: ExitFunction, side_sign: int, price: float, value_bps: float, held_ms: int, parameter: float, leave: bool
) -> None:
    assert rule(side_sign, 100.0, price, np.array([value_bps, NAN]), held_ms, parameter) is leave


@pytest.mark.parametrize("rule", RULES)
@given(
    side_sign=st.sampled_from([1, -1]),
    entry_price=st.floats(1e-6, 1e6),
    move=st.floats(0.9, 1.1),
    value_bps=st.floats(-100.0, 100.0),
    held_ms=st.integers(0, 10**9),
    parameter=st.floats(0.01, 10.0),
)
@settings(deadline=None)
def test_each_rule_compiles_to_the_same_answers(
    rule: ExitFunction,
    side_sign: int,
    entry_price: float,
    move: float,
    value_bps: float,
    held_ms: int,
    parameter: float,
) -> None:
    state = (side_sign, entry_price, entry_price * move, np.array([value_bps]), held_ms, parameter)
    assert COMPILED[rule](*state) == rule(*state)
