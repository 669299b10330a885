"""What one trade can do: figures by hand, and properties of whatever may happen to it."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.position import holding
from core.position.holding import (
    MOST_TARGETS,
    Holding,
    added,
    added_lots,
    entry_ticks,
    gross_sum,
    opened,
    part_lots,
    reduced,
    reducible_lots,
    target_lots,
    with_stop,
)
from tests.core.position.compiling import compiled, functions_of

SIDES = st.sampled_from([1, -1])
LOTS = st.integers(1, 10**6)
TICKS = st.integers(1, 10**7)
QUARTERS = (0.25, 0.25, 0.25, 0.25)
NO_SHARES = (0.0, 0.0, 0.0, 0.0)
COMPILED = {function: compiled(function) for function in functions_of(holding)}


@st.composite
def ladders(draw: st.DrawFn) -> tuple[float, float, float, float]:
    """Shares of up to four targets, 1 at most together."""
    weights = draw(st.lists(st.integers(1, 10), min_size=1, max_size=MOST_TARGETS))
    kept = draw(st.sampled_from([0, 0, 3]))
    shares = [weight / (sum(weights) + kept) for weight in weights]
    return tuple(shares + [0.0] * (MOST_TARGETS - len(shares)))  # type: ignore[return-value]


def test_adding_half_at_7_9_and_11_is_entered_at_9() -> None:
    h = added(added(opened(1, 5, 7, 0), 5, 9), 5, 11)
    assert (entry_ticks(h), h.lots) == (9.0, 15)


def test_a_long_reduced_in_three_parts_leaves_at_their_mean() -> None:
    h = opened(1, 15, 7, 0)
    shares = (1 / 3, 1 / 3, 1 / 3, 0.0)
    for place, ticks in enumerate((11, 13, 15)):
        lots = target_lots(h.lots, shares, place, 1, 1)
        assert lots == 5
        h = reduced(h, lots, ticks, place + 1)
    assert (h.lots, h.closed_sum / h.opened_lots, gross_sum(h)) == (0, 13.0, 15 * 6)


def test_two_trades_of_one_side_stopped_at_90_and_80_left_at_85() -> None:
    halves = [reduced(opened(1, 1, 100, stop), 1, stop, 0) for stop in (90, 80)]
    left, entered = sum(h.closed_sum for h in halves), sum(h.opened_sum for h in halves)
    assert left / 2 == 85.0
    assert sum(gross_sum(h) for h in halves) - 0.001 * (entered + left) == pytest.approx(-30.37)


@pytest.mark.parametrize(
    ("held", "share", "least", "step", "lots"),
    [
        (10, 0.5, 1, 1, 5),
        (10, 0.29, 1, 1, 2),
        (3, 1 / 3, 1, 1, 1),
        (10, 0.0, 1, 1, 0),
        (10, float("nan"), 1, 1, 0),
        (0, 0.5, 1, 1, 0),
        (10, 1.0, 1, 1, 10),
        (10, 7.0, 1, 1, 10),
        (10, 0.01, 3, 1, 3),  # no order is smaller
        (10, 0.8, 3, 1, 10),  # two lots would be left, which no order could close
        (7, 0.5, 4, 1, 7),
        (100, 0.56, 10, 10, 50),
        (105, 0.99, 10, 10, 105),
    ],
)
def test_a_share_leaves_in_orders_that_can_be(held: int, share: float, least: int, step: int, lots: int) -> None:
    assert part_lots(held, share, least, step) == lots


@pytest.mark.parametrize(
    ("held", "shares", "place", "least", "lots"),
    [
        (10, (0.5, 0.5, 0.0, 0.0), 0, 1, 5),
        (5, (0.5, 0.5, 0.0, 0.0), 1, 1, 5),
        (2, (0.5, 0.5, 0.0, 0.0), 1, 1, 2),
        (10, (0.5, 0.25, 0.0, 0.0), 1, 1, 5),  # 5 of 10 stay
        (1, (0.5, 0.5, 0.0, 0.0), 0, 1, 0),  # with the next
        (11, (0.5, 0.4, 0.1, 0.0), 2, 5, 11),
        (11, (0.9, 0.1, 0.0, 0.0), 0, 5, 11),  # the two lots that would be left
        (11, (0.2, 0.8, 0.0, 0.0), 0, 5, 0),
        (9, NO_SHARES, 0, 1, 0),
    ],
)
def test_a_target_closes_its_share_of_what_those_before_it_left(
    held: int, shares: tuple[float, float, float, float], place: int, least: int, lots: int
) -> None:
    assert target_lots(held, shares, place, least, 1) == lots


@given(held=LOTS, shares=ladders(), least=st.integers(1, 50), step=st.sampled_from([1, 10]))
def test_targets_never_close_more_than_is_held_and_leave_nothing_that_no_order_could_close(
    held: int, shares: tuple[float, float, float, float], least: int, step: int
) -> None:
    least = -(-least // step) * step
    left = held
    for place in range(MOST_TARGETS):
        lots = target_lots(left, shares, place, least, step)
        assert 0 <= lots <= left
        assert lots == left or lots == 0 or (lots >= least and lots % step == 0)
        left -= lots
        assert left == 0 or left >= min(least, held)
    if sum(shares) > 1.0 - 1e-9:
        assert left == 0


@given(held=LOTS, share=st.floats(-1.0, 2.0), least=st.integers(1, 50), step=st.sampled_from([1, 10]))
def test_a_share_is_no_more_than_is_held_and_leaves_no_dust(held: int, share: float, least: int, step: int) -> None:
    least = -(-least // step) * step
    lots = part_lots(held, share, least, step)
    assert 0 <= lots <= held
    assert lots in (0, held) or (lots >= least and held - lots >= least and lots % step == 0)
    assert (lots > 0) == (share > 0.0)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), LOTS, TICKS),
        st.tuples(st.just("reduce"), LOTS, TICKS),
        st.tuples(st.just("stop"), LOTS, TICKS),
    ),
    max_size=30,
)


@given(sign=SIDES, lots=LOTS, ticks=TICKS, steps=STEPS, exit_ticks=TICKS)
def test_whatever_happens_what_left_is_what_was_bought(
    sign: int, lots: int, ticks: int, steps: list[tuple[str, int, int]], exit_ticks: int
) -> None:
    h = opened(sign, lots, ticks, 0)
    bought, gone, paid, got = lots, 0, lots * ticks, 0
    for what, count, at in steps:
        if what == "add":
            h = added(h, count, at)
            bought, paid = bought + count, paid + count * at
        elif what == "reduce":
            closed = min(count, h.lots)
            h = reduced(h, count, at, 0)
            gone, got = gone + closed, got + closed * at
        else:
            h = with_stop(h, at)
        assert 0 <= h.lots <= h.opened_lots == bought
        assert h.lots == bought - gone
    h = reduced(h, h.lots, exit_ticks, 0)
    got += (bought - gone) * exit_ticks
    assert (h.lots, h.closed_sum, gross_sum(h)) == (0, got, sign * (got - paid))


@pytest.mark.parametrize(
    ("held", "share", "step", "lots"),
    [(41, 0.5, 1, 20), (41, 0.5, 10, 20), (41, 1.0, 1, 41), (41, 3.0, 1, 41), (41, 0.01, 1, 0), (30, 0.1, 1, 3)]
    + [(41, share, 1, 0) for share in (0.0, -1.0, math.nan)],
)
def test_what_is_added_is_never_more_than_the_share(held: int, share: float, step: int, lots: int) -> None:
    assert added_lots(held, share, step) == lots


@given(held=st.integers(-100, 100), sign=SIDES)
def test_only_the_other_side_reduces(held: int, sign: int) -> None:
    assert reducible_lots(held, sign) == (abs(held) if held and (held > 0) != (sign > 0) else 0)


@given(
    st.builds(
        Holding,
        SIDES,
        st.integers(0, 1000),
        LOTS,
        st.integers(1, 10**9),
        st.integers(0, 10**9),
        TICKS,
        st.integers(0, 4),
    ),
    LOTS,
    TICKS,
    ladders(),
    st.floats(0.0, 1.0),
    st.integers(0, MOST_TARGETS - 1),
)
def test_compiled_and_plain_agree(
    h: Holding, lots: int, ticks: int, shares: tuple[float, float, float, float], share: float, place: int
) -> None:
    arguments: dict[Any, tuple[Any, ...]] = {
        opened: (h.sign, lots, ticks, ticks),
        added: (h, lots, ticks),
        reduced: (h, lots, ticks, place),
        with_stop: (h, ticks),
        gross_sum: (h,),
        entry_ticks: (h,),
        reducible_lots: (h.sign * h.lots, -h.sign),
        part_lots: (h.lots, share, 3, 1),
        added_lots: (h.lots, share, 5),
        target_lots: (h.lots, shares, place, 3, 1),
    }
    assert set(arguments) == set(COMPILED)
    for function, given_to in arguments.items():
        assert COMPILED[function](*given_to) == function(*given_to), function.__name__
