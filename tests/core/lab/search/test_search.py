"""Grids: every combination once, in one order, whoever tries it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.compute.pool import Compute
from core.domain.errors import BadInputError
from core.lab.search.search import Search, best_trial, grid_points, objective_value, run_grid
from core.lab.search.trials import Trial
from core.settings.values import Grid
from tests.core.lab.run.test_evaluation import ground_of

HERE = Compute(jobs=1)
GRID: Grid = (("fast_bars", (5, 9, 30)), ("slow_bars", (26, 30)))


def told(search: Search) -> list[object]:
    return [(t.number, dict(t.parameters), t.state, dict(t.figures)) for t in search.trials]


@given(st.lists(st.lists(st.integers(), min_size=1, max_size=4, unique=True), min_size=1, max_size=4))
def test_a_grid_is_every_combination_with_the_last_key_fastest(values: list[list[int]]) -> None:
    grid = tuple((f"key{place}", tuple(chosen)) for place, chosen in enumerate(values))
    points = grid_points(grid)
    count = 1
    for chosen in values:
        count *= len(chosen)
    assert len(points) == len({tuple(point.items()) for point in points}) == count
    order = [tuple(chosen.index(point[key]) for (key, _), chosen in zip(grid, values, strict=True)) for point in points]
    assert order == sorted(order)


def test_a_grid_that_is_too_large_or_says_a_key_twice_is_refused() -> None:
    with pytest.raises(BadInputError, match="1,030,301 combinations, more than 1,000,000"):
        grid_points(tuple((key, tuple(range(101))) for key in "abc"))
    with pytest.raises(BadInputError, match=r"^a: is given twice"):
        grid_points((("a", (1,)), ("a", (2,))))


def test_every_combination_is_tried_and_told_once() -> None:
    heard: list[Trial] = []
    search = run_grid(ground_of(2), GRID, HERE, on_trial=heard.append)
    assert search.complete
    assert [trial.number for trial in search.trials] == list(range(6))
    assert [trial.state for trial in search.trials] == ["complete"] * 4 + ["failed"] * 2
    assert sorted(heard, key=lambda trial: trial.number) == list(search.trials)


def test_processes_give_what_one_gives() -> None:
    ground = ground_of(2)
    assert told(run_grid(ground, GRID, Compute(jobs=2))) == told(run_grid(ground, GRID, HERE))


def test_what_sets_the_same_is_one_trial() -> None:
    search = run_grid(ground_of(2), (("fast_bars", (5, 5.0)), ("ema_cross.slow_bars", (26, 30))), HERE)
    assert [(trial.number, dict(trial.parameters)) for trial in search.trials] == [
        (0, {"fast_bars": 5, "ema_cross.slow_bars": 26}),
        (1, {"fast_bars": 5, "ema_cross.slow_bars": 30}),
    ]


def test_a_stopped_search_goes_on_with_what_it_has() -> None:
    ground = ground_of(2)
    heard: list[Trial] = []
    part = run_grid(ground, GRID, HERE, on_trial=heard.append, should_stop=lambda: len(heard) == 2)
    assert not part.complete
    assert list(part.trials) == heard
    rest: list[Trial] = []
    known = {trial.parameter_hash: trial for trial in part.trials}
    whole = run_grid(ground, GRID, HERE, known=known, on_trial=rest.append)
    assert [trial.number for trial in rest] == [2, 3, 4, 5]
    assert whole.complete
    assert told(whole) == told(run_grid(ground, GRID, HERE))


def trial(number: int, **figures: float | None) -> Trial:
    return Trial(number, {}, str(number), "complete", figures)


def test_the_best_has_the_highest_objective_and_of_equals_the_lowest_number() -> None:
    trials = [
        trial(0, sharpe_a_day=None, trades=90.0),
        trial(1, sharpe_a_day=9.0, trades=2.0),
        trial(2, sharpe_a_day=1.5, trades=40.0),
        trial(3, sharpe_a_day=1.5, trades=50.0),
        Trial(4, {}, "4", "failed", {}),
    ]
    chosen = best_trial(trials, "sharpe", min_trades=10)
    assert chosen is trials[2]
    assert best_trial(trials, "sharpe") is trials[1]
    assert best_trial([trials[0], trials[4]], "sharpe") is None
    assert objective_value(trials[0], "sharpe") == -float("inf")
    with pytest.raises(BadInputError, match="objective profit: is not known"):
        best_trial(trials, "profit")
