"""Several targets of one trade: what is wrong with a ladder, and what of it is left to close."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.position.holding import Holding, Plan, reduced
from core.position.ladder import Ladder, closes_all, ladder_problem, lots_by_target, mean_target
from core.position.meeting import REACHED, after, next_closing

NAN = math.nan


@pytest.mark.parametrize(
    ("ladder", "problem"),
    [
        ((), ""),
        (((1.0, 1.0),), ""),
        (((0.5, 0.25), (1.0, 0.25), (2.0, 0.25), (3.0, 0.25)), ""),
        (tuple((0.1 * (n + 1), share) for n, share in enumerate((0.1, 0.2, 0.3, 0.4))), ""),
        (tuple((float(n), 0.1) for n in range(1, 6)), "5 targets are more than a trade can have, which is 4"),
        (((1.0, 0.6), (2.0, 0.6)), "the targets close 1.2 together; at most 1 is there"),
        (((2.0, 0.5), (1.0, 0.5)), "a target at 1 % stands behind one at 2 %; the nearest stands first"),
        (((1.0, 0.5), (1.0, 0.5)), "a target at 1 % stands behind one at 1 %; the nearest stands first"),
        (((-1.0, 0.5),), "a target lies -1 % from the entry; it must lie above 0"),
        (((NAN, 0.5),), "a target lies nan % from the entry; it must lie above 0"),
        (((math.inf, 0.5),), "a target lies inf % from the entry; it must lie above 0"),
        (((1.0, -0.5),), "the target at 1 % closes a share of -0.5; it must be above 0, and at most 1"),
        (((1.0, 0.0),), "the target at 1 % closes a share of 0; it must be above 0, and at most 1"),
        (((1.0, NAN),), "the target at 1 % closes a share of nan; it must be above 0, and at most 1"),
        (((1.0, 1.5),), "the target at 1 % closes a share of 1.5; it must be above 0, and at most 1"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(ladder: Ladder, problem: str) -> None:
    assert ladder_problem(ladder) == problem


def lots(held: int, shares: tuple[float, ...], least: int = 1, step: int = 1, **done: tuple[int, ...]) -> list[int]:
    taken = tuple(n in done.get("taken", ()) for n in range(len(shares)))
    return lots_by_target(held, shares, taken, done.get("filled", (0,) * len(shares)), least, step)


def test_shares_are_of_what_was_opened() -> None:
    assert lots(100, (0.5, 0.3, 0.2)) == [50, 30, 20]
    assert lots(50, (0.5, 0.3, 0.2), taken=(0,)) == [0, 30, 20]
    assert lots(20, (0.5, 0.3, 0.2), taken=(0, 1)) == [0, 0, 20]
    assert lots(100, (0.25, 0.25)) == [25, 25]


def test_what_was_closed_by_hand_or_added_falls_on_all_alike() -> None:
    assert lots(50, (0.5, 0.3, 0.2)) == [25, 15, 10]
    assert lots(200, (0.5, 0.3, 0.2)) == [100, 60, 40]
    assert lots(30, (0.5, 0.3, 0.2), taken=(0,)) == [0, 18, 12]


def test_what_of_a_target_was_filled_is_not_wanted_again() -> None:
    assert lots(70, (0.5, 0.3, 0.2), filled=(30, 0, 0)) == [20, 30, 20]
    assert lots(35, (0.5, 0.5), filled=(30, 0)) == [2, 33]
    assert lots(20, (0.5, 0.5), filled=(60, 0)) == [0, 20]


def test_one_that_was_passed_over_closes_its_share_of_what_the_farther_one_left() -> None:
    assert lots(70, (0.5, 0.3, 0.2), taken=(1,)) == [50, 0, 20]


def test_a_part_below_the_smallest_order_leaves_with_the_next_and_what_cannot_be_held_with_the_last() -> None:
    assert lots(30, (0.1, 0.9), least=5) == [0, 30]
    assert lots(12, (0.5, 0.5), least=10) == [0, 12]
    assert lots(21, (0.5, 0.5), least=10, step=10) == [10, 11]
    assert lots(3, (0.9,), least=1, step=1) == [2]


def test_what_closes_everything() -> None:
    assert closes_all((1.0,), 0)
    assert closes_all((0.1, 0.2, 0.7), 2)
    assert not closes_all((0.1, 0.2, 0.7), 1)
    assert not closes_all((0.5,), 0)


def test_the_price_that_stands_for_several() -> None:
    assert mean_target(100.0, [(103.3, 1.0)]) == 103.3
    assert mean_target(100.0, [(102.0, 0.5), (104.0, 0.5)]) == pytest.approx(103.0)
    assert mean_target(100.0, [(104.0, 0.25)]) == pytest.approx(101.0)
    assert math.isnan(mean_target(100.0, []))


shares = st.lists(st.integers(1, 20), min_size=1, max_size=4).map(
    lambda parts: tuple(part / max(sum(parts), 20) for part in parts)
)


@given(
    held=st.integers(0, 3_000),
    shares=shares,
    taken=st.sets(st.integers(0, 3)),
    filled=st.lists(st.integers(0, 500), min_size=4, max_size=4),
    steps=st.integers(1, 5),
    step=st.sampled_from([1, 5, 10]),
)
def test_never_more_than_is_held_and_never_what_no_order_can_be(
    held: int, shares: tuple[float, ...], taken: set[int], filled: list[int], steps: int, step: int
) -> None:
    held, filled, least = held * step, [part * step for part in filled], steps * step
    flags = [n in taken for n in range(len(shares))]
    found = lots_by_target(held, shares, flags, filled[: len(shares)], least, step)
    assert sum(found) <= held
    assert all(part == 0 or (part >= min(least, held) and part % step == 0) for part in found)
    assert all(part == 0 for part, done in zip(found, flags, strict=True) if done)
    if closes_all(shares, len(shares) - 1) and not flags[-1] and not filled[len(shares) - 1]:
        assert sum(found) == held


@given(held=st.integers(1, 5_000), shares=shares, least=st.integers(1, 8))
def test_one_after_the_other_they_close_what_prices_do(held: int, shares: tuple[float, ...], least: int) -> None:
    """The lots that orders rest for are those that the machine closes, target by target."""
    four = tuple([*shares, 0.0, 0.0, 0.0][:4])
    ticks = tuple(110 + n if n < len(shares) else 0 for n in range(4))
    plan = Plan(ticks, four, least, 1)  # type: ignore[arg-type]
    h = Holding(1, held, held, held * 100, 0, 90, 0)
    planned = [
        part for part in lots_by_target(held, shares, [False] * len(shares), [0] * len(shares), least, 1) if part
    ]
    met = []
    while (one := next_closing(h, plan, 1.0, 0.0, 120.0, 120.0, 120.0)).what == REACHED:
        met.append(one.lots)
        h = after(h, one, 120)
    assert met == planned
    assert reduced(h, 0, 0, 0).lots == held - sum(planned)
