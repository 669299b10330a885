"""Walk-forward: chosen before, traded after, in one unbroken run."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
import pytest

from core.compute.pool import Compute
from core.domain.errors import BadInputError
from core.lab.run import fixed_predictions as fixed
from core.lab.run.evaluation import Attempt, Ground, evaluate_trial
from core.lab.run.event_driven import run_event_driven
from core.lab.run.result import RunResult
from core.lab.search.search import best_trial
from core.lab.search.trials import Trial
from core.lab.search.walk_forward import Choosing, WalkForward, plan_windows, run_walk_forward
from core.lab.validation.splits import Window
from core.settings.schema import parse_settings
from core.settings.values import Grid
from core.strategy.loading import load_strategy
from core.trader.trader import Trader
from core.venues.rebuild import journalled_venue
from tests.core.lab.run.test_evaluation import model_ground
from tests.core.lab.walks import CONTRACT, DAY_MS, FROM_MS, INSTRUMENTS, random_walk

HERE = Compute(jobs=1)
GRID: Grid = (("fast_bars", (5, 9)), ("slow_bars", (20, 60)))
CHOOSING = Choosing(GRID)
SETTINGS = parse_settings(
    {
        "strategy": "ema_cross",
        "sizing": {"notional_usdt": 2_000},
        "ema_cross": {"exit": "reverse"},
        "limits": {"max_trades_per_day": 10_000, "max_losses_in_row": 10_000},
    },
    "test",
)
GROUND = Ground(random_walk(11, 6, warm_up_bars=1_200), SETTINGS, "ema_cross", load_strategy, INSTRUMENTS)


def windows(**changes: bool) -> tuple[Window, ...]:
    return plan_windows(GROUND, 2 * DAY_MS, DAY_MS, **changes)


def plainly(ground: Ground, from_ms: int, to_ms: int) -> RunResult:
    """One run of the settings as they are."""
    history = ground.history.between(from_ms, to_ms, 1_200)
    trader = Trader("test", load_strategy(ground.strategy, ground.settings), ground.settings, INSTRUMENTS)
    return run_event_driven(history, trader, journalled_venue(INSTRUMENTS, ground.settings))


@pytest.fixture(scope="module")
def chosen() -> WalkForward:
    return run_walk_forward(GROUND, windows(), CHOOSING, HERE)


def test_parameters_that_stay_give_the_run_over_all_tests() -> None:
    walk = run_walk_forward(GROUND, windows(), None, HERE)
    plain = plainly(GROUND, FROM_MS + 2 * DAY_MS, FROM_MS + 6 * DAY_MS)
    assert walk.complete
    assert len(walk.result.trades) == len(plain.trades) > 50
    assert walk.result.trades.exit_time_ms.tolist() == plain.trades.exit_time_ms.tolist()
    assert walk.result.curve.equity_usdt.tolist() == plain.curve.equity_usdt.tolist()
    assert [(fold.chosen, dict(fold.parameters)) for fold in walk.folds] == [(None, {})] * 4


def test_each_window_trades_what_was_best_on_its_training(chosen: WalkForward) -> None:
    assert len(chosen.folds) == 4
    assert len({tuple(fold.parameters.items()) for fold in chosen.folds}) > 1
    for fold in chosen.folds:
        period = (fold.window.train_from_ms, fold.window.train_to_ms)
        alone = dataclasses.replace(GROUND, history=GROUND.history.between(*period, 1_200))
        points = [{"fast_bars": fast, "slow_bars": slow} for fast in (5, 9) for slow in (20, 60)]
        trials = [evaluate_trial(alone, Attempt(place, point)) for place, point in enumerate(points)]
        best = best_trial(trials, "sharpe")
        assert best is not None
        assert fold.chosen is not None
        assert fold.parameters == best.parameters
        assert fold.chosen.figures == best.figures
        assert [trial.figures for trial in fold.trials] == [trial.figures for trial in trials]


def test_a_window_is_decided_by_its_own_parameters_and_the_account_goes_on(chosen: WalkForward) -> None:
    """Every prediction of the run is what the rule says with the parameters of its window, from a warm-up before it."""
    told = chosen.result.predictions[CONTRACT.symbol]
    for fold in chosen.folds:
        window = fold.window
        settings = parse_settings(
            {**SETTINGS.model_dump(), "ema_cross": {"exit": "reverse", **fold.parameters}}, "test"
        )
        part = GROUND.history.between(window.test_from_ms, window.test_to_ms, 1_200)
        said = fixed.rule_values(load_strategy("ema_cross", settings), part)[0, :, 0]
        inside = (told.close_ms > window.test_from_ms) & (told.close_ms <= window.test_to_ms)
        assert told.values[inside, 0].tolist() == said[~np.isnan(said)].tolist()
    figures = [fold.figures for fold in chosen.folds]
    for before, after in pairwise(figures):
        assert after["initial_usdt"] == before["final_usdt"]
    assert figures[0]["initial_usdt"] == chosen.result.initial_usdt
    assert figures[-1]["final_usdt"] == pytest.approx(chosen.result.final_usdt)
    entered = len(chosen.result.trades) + chosen.result.open_positions
    assert sum(figure["trades"] or 0.0 for figure in figures) in (entered - 1, entered)
    # A position that was open as a window began was closed in it, not at its end.
    borders = [fold.window.test_from_ms for fold in chosen.folds[1:]]
    trades = chosen.result.trades
    assert all(((trades.entry_time_ms < border) & (trades.exit_time_ms > border)).any() for border in borders)


def test_the_future_of_a_window_changes_nothing_of_what_was_chosen_and_traded_before(chosen: WalkForward) -> None:
    cut = dataclasses.replace(GROUND, history=GROUND.history.between(FROM_MS, FROM_MS + 4 * DAY_MS, 1_200))
    walk = run_walk_forward(cut, plan_windows(cut, 2 * DAY_MS, DAY_MS), CHOOSING, HERE)
    assert [fold.parameters for fold in walk.folds] == [fold.parameters for fold in chosen.folds[:2]]
    slots = len(walk.result.curve)
    assert walk.result.curve.equity_usdt.tolist() == chosen.result.curve.equity_usdt[:slots].tolist()


def test_switching_is_the_same_whether_quiet_slots_are_passed_over_or_not(
    chosen: WalkForward, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.lab.run.event_driven.Drive._new_skipper", lambda drive: None)
    walk = run_walk_forward(GROUND, windows(), CHOOSING, HERE)
    assert walk.result.curve.equity_usdt.tolist() == chosen.result.curve.equity_usdt.tolist()
    assert walk.result.trades.net_usdt.tolist() == chosen.result.trades.net_usdt.tolist()


def test_trials_are_told_and_numbered_through_all_windows(chosen: WalkForward) -> None:
    heard: list[Trial] = []
    run_walk_forward(GROUND, windows(anchored=True), CHOOSING, HERE, on_trial=heard.append)
    assert [trial.number for trial in heard] == list(range(16))
    assert [trial.number for fold in chosen.folds for trial in fold.trials] == list(range(16))
    drawing = Choosing(GRID, trials=3, objective="total_return_pct", seed=2)
    drawn: list[Trial] = []
    walk = run_walk_forward(GROUND, windows()[:2], drawing, HERE, on_trial=drawn.append)
    numbers = sorted(trial.number for trial in drawn)
    assert numbers == [trial.number for fold in walk.folds for trial in fold.trials]
    assert set(numbers) <= set(range(6))
    assert [fold.parameters for fold in walk.folds] == [
        max(fold.trials, key=lambda trial: trial.figures["total_return_pct"] or 0.0).parameters for fold in walk.folds
    ]


def test_where_nothing_can_be_chosen_nothing_is_entered() -> None:
    grid: Grid = (("fast_bars", (70,)), ("slow_bars", (20, 60)))
    walk = run_walk_forward(GROUND, windows(), Choosing(grid), HERE)
    assert {fold.note for fold in walk.folds} == {
        "nothing can be chosen: ema_cross.fast_bars must be below ema_cross.slow_bars"
    }
    assert len(walk.result.trades) == 0
    assert walk.result.final_usdt == walk.result.initial_usdt
    strict = run_walk_forward(GROUND, windows(), Choosing(GRID, min_trades=10**6), HERE)
    assert {fold.note for fold in strict.folds} == {
        "nothing can be chosen: no trial of 1000000 trades or more has a sharpe"
    }


def test_thresholds_of_a_model_strategy_are_chosen_on_given_predictions() -> None:
    ground = model_ground()
    grid: Grid = (("min_edge_bps", (9, 25)), ("stop_pct", (0.5, 2.0)))
    plan = plan_windows(ground, DAY_MS, DAY_MS, embargo_ms=60_000)
    assert plan[0].test_from_ms - plan[0].train_to_ms == 10 * 60_000 + 60_000
    walk = run_walk_forward(ground, plan, Choosing(grid, objective="total_return_pct"), HERE)
    assert walk.complete
    assert len(walk.result.trades) > 2
    assert all(fold.chosen is not None for fold in walk.folds)
    with pytest.raises(BadInputError, match="num_leaves: would change the model"):
        run_walk_forward(ground, plan, Choosing((("num_leaves", (8,)),)), HERE)


def test_a_stop_while_choosing_runs_no_window_that_was_not_chosen_for() -> None:
    heard: list[Trial] = []
    walk = run_walk_forward(
        GROUND, windows(), CHOOSING, HERE, on_trial=heard.append, should_stop=lambda: len(heard) >= 6
    )
    assert not walk.complete
    assert len(walk.folds) == 1
    assert len(walk.result.curve) == 0


def test_what_is_of_the_account_is_not_chosen_anew() -> None:
    with pytest.raises(BadInputError, match=r"sizing\.notional_usdt: cannot be chosen anew in each window"):
        run_walk_forward(GROUND, windows(), Choosing((("sizing.notional_usdt", (100, 200)),)), HERE)
    with pytest.raises(BadInputError, match="no room for"):
        plan_windows(GROUND, 6 * DAY_MS, DAY_MS)
