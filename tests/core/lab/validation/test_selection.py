"""The choice of the best trial, judged with every trial counted."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from core.arithmetic.ratios import sharpe
from core.lab.search.trials import Trial, TrialCount
from core.lab.validation import selection
from core.lab.validation.luck import (
    deflated_sharpe,
    expected_max_sharpe,
    moments,
    probabilistic_sharpe,
    sharpe_variance,
)
from core.lab.validation.overfitting import overfitting
from core.lab.validation.selection import count_of, select


def trial(number: int, daily: Any, trades: float = 50.0) -> Trial:
    returns = np.asarray(daily, np.float64)
    ratio = sharpe(returns)
    figures = {
        "return_days": float(len(returns)),
        "sharpe": ratio,
        "sharpe_a_day": None if ratio is None else ratio / math.sqrt(365.0),
        "trades": trades,
    }
    return Trial(number, {"n": number}, f"h{number}", "complete", figures, 0, returns)


def failed(number: int) -> Trial:
    return Trial(number, {}, f"h{number}", "failed", {}, note="impossible")


def lucky(count: int, days: int = 40, spread: float = 0.01) -> list[Trial]:
    rng = np.random.default_rng(4)
    return [trial(number, rng.normal(0.0, spread, days)) for number in range(count)]


def test_the_best_is_deflated_by_all_trials_their_mean_and_their_spread() -> None:
    trials = [*lucky(30), failed(30)]
    found = select(trials, "sharpe", 7)
    ratios = [t.figures["sharpe_a_day"] for t in trials[:30]]
    assert found.best is trials[int(np.argmax(ratios))]
    assert (found.tried.trials, found.tried.alike, found.failed, found.notes) == (30, 30, 1, ())
    assert found.tried.mean == pytest.approx(np.mean(ratios))
    assert found.tried.variance == pytest.approx(np.var(ratios, ddof=1))
    shape = moments(found.best.daily)
    assert shape is not None
    own = np.mean(ratios) + expected_max_sharpe(30, float(np.var(ratios, ddof=1)))
    expected = max(own, expected_max_sharpe(30, sharpe_variance(shape) or 0.0))
    psr, dsr = found.luck["psr"], found.luck["dsr"]
    assert psr == probabilistic_sharpe(shape)
    assert dsr == pytest.approx(probabilistic_sharpe(shape, expected))
    assert found.luck["expected_max_sharpe"] == pytest.approx(expected * math.sqrt(365.0))
    assert psr is not None
    assert dsr is not None
    assert psr > 0.95 > dsr
    figures = found.figures()
    assert figures["pbo"] == overfitting(np.column_stack([t.daily for t in trials[:30]]), 16).pbo
    assert (figures["pbo_sets"], figures["pbo_of_sets"], figures["failed_sets"]) == (30.0, 30.0, 1.0)


def test_trials_of_before_count_too() -> None:
    trials = lucky(10)
    alone = select(trials, "sharpe", 7)
    among = select(trials, "sharpe", 7, tried=TrialCount(6_000, 5_000, 0.0, 4.0 / 365.0))
    assert alone.luck["dsr"] is not None
    assert among.luck["dsr"] is not None
    assert among.luck["dsr"] < alone.luck["dsr"]
    assert (among.figures()["trials"], among.figures()["alike_trials"]) == (6_000.0, 5_000.0)


def test_trials_that_resemble_each_other_make_no_one_rare() -> None:
    """Forty trials that differ in a thousandth of their returns: their own spread would deflate by nothing."""
    base = np.random.default_rng(2).normal(0.0, 0.01, 60)
    alike = [trial(n, base + np.random.default_rng(n).normal(0.0, 1e-5, 60)) for n in range(40)]
    found = select(alike, "sharpe", 7)
    assert found.best is not None
    shape = moments(found.best.daily)
    assert shape is not None
    assert found.luck["dsr"] == deflated_sharpe(shape, 40, sharpe_variance(shape) or 0.0)
    assert found.luck["psr"] is not None
    assert found.luck["dsr"] is not None
    assert found.luck["dsr"] < found.luck["psr"] - 0.2


def test_a_set_that_was_tried_twice_counts_once() -> None:
    trials = lucky(3)
    assert count_of([*trials, trials[1]]) == count_of(trials)
    assert count_of(trials[:1]) == TrialCount(1, 1)
    assert count_of([]) == TrialCount(0, 0)


def test_where_nothing_can_be_chosen_it_says_why() -> None:
    tried = [failed(0), trial(1, [0.01] * 40), trial(2, [0.01, -0.02] * 20, trades=1.0)]
    found = select(tried, "sharpe", 7, min_trades=5)
    assert (found.best, found.luck["psr"], found.luck["dsr"], found.failed) == (None, None, None, 1)
    assert found.notes == ("nothing can be chosen: no trial of 5 trades or more has a sharpe",)
    short = select([trial(0, [0.01]), trial(1, [-0.01])], "sharpe", 7)
    assert short.notes[0] == "nothing can be chosen: no trial has a sharpe; a ratio needs 2 whole UTC days"
    empty = select([], "sharpe", 7)
    assert empty.notes[1] == "the overfitting test needs at least 2 sets with daily returns"
    assert empty.figures()["pbo"] is None


@pytest.mark.parametrize("days", [2, 29])
def test_of_few_days_the_best_is_chosen_and_no_probability_told(days: int) -> None:
    trials = lucky(5, days=days)
    found = select(trials, "sharpe", 7)
    assert found.best is max(trials, key=lambda t: t.figures["sharpe_a_day"] or 0.0)
    assert found.notes == (f"the overfitting test needs 30 days, there are {days}",)
    figures = found.figures()
    named = ("psr", "dsr", "expected_max_sharpe", "min_track_record_days", "pbo")
    assert {figures[name] for name in named} == {None}
    assert "sharpe_low" not in figures


def test_the_overfitting_test_is_of_all_sets_up_to_thousands() -> None:
    """It was of a thousand evenly spaced ones with the best put in."""
    rng = np.random.default_rng(3)
    trials = [trial(number, daily) for number, daily in enumerate(rng.normal(0.0, 0.01, (1_200, 30)))]
    found = select(trials, "sharpe", 7)
    assert (found.overfitting_sets, found.overfitting_of) == (1_200, 1_200)
    assert found.figures()["pbo"] == overfitting(np.column_stack([t.daily for t in trials]), 14).pbo


def test_too_many_sets_for_it_are_sampled_by_lot_and_the_best_has_no_place_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(selection, "MOST_PBO_TRIALS", 10)
    trials = lucky(37)
    seen = []
    for seed in (7, 7, 8, 9, 10, 11):
        found = select(trials, "sharpe", seed)
        places = np.sort(np.random.default_rng(seed).choice(37, 10, replace=False))
        assert found.figures()["pbo"] == overfitting(np.column_stack([trials[n].daily for n in places]), 16).pbo
        assert (found.overfitting_sets, found.overfitting_of) == (10, 37)
        seen.append(found.best in [trials[n] for n in places])
    assert not all(seen), "the best is in the sample where the lot fell on it"


def test_a_trial_that_lost_everything_earns_nothing_more() -> None:
    found = select([*lucky(4, days=32), trial(4, [0.01, -1.5])], "sharpe", 7)
    assert found.overfitting_sets == 5
    assert found.overfitting is not None
