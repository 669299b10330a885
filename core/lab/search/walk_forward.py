"""Walk-forward: parameters chosen on what came before, then traded, again and again, as one unbroken run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from core.arithmetic.days import LEAST_DAYS
from core.arithmetic.ratios import sharpe, sortino
from core.compute.pool import Compute, task_seed
from core.domain.errors import BadInputError
from core.lab.data.history import History
from core.lab.data.holes import holed_days
from core.lab.run.evaluation import (
    Attempt,
    Ground,
    check_space,
    cut_values,
    longest_look_back,
    section_of_key,
    settings_of,
    with_fees,
)
from core.lab.run.fixed_predictions import known_values, rule_values
from core.lab.run.result import EquityCurve, Floats, RunResult
from core.lab.search.optuna_search import run_optuna
from core.lab.search.search import (
    OnTrial,
    ShouldStop,
    best_trial,
    check_objective,
    evaluate,
    grid_points,
    nothing_chosen,
)
from core.lab.search.trials import Trial, parameter_hash
from core.lab.statistics.statistics import daily_returns, deepest_drawdown, percent
from core.lab.validation import splits
from core.lab.validation.splits import Window
from core.settings.values import Grid, Value
from core.strategy.declaration import Strategy

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Choosing:
    """How parameters are chosen on each training window: every combination of `grid`, or `trials` draws of Optuna."""

    grid: Grid
    trials: int | None = None
    objective: str = "sharpe"
    min_trades: int = 0
    seed: int = 0
    storage: Path | None = None
    study: str = "walk-forward"


@dataclass(frozen=True, slots=True)
class Fold:
    """One step. `trials` were tried on the training window, `chosen` is the best of them, `parameters` what the test
    was traded with. Where nothing could be chosen, `chosen` is None, nothing new was entered in the test, and `note`
    says why. `figures` are those of the test: a stretch of the one run, opened with what the last one left."""

    window: Window
    parameters: Mapping[str, Value]
    chosen: Trial | None
    trials: tuple[Trial, ...]
    figures: Mapping[str, float | None]
    note: str = ""


@dataclass(frozen=True, slots=True)
class WalkForward:
    """One run over all tests, with no parameter or value of it chosen on a bar that it trades. `history` is what it was
    run over; `complete` False where it was stopped, `folds` then those that were chosen for."""

    result: RunResult
    history: History
    folds: tuple[Fold, ...]

    @property
    def complete(self) -> bool:
        return self.result.complete


def plan_windows(
    ground: Ground, train_ms: int, test_ms: int, *, embargo_ms: int = 0, anchored: bool = False
) -> tuple[Window, ...]:
    """Windows over the traded slots of the ground's history. Between training and test lie the horizon of the
    strategy's labels and `embargo_ms` more. Raises BadInputError where not one window fits."""
    horizon_ms = max(part.horizon_ms for part in ground.load(ground.strategy, ground.settings).parts)
    history = ground.history
    return splits.walk_forward(
        history.from_ms, history.to_ms, train_ms, test_ms, embargo_ms=horizon_ms + embargo_ms, anchored=anchored
    )


def run_walk_forward(
    ground: Ground,
    windows: Sequence[Window],
    choosing: Choosing | None,
    compute: Compute,
    *,
    on_trial: OnTrial = lambda trial: None,
    progress: Progress = lambda done, total: None,
    should_stop: ShouldStop = lambda: False,
) -> WalkForward:
    """Choose on each training window with the fast sweep, then run the event-driven engine once over all tests.

    The strategy's parameters change at the start of each test; the account, positions and what rests for them go on.
    `choosing` None leaves the parameters as the settings have them. Trials are numbered through all windows and told
    to `on_trial` as they come; `progress` tells of the bars of the run. A strategy with a model needs the ground's
    `values`: where its model is to be trained anew as live does, an event-driven run with its lifecycle is the
    walk-forward. Raises BadInputError where this cannot be searched.
    """
    space = _space(ground, choosing)
    longest = longest_look_back(ground.settings, ground.strategy, ground.load, space)
    ground = replace(ground, warm_up_bars=max(ground.warm_up_bars, longest))
    folds = [Fold(window, {}, None, (), {}) for window in windows]
    if choosing is not None:
        folds = _choose(ground, windows, replace(choosing, grid=space), compute, on_trial, should_stop)
    last = folds[-1].window if folds else windows[0]
    history = ground.history.between(windows[0].test_from_ms, last.test_to_ms, ground.warm_up_bars)
    table, schedule = _values(ground, history, folds, choosing is not None)
    result = _run(ground, history, table, schedule, progress, should_stop)
    return WalkForward(result, history, tuple(replace(fold, figures=_figures(result, history, fold)) for fold in folds))


