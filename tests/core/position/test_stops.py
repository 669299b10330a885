from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.position import stops
from core.position.stops import (
    LEAVE_BARE,
    LEAVE_PAST,
    MAX_LOST_STOPS,
    PLACE,
    loss_price,
    moved_ticks,
    remedy,
    scaled_pct,
)
from tests.core.position.compiling import compiled, functions_of

NAN = math.nan
SIDES = st.sampled_from([1, -1])
PRICES = st.floats(1e-3, 1e6)
COMPILED = {function: compiled(function) for function in functions_of(stops)}


@pytest.mark.parametrize(
    ("sign", "mark", "stop", "lost", "refused", "wanted"),
    [
        (1, 100.0, 99.0, 0, False, PLACE),
        (1, 99.0, 99.0, 0, False, LEAVE_PAST),
        (1, 98.0, 99.0, 9, True, LEAVE_PAST),
        (-1, 100.0, 101.0, 0, False, PLACE),
        (-1, 101.0, 101.0, 0, False, LEAVE_PAST),
        (1, 100.0, 99.0, MAX_LOST_STOPS - 1, False, PLACE),
        (1, 100.0, 99.0, MAX_LOST_STOPS, False, LEAVE_BARE),
        (1, 100.0, 99.0, 0, True, LEAVE_BARE),
    ],
)
def test_what_is_bare_gets_a_stop_or_is_left(
    sign: int, mark: float, stop: float, lost: int, refused: bool, wanted: int
) -> None:
    assert remedy(sign, mark, stop, lost, refused) == wanted


@pytest.mark.parametrize(
    ("sign", "ticks", "wanted", "loosens", "moved"),
    [
        (1, 950, 96.01, False, 961),  # up: the tick that leaves sooner
        (1, 950, 96.0, False, 960),
        (1, 950, 94.0, False, 950),
        (1, 950, 94.0, True, 940),
        (1, 0, 94.0, False, 940),
        (-1, 1050, 104.09, False, 1040),
        (-1, 1050, 106.0, False, 1050),
        (-1, 1050, 106.0, True, 1060),
        (1, 950, NAN, True, 950),
        (1, 950, -3.0, True, 950),
        (-1, 1050, math.inf, True, 1050),
    ],
)
def test_a_stop_moves_to_the_price_or_not_at_all(
    sign: int, ticks: int, wanted: float, loosens: bool, moved: int
) -> None:
    assert moved_ticks(sign, ticks, wanted, 0.1, 1, loosens) == moved


def test_it_lies_where_an_order_may() -> None:
    assert moved_ticks(1, 9500, 96.013, 0.1, 10, False) == 9610
    assert moved_ticks(-1, 10500, 104.09, 0.1, 10, False) == 10400


@given(sign=SIDES, ticks=st.integers(1, 10**6), wanted=st.lists(st.floats(0.1, 1e6), min_size=1, max_size=20))
def test_it_never_loosens(sign: int, ticks: int, wanted: list[float]) -> None:
    for price in wanted:
        moved = moved_ticks(sign, ticks, price, 0.1, 1, False)
        assert sign * (moved - ticks) >= 0
        assert sign * (moved * 0.1 - price) >= -1e-6 or moved == ticks
        ticks = moved


@given(sign=SIDES, entry=PRICES, qty=st.floats(1e-3, 1e3), loss=st.floats(0.01, 1e5), bps=st.floats(0.0, 50.0))
def test_what_leaves_there_has_lost_that(sign: int, entry: float, qty: float, loss: float, bps: float) -> None:
    price = loss_price(sign, entry, qty, loss, bps)
    if price != price:
        assert sign > 0
        assert loss >= qty * entry * (1.0 - 1e-12)
        return
    costs = bps / 10_000.0 * qty * (entry + price)
    assert sign * (entry - price) * qty + costs == pytest.approx(loss, rel=1e-6, abs=1e-6 * qty * entry)


def test_nothing_held_can_lose_nothing() -> None:
    assert math.isnan(loss_price(1, 100.0, 0.0, 10.0, 0.0))
    assert loss_price(1, 100.0, 2.0, 10.0, 0.0) == 95.0
    assert loss_price(-1, 100.0, 2.0, 10.0, 0.0) == 105.0


def test_a_distance_follows_the_volatility_within_its_bounds() -> None:
    assert [scaled_pct(v, 2.0, 0.5, 3.0) for v in (0.1, 0.5, 1.0, 9.0)] == [0.5, 1.0, 2.0, 3.0]
    assert math.isnan(scaled_pct(NAN, 2.0, 0.5, 3.0))
    assert math.isnan(scaled_pct(0.0, 2.0, 0.5, 3.0))


@given(sign=SIDES, price=PRICES, other=PRICES, n=st.integers(0, 5), flag=st.booleans())
def test_compiled_and_plain_agree(sign: int, price: float, other: float, n: int, flag: bool) -> None:
    arguments = {
        remedy: (sign, price, other, n, flag),
        moved_ticks: (sign, n, price, 0.1, 1, flag),
        loss_price: (sign, price, other, price, float(n)),
        scaled_pct: (float(n), price, 0.5, 3.0),
    }
    assert set(arguments) == set(COMPILED)
    for function, given_to in arguments.items():
        plain = function(*given_to)
        assert COMPILED[function](*given_to) == plain or plain != plain
