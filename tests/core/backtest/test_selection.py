"""The choice of the best trial, judged with every trial counted."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from core.backtest import selection
from core.backtest.luck import deflated_sharpe, expected_max_sharpe, moments, probabilistic_sharpe, sharpe_variance
from core.backtest.overfitting import overfitting
from core.backtest.selection import count_of, select
from core.backtest.statistics import sharpe
from core.backtest.trials import Trial, TrialCount


def trial(number: int, daily: Any, trades: float = 50.0) -> Trial:
    returns = np.asarray(daily, np.float64)
    return Trial(
        number, {"n": number}, f"h{number}", "complete", {"sharpe": sharpe(returns), "trades": trades}, 0, returns
    )


def failed(number: int) -> Trial:
    return Trial(number, {}, f"h{number}", "failed", {}, note="impossible")


def lucky(count: int, days: int = 40, spread: float = 0.01) -> list[Trial]:
    rng = np.random.default_rng(4)
    return [trial(number, rng.normal(0.0, spread, days)) for number in range(count)]


def test_the_best_is_deflated_by_all_trials_and_their_spread() -> None:
    trials = [*lucky(30), failed(30)]
    found = select(trials, "sharpe")
    annual = [t.figures["sharpe"] for t in trials[:30]]
    assert found.best is trials[int(np.argmax(annual))]
    assert (found.tried.trials, found.failed, found.notes) == (30, 1, ())
    assert found.tried.sharpe_variance == pytest.approx(np.var(annual, ddof=1))
    shape = moments(found.best.daily)
    assert shape is not None
    variance = max(np.var(annual, ddof=1) / 365.0, sharpe_variance(shape) or 0.0)
    assert found.psr == probabilistic_sharpe(shape)
    assert found.dsr == pytest.approx(deflated_sharpe(shape, 30, variance))
    assert found.expected_max_sharpe == pytest.approx(expected_max_sharpe(30, variance) * math.sqrt(365.0))
    assert found.psr is not None
    assert found.dsr is not None
    assert found.psr > 0.95 > found.dsr
    assert found.overfitting_trials == 30
    assert found.figures()["pbo"] == overfitting(np.column_stack([t.daily for t in trials[:30]]), 16).pbo


def test_trials_of_before_count_too() -> None:
    trials = lucky(10)
    alone, among = select(trials, "sharpe"), select(trials, "sharpe", tried=TrialCount(5_000, 4.0))
    assert alone.dsr is not None
    assert among.dsr is not None
    assert among.dsr < alone.dsr
    assert among.figures()["trials"] == 5_000.0


def test_trials_that_resemble_each_other_make_no_one_rare() -> None:
    """Forty trials that differ in a thousandth of their returns: their own spread would deflate by nothing."""
    base = np.random.default_rng(2).normal(0.001, 0.01, 60)
    alike = [trial(n, base + np.random.default_rng(n).normal(0.0, 1e-5, 60)) for n in range(40)]
    found = select(alike, "sharpe")
    assert found.best is not None
    shape = moments(found.best.daily)
    assert shape is not None
    assert found.dsr == deflated_sharpe(shape, 40, sharpe_variance(shape) or 0.0)
    assert found.psr is not None
    assert found.dsr is not None
    assert found.dsr < found.psr - 0.2


def test_a_set_that_was_tried_twice_counts_once() -> None:
    trials = lucky(3)
    assert count_of([*trials, trials[1]]) == count_of(trials)
    assert count_of(trials[:1]) == TrialCount(1, None)
    assert count_of([]) == TrialCount(0, None)


def test_where_nothing_can_be_chosen_it_says_why() -> None:
    found = select([failed(0), trial(1, [0.01] * 20), trial(2, [0.01, -0.02] * 10, trades=1.0)], "sharpe", min_trades=5)
    assert (found.best, found.psr, found.dsr, found.failed) == (None, None, None, 1)
    assert found.notes == ("nothing can be chosen: no trial of 5 trades or more has a sharpe",)
    empty = select([], "sharpe")
    assert empty.notes[1] == "the overfitting test needs at least 2 trials"
    assert empty.figures()["pbo"] is None


def test_few_days_make_few_blocks_or_none() -> None:
    assert select(lucky(5, days=7), "sharpe").notes == ("the overfitting test needs 8 days, there are 7",)
    trials = lucky(5, days=11)
    expected = overfitting(np.column_stack([t.daily for t in trials]), 4).pbo
    assert select(trials, "sharpe").figures()["pbo"] == expected


def test_the_overfitting_test_says_how_many_trials_it_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "MOST_PBO_TRIALS", 10)
    trials = lucky(37)
    found = select(trials, "sharpe")
    assert found.overfitting_trials == 10
    assert found.notes == ("the overfitting test looked at 10 of 37 trials, evenly spaced",)
    assert found.overfitting is not None
    best_inside = float(np.max(found.overfitting.in_sample))
    assert found.best is not None
    assert found.best.daily is not None
    assert best_inside >= float(np.mean(found.best.daily) / np.std(found.best.daily, ddof=1))


def test_a_trial_that_lost_everything_earns_nothing_more() -> None:
    found = select([*lucky(4, days=16), trial(4, [0.01, -1.5])], "sharpe")
    assert found.overfitting_trials == 5
    assert found.overfitting is not None