def _choose(
    ground: Ground,
    windows: Sequence[Window],
    choosing: Choosing,
    compute: Compute,
    on_trial: OnTrial,
    should_stop: ShouldStop,
) -> list[Fold]:
    if choosing.trials is None:
        tried = _try_grid(ground, windows, choosing.grid, compute, on_trial, should_stop)
    else:
        tried = _draw(ground, windows, choosing, choosing.trials, compute, on_trial, should_stop)
    return [_fold(window, trials, choosing) for window, trials in zip(windows, tried, strict=False)]


def _space(ground: Ground, choosing: Choosing | None) -> Grid:
    if choosing is None:
        return ()
    check_objective(choosing.objective)
    space = choosing.grid or ground.load(ground.strategy, ground.settings).search_space
    check_space(ground, space)
    for key, _ in space:
        if section_of_key(key, ground.strategy) != ground.strategy:
            raise BadInputError(
                f"{key}: cannot be chosen anew in each window, as it is of the account and not of the strategy; "
                "set it for the whole run with --set"
            )
    return space


def _fold(window: Window, trials: tuple[Trial, ...], choosing: Choosing) -> Fold:
    best = best_trial(trials, choosing.objective, choosing.min_trades)
    if best is not None:
        return Fold(window, best.parameters, best, trials, {})
    return Fold(window, {}, None, trials, {}, nothing_chosen(trials, choosing.objective, choosing.min_trades))


def _try_grid(
    ground: Ground,
    windows: Sequence[Window],
    grid: Grid,
    compute: Compute,
    on_trial: OnTrial,
    should_stop: ShouldStop,
) -> list[tuple[Trial, ...]]:
    """The trials of each window, as far as all of a window were tried; all windows share the workers."""
    base = ground.settings.model_dump(mode="json")
    points = {parameter_hash(base, ground.strategy, point): point for point in grid_points(grid)}
    count = len(points)
    attempts = [
        Attempt(fold * count + place, point, (window.train_from_ms, window.train_to_ms))
        for fold, window in enumerate(windows)
        for place, point in enumerate(points.values())
    ]
    found = {
        trial.number: trial for trial in evaluate(ground, attempts, compute, on_trial=on_trial, should_stop=should_stop)
    }
    whole = []
    for fold in range(len(windows)):
        numbers = range(fold * count, (fold + 1) * count)
        if not all(number in found for number in numbers):
            break
        whole.append(tuple(found[number] for number in numbers))
    return whole


def _draw(
    ground: Ground,
    windows: Sequence[Window],
    choosing: Choosing,
    trials: int,
    compute: Compute,
    on_trial: OnTrial,
    should_stop: ShouldStop,
) -> list[tuple[Trial, ...]]:
    whole = []
    for fold, window in enumerate(windows):
        search = run_optuna(
            ground,
            choosing.grid,
            trials,
            choosing.objective,
            task_seed(choosing.seed, fold),
            compute,
            storage=choosing.storage,
            study=f"{choosing.study}/{fold}",
            min_trades=choosing.min_trades,
            period=(window.train_from_ms, window.train_to_ms),
            on_trial=_numbered_from(fold * trials, on_trial),
            should_stop=should_stop,
        )
        if not search.complete:
            break
        whole.append(tuple(replace(trial, number=fold * trials + trial.number) for trial in search.trials))
    return whole


def _numbered_from(first: int, on_trial: OnTrial) -> OnTrial:
    return lambda trial: on_trial(replace(trial, number=first + trial.number))


