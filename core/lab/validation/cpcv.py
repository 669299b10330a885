"""Combinatorial purged cross-validation of a strategy's models: not one past told, but as many as its folds allow.

Lopez de Prado (2018), "Advances in Financial Machine Learning", chapter 12. What is judged are the models' forecasts,
with what the rules say that are decided on beside them, traded in the simplest way that the strategy's decision allows:
entered at the label's start, left at its end, without stop, target or overlap. Stops, limits and sizing are the
backtest's to judge.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np

from core.compute.pool import Compute, run_tasks, task_seed
from core.domain.errors import BadInputError
from core.lab.run.fixed_predictions import together
from core.lab.run.result import Floats, Times
from core.lab.statistics.statistics import NO_DAYS
from core.lab.validation.splits import Split, along_paths, combinatorial_purged
from core.learning.dataset import Dataset, OpenLearner
from core.learning.outcomes import day_sharpe, errors_above_zero, trade_returns, whole_days
from core.learning.tasks import learner_of
from core.ports import BarColumns
from core.strategy.decision import Decider
from core.strategy.declaration import ModelSpec, Part, Strategy

ShouldStop = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class PathFigures:
    """One path over all rows, each forecast by a model that had not seen its fold. Figures of `trades`: the mean net of
    one in bps, the sum of all, how many standard errors that mean is above 0, and the Sharpe ratio of a year of what
    whole UTC days without holes summed to (`day_sharpe`); None where undefined."""

    trades: int
    mean_net_bps: float | None
    net_bps: float
    errors_above: float | None
    sharpe: float | None


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """`paths` of `rows` rows, which cover so many whole UTC `days` without holes, told by `splits` trainings."""

    rows: int
    days: int
    splits: int
    paths: tuple[PathFigures, ...]

    @property
    def sharpes(self) -> Floats:
        """Those that exist, ascending."""
        return np.sort([path.sharpe for path in self.paths if path.sharpe is not None]).astype(np.float64)

    @property
    def positive_share(self) -> float | None:
        """Of the paths with two trades or more, how many earned something on the mean; None where there is none."""
        known = [path.errors_above for path in self.paths if path.errors_above is not None]
        return float(np.mean(np.array(known) > 0.0)) if known else None


@dataclass(frozen=True, slots=True)
class Ground:
    """The same bars of a symbol for each part that is decided on: as `windows` of what a part with a model sees, and
    what a rule has `said` of each (n, outputs)."""

    windows: Mapping[str, BarColumns]
    said: Mapping[str, Floats]


@dataclass(frozen=True, slots=True)
class _Model:
    spec: ModelSpec
    outputs: int
    rows: Dataset


@dataclass(frozen=True, slots=True)
class _Training:
    """`decided` in order: a model, or what a rule says of each row; the labels of `rows` are those that are traded."""

    decided: tuple[_Model | Floats, ...]
    rows: Dataset
    splits: tuple[Split, ...]
    seed: int


def cross_validate(
    strategy: Strategy,
    ground: Ground,
    cost_bps: float,
    compute: Compute,
    *,
    folds: int = 6,
    test_folds: int = 2,
    embargo_ms: int = 0,
    seed: int = 0,
    holed_ms: Times = NO_DAYS,
    on_split: Callable[[int, int], None] = lambda done, total: None,
    should_stop: ShouldStop = lambda: False,
) -> CrossValidation | None:
    """Train once for every choice of `test_folds` of `folds` runs of the rows that every model has, and trade what was
    forecast by the labels of the last of them.

    Rows whose labels overlap a test fold's, or start within `embargo_ms` after it, are not learned from. `cost_bps` is
    that of a round trip; `holed_ms` are the starts of the UTC days that a hole falls on; `on_split` hears how many of
    the splits are done. None where it was stopped. Raises BadInputError as `check_strategy`, where a model does not
    show its rows, or the rows are too few for the folds.
    """
    training = _training(strategy, ground, folds, test_folds, embargo_ms, seed)
    done = 0

    def told(index: int, forecasts: list[Floats]) -> None:
        nonlocal done
        done += 1
        on_split(done, len(training.splits))

    numbers = range(len(training.splits))
    found = run_tasks(_forecast, training, numbers, compute, on_result=told, should_stop=should_stop)
    values = [forecasts for forecasts in found if forecasts is not None]
    if len(values) < len(training.splits):
        return None
    rows = training.rows
    decider = Decider(strategy, cost_bps)
    paths = along_paths(training.splits, values)
    days_ms = whole_days(int(rows.start_ms[0]), int(rows.end_ms[-1]), holed_ms)
    told_of = tuple(_figures(decider, rows, path, days_ms) for path in paths)
    return CrossValidation(len(rows), len(days_ms), len(training.splits), told_of)


def check_strategy(strategy: Strategy) -> None:
    """Raises BadInputError where what is decided on is not made by models and rules that any past can be asked of."""
    for part in strategy.decided:
        if part.analyst is not None:
            raise BadInputError(
                f"strategy {strategy.name}: it decides on part {part.name}, an analyst, and cross-validation judges "
                "what is trained anew on each past; run a backtest instead"
            )
        if strategy.learns_late(part):
            what = "learns from" if part.model is not None else "sees"
            raise BadInputError(
                f"strategy {strategy.name}: part {part.name} {what} what another model says, which only a run has; "
                "walk it forward instead"
            )
    if not any(part.model is not None for part in strategy.decided):
        raise BadInputError(f"strategy {strategy.name}: has no model to cross-validate; walk it forward instead")


def _training(strategy: Strategy, ground: Ground, folds: int, test_folds: int, embargo_ms: int, seed: int) -> _Training:
    check_strategy(strategy)
    own = {part.name: _rows(strategy, part, ground.windows[part.name]) for part in strategy.decided if part.model}
    bars = reduce(np.intersect1d, [rows.bar_index for rows in own.values()])
    shared = {name: rows.take(np.isin(rows.bar_index, bars)) for name, rows in own.items()}
    rows = [*shared.values()][-1]
    ends_ms = np.max([one.end_ms for one in shared.values()], axis=0)
    splits = combinatorial_purged(rows.start_ms, ends_ms, folds, test_folds, embargo_ms)
    decided = tuple(
        ground.said[part.name][bars] if part.model is None else _Model(part.model, len(part.outputs), shared[part.name])
        for part in strategy.decided
    )
    return _Training(decided, rows, splits, seed)


def _rows(strategy: Strategy, part: Part, window: BarColumns) -> Dataset:
    assert part.model is not None
    learner = learner_of(part.model)
    if not isinstance(learner, OpenLearner):
        whose = "its model" if len(strategy.parts) == 1 else f"the model of part {part.name}"
        raise BadInputError(
            f"strategy {strategy.name}: {whose} does not show the rows that it learns from; "
            "give its learner dataset, split and fit_rows (core.learning.dataset.OpenLearner)"
        )
    return learner.dataset(window)


def _forecast(training: _Training, number: int) -> list[Floats]:
    """What is decided on (n, outputs) in each test fold of a split. Raises BadInputError where rows are too few to
    learn."""
    split, seed = training.splits[number], task_seed(training.seed, number)
    told: list[list[Floats]] = []
    for one in training.decided:
        if not isinstance(one, _Model):
            told.append([one[rows] for rows in split.tests])
            continue
        learner = learner_of(one.spec)
        assert isinstance(learner, OpenLearner)
        predict = learner.fit_rows(one.rows.take(split.train), seed)
        if predict is None:
            raise BadInputError(
                f"split {number + 1}: {len(split.train)} rows are too few to learn from; "
                "use a longer period or fewer folds"
            )
        told.append([predict(one.rows.features[rows]).reshape(-1, one.outputs) for rows in split.tests])
    return [together(fold) for fold in zip(*told, strict=True)]


def _figures(decider: Decider, rows: Dataset, forecasts: Floats, days_ms: Times) -> PathFigures:
    direction = np.zeros(len(rows), np.int8)
    for row in np.flatnonzero(~np.isnan(forecasts).all(axis=1)):
        direction[row] = decider.direction(forecasts[row])[0]
    returns = trade_returns(direction, rows.return_bps, rows.start_ms, rows.end_ms, decider.cost_bps)
    return PathFigures(
        trades=len(returns),
        mean_net_bps=float(np.mean(returns.net_bps)) if len(returns) else None,
        net_bps=float(np.sum(returns.net_bps)),
        errors_above=errors_above_zero(returns),
        sharpe=day_sharpe(returns, days_ms),
    )
