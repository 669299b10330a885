"""What prices do to a trade: hand-made bars with the one right sequence, and that no order of events is kinder."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.arithmetic.exits import held_ms
from core.arithmetic.fills import liquidation_price
from core.position.holding import Holding, Plan, opened
from core.position.meeting import (
    LIQUIDATED,
    NOTHING,
    REACHED,
    STOPPED,
    Closing,
    after,
    bars_until,
    next_closing,
    quiet_range,
)
from tests.core.position.compiling import compiled

HOUR_MS = 3_600_000
NO_TARGETS = Plan((0, 0, 0, 0), (0.0, 0.0, 0.0, 0.0), 1, 1)
HALVES = Plan((110, 120, 0, 0), (0.5, 0.5, 0.0, 0.0), 1, 1)
BELOW = Plan((90, 80, 0, 0), (0.5, 0.5, 0.0, 0.0), 1, 1)


def met_in_bar(
    h: Holding, plan: Plan, bar: tuple[float, float, float], liquidation: float = 0.0
) -> list[tuple[int, int, float]]:
    """What closes in a bar of (open, high, low): its first price is met alone, then its range."""
    first, high, low = bar
    found = []
    for least, most in ((first, first), (low, high)):
        while (met := next_closing(h, plan, 1.0, liquidation, first, least, most)).what != NOTHING:
            h = after(h, met, round(met.price))
            found.append((met.what, met.lots, met.price))
        h = h._replace(taken=met.taken)
    return found


@pytest.mark.parametrize(
    ("sign", "plan", "bar", "closings"),
    [
        (1, HALVES, (100.0, 104.0, 96.0), []),
        (1, HALVES, (100.0, 130.0, 95.0), [(STOPPED, 10, 95.0)]),
        (1, HALVES, (93.0, 130.0, 93.0), [(STOPPED, 10, 93.0)]),
        (1, HALVES, (100.0, 110.0, 99.0), [(REACHED, 5, 110.0)]),
        (1, HALVES, (100.0, 125.0, 99.0), [(REACHED, 5, 110.0), (REACHED, 5, 120.0)]),
        (1, HALVES, (115.0, 116.0, 99.0), [(REACHED, 5, 115.0)]),
        (1, HALVES, (115.0, 125.0, 94.0), [(REACHED, 5, 115.0), (STOPPED, 5, 95.0)]),
        (1, HALVES, (126.0, 126.0, 94.0), [(REACHED, 5, 126.0), (REACHED, 5, 126.0)]),
        (-1, BELOW, (100.0, 105.0, 70.0), [(STOPPED, 10, 105.0)]),
        (-1, BELOW, (107.0, 107.0, 70.0), [(STOPPED, 10, 107.0)]),
        (-1, BELOW, (100.0, 104.0, 79.0), [(REACHED, 5, 90.0), (REACHED, 5, 80.0)]),
        (-1, BELOW, (85.0, 104.0, 85.0), [(REACHED, 5, 85.0)]),
        (1, NO_TARGETS, (100.0, 500.0, 96.0), []),
    ],
)
def test_a_bar_closes_the_worse_first(
    sign: int, plan: Plan, bar: tuple[float, float, float], closings: list[tuple[int, int, float]]
) -> None:
    assert met_in_bar(opened(sign, 10, 100, 100 - 5 * sign), plan, bar) == closings


@pytest.mark.parametrize(
    ("stop", "first", "what", "price"),
    [
        (90, 100.0, LIQUIDATED, 95.38),
        (96, 100.0, STOPPED, 96.0),
        (96, 90.0, STOPPED, 90.0),
        (0, 94.0, LIQUIDATED, 94.0),
    ],
)
def test_the_nearer_of_liquidation_and_stop_comes_first(stop: int, first: float, what: int, price: float) -> None:
    at = liquidation_price(1, 100.0, 20.0, 0.004)
    met = next_closing(opened(1, 10, 100, stop), NO_TARGETS, 1.0, at, first, 85.0, first)
    assert (met.what, met.lots, round(met.price, 2)) == (what, 10, price)


def test_a_short_is_liquidated_above() -> None:
    at = liquidation_price(-1, 100.0, 20.0, 0.004)
    met = next_closing(opened(-1, 10, 100, 110), NO_TARGETS, 1.0, at, 100.0, 100.0, 120.0)
    assert (met.what, met.price) == (LIQUIDATED, at)


def test_a_target_too_small_to_be_an_order_leaves_with_the_next() -> None:
    assert met_in_bar(opened(1, 1, 100, 95), HALVES, (100.0, 115.0, 99.0)) == []
    assert met_in_bar(opened(1, 1, 100, 95), HALVES, (100.0, 125.0, 99.0)) == [(REACHED, 1, 120.0)]


prices = st.floats(1.0, 200.0)


@given(
    sign=st.sampled_from([1, -1]),
    lots=st.integers(1, 1000),
    stop=st.integers(1, 60),
    targets=st.lists(st.integers(1, 60), max_size=4),
    liquidation=st.just(0.0) | prices,
    low=prices,
    more=st.floats(0.0, 100.0),
    at=st.floats(0.0, 1.0),
)
def test_within_the_quiet_range_nothing_closes_and_outside_of_it_something_does(
    sign: int,
    lots: int,
    stop: int,
    targets: list[int],
    liquidation: float,
    low: float,
    more: float,
    at: float,
) -> None:
    far = sorted(targets)
    ticks = tuple([100 + sign * away for away in far] + [0] * (4 - len(far)))
    count = len(far)
    shares = tuple([1.0 / count] * count + [0.0] * (4 - count)) if count else (0.0,) * 4
    plan = Plan(ticks, shares, 1, 1)  # type: ignore[arg-type]
    h = opened(sign, lots, 100, 100 - sign * stop)
    first, high = low + at * more, low + more
    down, up = quiet_range(sign, float(h.stop_ticks), float(ticks[0]) if count else math.nan, liquidation)
    met = next_closing(h, plan, 1.0, liquidation, first, low, high)
    if down < low and high < up:
        assert met.what == NOTHING
    elif lots >= 4 and down < up:
        assert met.what != NOTHING
        assert 0 < met.lots <= lots


@given(low=prices, more=st.floats(0.0, 100.0), at=st.floats(0.0, 1.0), sign=st.sampled_from([1, -1]))
def test_compiled_and_plain_agree(low: float, more: float, at: float, sign: int) -> None:
    h, plan = opened(sign, 10, 100, 100 - 5 * sign), HALVES if sign > 0 else BELOW
    arguments = (h, plan, 1.0, 50.0 if sign > 0 else 150.0, low + at * more, low, low + more)
    plain, fast = next_closing(*arguments), NEXT_CLOSING(*arguments)
    # NaN is the price of nothing.
    assert repr(Closing(*fast)) == repr(plain)
    assert AFTER(h, plain, 100) == after(h, plain, 100)
    assert QUIET_RANGE(sign, low, math.nan, 0.0) == quiet_range(sign, low, math.nan, 0.0)
    assert BARS_UNTIL(low * HOUR_MS, HOUR_MS, HOUR_MS) == bars_until(low * HOUR_MS, HOUR_MS, HOUR_MS)


NEXT_CLOSING, AFTER, QUIET_RANGE, BARS_UNTIL = (
    compiled(function) for function in (next_closing, after, quiet_range, bars_until)
)


def test_two_hours_are_over_at_the_close_of_the_second_bar_of_an_hour() -> None:
    entry_ms = 10 * HOUR_MS + 1_000
    held = held_ms(entry_ms, 11 * HOUR_MS, HOUR_MS)
    assert held == HOUR_MS
    assert bars_until(2.0 * HOUR_MS, held, HOUR_MS) == 1
    assert bars_until(2.0 * HOUR_MS + 1.0, held, HOUR_MS) == 2
    assert bars_until(0.0, held, HOUR_MS) == 0
    assert bars_until(math.inf, held, HOUR_MS) == 2**52