def _values(
    ground: Ground, history: History, folds: Sequence[Fold], choosing: bool
) -> tuple[Floats, list[tuple[int, Strategy]]]:
    """What each fold's declaration says in its test, (k, n, outputs), and from which slot on it is in charge."""
    outputs = ground.load(ground.strategy, ground.settings).outputs
    table = np.full((*history.close.shape, len(outputs)), np.nan)
    schedule = []
    for fold in folds:
        window = fold.window
        part = ground.history.between(window.test_from_ms, window.test_to_ms, ground.warm_up_bars)
        strategy = ground.load(ground.strategy, settings_of(ground, fold.parameters))
        if strategy.outputs != outputs:
            raise BadInputError(f"strategy {strategy.name}: its outputs change with {', '.join(fold.parameters)}")
        begin = int(np.searchsorted(history.open_time_ms, part.from_ms))
        schedule.append((begin, strategy))
        if fold.chosen is not None or not choosing:
            table[:, begin : begin + len(part) - part.first] = _said(ground, strategy, part)[:, part.first :]
    return table, schedule


def _said(ground: Ground, strategy: Strategy, part: History) -> Floats:
    values = cut_values(ground.values, ground.history, part)
    if values is not None:
        return known_values(values, part, strategy)
    if not strategy.is_of_rules:
        raise BadInputError(
            f"strategy {strategy.name}: predicts with a model, which is trained anew as a backtest with its lifecycle "
            "goes; without given predictions there is nothing to choose"
        )
    return rule_values(strategy, part)


def _run(
    ground: Ground,
    history: History,
    table: Floats,
    schedule: Sequence[tuple[int, Strategy]],
    progress: Progress,
    should_stop: ShouldStop,
) -> RunResult:
    from core.lab.run.event_driven import run_event_driven
    from core.trader.trader import Trader
    from core.venues.rebuild import journalled_venue

    known = with_fees(ground.instruments, ground.settings.costs)
    instruments = {symbol: known[symbol] for symbol in history.symbols}
    first = schedule[0][1] if schedule else ground.load(ground.strategy, ground.settings)
    return run_event_driven(
        history,
        Trader("walk-forward", first, ground.settings, instruments),
        journalled_venue(instruments, ground.settings),
        progress=progress,
        should_stop=should_stop,
        values=dict(zip(history.symbols, table, strict=True)),
        schedule=schedule[1:],
    )


def _figures(result: RunResult, history: History, fold: Fold) -> dict[str, float | None]:
    """Of the stretch of the curve inside the test, and of the trades entered there. Empty where it was not reached."""
    window, curve = fold.window, result.curve
    start, stop = np.searchsorted(curve.time_ms, (window.test_from_ms, window.test_to_ms), side="right")
    if start >= stop:
        return {}
    part = slice(start, stop)
    opened_usdt = float(curve.equity_usdt[start - 1]) if start else result.initial_usdt
    cut = EquityCurve(curve.time_ms[part], curve.equity_usdt[part], curve.gross_usdt[part], curve.net_usdt[part])
    closed_usdt = float(cut.equity_usdt[-1])
    days = daily_returns(cut, opened_usdt, history.interval_ms, holed_days(history))
    daily = days.value
    drawdown = deepest_drawdown(cut, opened_usdt, history.interval_ms)
    entered = result.trades.entry_time_ms
    return {
        "initial_usdt": opened_usdt,
        "final_usdt": closed_usdt,
        "total_return_pct": percent(closed_usdt - opened_usdt, opened_usdt),
        "trades": float(np.count_nonzero((entered >= window.test_from_ms) & (entered < window.test_to_ms))),
        "return_days": float(len(daily)),
        **({"holed_days": float(days.left_out)} if days.left_out else {}),
        "sharpe": sharpe(daily) if len(daily) >= LEAST_DAYS else None,
        "sortino": sortino(daily) if len(daily) >= LEAST_DAYS else None,
        "max_drawdown_pct": drawdown.depth_pct if drawdown is not None else None,
    }
