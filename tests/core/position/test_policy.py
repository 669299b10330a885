"""What comes of several exits at once, and that what they remember hangs on the trade's bars alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.errors import BadInputError
from core.position.kit.atr_stop import atr_stop
from core.position.kit.break_even import break_even
from core.position.kit.hard_loss import hard_loss
from core.position.kit.profit_lock import profit_lock
from core.position.kit.reversal import reversal
from core.position.kit.roi import roi
from core.position.kit.time_limit import time_limit
from core.position.kit.trailing import trailing
from core.position.memory import PolicyMemory
from core.position.policy import ADD, CLOSE, HOLD, MOVE_STOP, REDUCE, Candle, ExitPolicy, Held, Said, beyond, weighed
from tests.core.position.candles import HOUR_MS, SILENT, held, walks
from tests.core.position.compiling import compiled

KIT = (
    trailing(2.0),
    trailing(1.0, 3.0),
    break_even(2.0, 5.0),
    profit_lock(1.0, 0.5),
    time_limit(3.0 * HOUR_MS),
    roi({0: 10.0, 120: 1.0}),
    atr_stop(3, 2.0),
    hard_loss(3.0, 5.0),
    reversal(5.0),
)
SIDES = st.sampled_from([1, -1])


def say(what: int, amount: float = 0.0, reason: str = "") -> Said:
    return Said(ExitPolicy(reason, KIT[0].step), what, amount)


def test_who_closes_is_heard_before_who_reduces_and_no_stop_is_moved_then() -> None:
    said = [say(MOVE_STOP, 95.0), say(REDUCE, 0.5), say(CLOSE, reason="first"), say(CLOSE, reason="second")]
    act, stop = weighed(1, said)
    assert act is not None
    assert (act.what, act.policy.reason, stop) == (CLOSE, "first", None)


def test_the_first_who_reduces_or_adds_is_heard_beside_the_nearest_stop() -> None:
    said = [say(MOVE_STOP, 95.0), say(ADD, 0.1), say(MOVE_STOP, math.nan), say(MOVE_STOP, 97.0), say(REDUCE, 0.5)]
    for sign, price in ((1, 97.0), (-1, 95.0)):
        act, stop = weighed(sign, said)
        assert act is not None
        assert stop is not None
        assert (act.what, stop.amount) == (ADD, price)


def test_who_says_nothing_is_not_heard() -> None:
    assert weighed(1, []) == (None, None)
    assert weighed(1, [say(HOLD)]) == (None, None)


def test_what_is_not_known_is_named() -> None:
    adds = ExitPolicy("adds", KIT[0].step, says=(CLOSE, ADD))
    assert beyond(KIT, (CLOSE, MOVE_STOP)) is None
    assert beyond((*KIT, adds), (CLOSE, MOVE_STOP)) == (adds, ADD)


def test_a_policy_may_not_say_what_it_does_not_declare_nor_touch_what_it_remembers() -> None:
    memory = PolicyMemory([ExitPolicy("says nothing", KIT[4].step, (0.0,), says=(MOVE_STOP,))], 1)
    with pytest.raises(BadInputError, match="'says nothing' says to close, which it does not declare"):
        memory.ask(held(), Candle(1.0, 1.0, 1.0, 1.0, 1.0), SILENT)

    def writes(
        state: np.ndarray, held: Held, bar: Candle, values: np.ndarray, parameters: np.ndarray
    ) -> tuple[int, float]:
        state[0] = 1.0
        return HOLD, 0.0

    memory = PolicyMemory([ExitPolicy("writes", writes, state_size=1)], 1)
    with pytest.raises(ValueError, match="read-only"):
        memory.ask(held(), Candle(1.0, 1.0, 1.0, 1.0, 1.0), SILENT)


def remembered(bars: Sequence[Candle], sign: int) -> list[list[float]]:
    memory = PolicyMemory(KIT, sign)
    for bar in bars:
        memory.see(bar)
    return [state.tolist() for state in memory.states()]


@given(bars=walks(), sign=SIDES, asked=st.lists(st.floats(-100.0, 100.0), min_size=40, max_size=40))
def test_memory_told_again_is_the_memory_that_was_folded(bars: Sequence[Candle], sign: int, asked: list[float]) -> None:
    """Whatever it was asked meanwhile, of whatever became of the trade."""
    memory = PolicyMemory(KIT, sign)
    for n, bar in enumerate(bars):
        memory.see(bar)
        memory.ask(held(sign, 100.0 + asked[n] / 100.0, n * HOUR_MS, qty=1.0 + n), bar, np.array([asked[n]]))
    assert [state.tolist() for state in memory.states()] == remembered(bars, sign)


@given(bars=walks(), sign=SIDES, cut=st.integers(1, 40))
def test_cutting_the_future_off_changes_nothing(bars: Sequence[Candle], sign: int, cut: int) -> None:
    def answers(told: Sequence[Candle]) -> list[list[tuple[str, int, float]]]:
        memory, found = PolicyMemory(KIT, sign), []
        for n, bar in enumerate(told, 1):
            memory.see(bar)
            said = memory.ask(held(sign, 100.0, n * HOUR_MS), bar, SILENT)
            found.append([(one.policy.reason, one.what, one.amount) for one in said])
        return found

    assert answers(bars[:cut]) == answers(bars)[:cut]


@pytest.mark.parametrize("policy", KIT, ids=lambda policy: policy.reason)
def test_the_kit_compiles_to_the_same_answers(policy: ExitPolicy) -> None:
    see = compiled(policy.see) if policy.see is not None else None
    step = compiled(policy.step)
    parameters = np.array(policy.parameters)

    @given(bars=walks(most=12), sign=SIDES, value=st.floats(-100.0, 100.0) | st.just(math.nan))
    def agree(bars: Sequence[Candle], sign: int, value: float) -> None:
        plain, fast, values = np.zeros(policy.state_size), np.zeros(policy.state_size), np.array([value])
        for n, bar in enumerate(bars, 1):
            if policy.see is not None:
                policy.see(plain, sign, bar, parameters)
                see(fast, sign, bar, parameters)
            trade = held(sign, 100.0, n * HOUR_MS, qty=0.5 * n)
            assert fast.tolist() == plain.tolist()
            what, amount = policy.step(plain, trade, bar, values, parameters)
            # NaN is the price of a stop that cannot be.
            assert repr(step(fast, trade, bar, values, parameters)) == repr((what, float(amount)))

    agree()
