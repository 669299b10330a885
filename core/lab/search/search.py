"""Searches: every combination of a grid, tried in parallel, and what is told of each trial as it comes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from core.compute.pool import Compute, run_tasks
from core.domain.errors import BadInputError
from core.lab.requests import OBJECTIVES
from core.lab.run.evaluation import Attempt, Ground, Parameters, check_space, evaluate_trial
from core.lab.search.trials import Trial, parameter_hash
from core.lab.statistics.basis import RANKS
from core.settings.values import Grid

MAX_POINTS = 1_000_000

OnTrial = Callable[[Trial], None]
ShouldStop = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Search:
    """What a search has tried, by number; `complete` is False where it was stopped before all was tried."""

    trials: tuple[Trial, ...]
    complete: bool


def grid_points(grid: Grid) -> list[Parameters]:
    """Every combination of the grid's values, the last key changing fastest. Raises as `count_points` does."""
    count_points(grid)
    keys = [key for key, _ in grid]
    return [dict(zip(keys, chosen, strict=True)) for chosen in itertools.product(*(values for _, values in grid))]


def count_points(grid: Grid) -> int:
    """How many combinations there are.

    Raises BadInputError where a key comes twice or has no values, or where there are more than MAX_POINTS.
    """
    keys = [key for key, _ in grid]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise BadInputError(f"{twice}: is given twice; write all its values in one --grid")
    empty = next((key for key, values in grid if not values), None)
    if empty is not None:
        raise BadInputError(f"{empty}: has no values to try")
    count = math.prod(len(values) for _, values in grid)
    if count > MAX_POINTS:
        raise BadInputError(
            f"the grid has {count:,} combinations, more than {MAX_POINTS:,}; try fewer values, or draw with --trials"
        )
    return count


def run_grid(
    ground: Ground,
    grid: Grid,
    compute: Compute,
    *,
    period: tuple[int, int] | None = None,
    known: Mapping[str, Trial] | None = None,
    on_trial: OnTrial = lambda trial: None,
    should_stop: ShouldStop = lambda: False,
) -> Search:
    """Try every combination of `grid` on the ground's history, or on `period` [from, to) in ms of it.

    A trial's number is the place of its combination. `known` are trials of before by `parameter_hash`, of the same
    period: they are not tried again and not told to `on_trial`, which hears of every other as it comes, in any order.
    Two combinations that set the same are one trial. Raises BadInputError where the grid cannot be searched.
    """
    check_space(ground, grid)
    found: dict[str, Trial] = {}
    missing: list[Attempt] = []
    begun: set[str] = set()
    base = ground.settings.model_dump(mode="json")
    for number, point in enumerate(grid_points(grid)):
        named = parameter_hash(base, ground.strategy, point)
        if known is not None and named in known:
            found.setdefault(named, known[named])
        elif named not in begun:
            begun.add(named)
            missing.append(Attempt(number, point, period))
    for trial in evaluate(ground, missing, compute, on_trial=on_trial, should_stop=should_stop):
        found[trial.parameter_hash] = trial
    complete = begun <= found.keys()
    return Search(tuple(sorted(found.values(), key=lambda trial: trial.number)), complete)


def evaluate(
    ground: Ground,
    attempts: Sequence[Attempt],
    compute: Compute,
    *,
    on_trial: OnTrial = lambda trial: None,
    should_stop: ShouldStop = lambda: False,
) -> list[Trial]:
    """The trials of `attempts` in their order, without those that a stop left untried."""

    def told(index: int, trial: Trial) -> None:
        on_trial(trial)

    results = run_tasks(evaluate_trial, ground, attempts, compute, on_result=told, should_stop=should_stop)
    return [trial for trial in results if trial is not None]


def objective_value(trial: Trial, objective: str, min_trades: int = 0) -> float:
    """What a search raises: the figure `objective`, of a ratio that of a day, which is there for short records too;
    minus infinity where it is undefined or of too few trades."""
    value = trial.figures.get(RANKS.get(objective, objective))
    if trial.state != "complete" or value is None or not math.isfinite(value):
        return -math.inf
    trades = trial.figures.get("trades") or 0.0
    return float(value) if trades >= min_trades else -math.inf


def best_trial(trials: Sequence[Trial], objective: str, min_trades: int = 0) -> Trial | None:
    """The trial with the highest objective, of equals the first; None where it is undefined for all."""
    check_objective(objective)
    best = max(trials, key=lambda trial: (objective_value(trial, objective, min_trades), -trial.number), default=None)
    if best is None or objective_value(best, objective, min_trades) == -math.inf:
        return None
    return best


def nothing_chosen(trials: Sequence[Trial], objective: str, min_trades: int = 0) -> str:
    """Why `best_trial` is None, in one line."""
    if trials and all(trial.state == "failed" for trial in trials):
        return f"nothing can be chosen: {trials[0].note}"
    enough = f" of {min_trades} trades or more" if min_trades else ""
    whole = "" if min_trades or objective not in ("sharpe", "sortino") else "; a ratio needs 2 whole UTC days"
    return f"nothing can be chosen: no trial{enough} has a {objective}{whole}"


def check_objective(objective: str) -> None:
    if objective not in OBJECTIVES:
        raise BadInputError(f"objective {objective}: is not known; choose {', '.join(OBJECTIVES)}")
