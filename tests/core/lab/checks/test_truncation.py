"""The look that every run carries finds rules and features that reach ahead, and says how many runs a check makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from core.lab.checks.causality import LOOK_AHEAD, WARM_UP
from core.lab.checks.run import CHECKS, Subject, checks, code_fault, runs_needed
from core.lab.checks.sensitivity import COST, DELAY, SEED, SNOOPING, Variant
from core.lab.checks.truncation import quick_fault
from core.lab.checks.verdict import Status, Verdict
from core.lab.run.result import RunResult
from core.settings.schema import CostSettings
from core.strategy.declaration import ModelSpec, Rule, Strategy
from tests.core.lab.checks.planted import SeesTomorrow, SoundLearner
from tests.core.lab.samples import curve_of, run_of
from tests.core.lab.walks import random_walk
from tests.core.trader.desk import make_strategy
from tests.declared import ONE, with_part

HISTORY = random_walk(5, 3)
Floats = np.ndarray[Any, Any]


def rule_of(values_of: Callable[[Floats], Floats]) -> Strategy:
    def scan(state: Floats, opens: Floats, highs: Floats, lows: Floats, closes: Floats, *rest: Floats) -> Floats:
        return values_of(closes)

    return make_strategy(outputs=ONE, source=Rule(scan, 1, ()), lifecycle=None, lookback_bars=20)


def ahead(bars: int, *, rarely: bool = False) -> Callable[[Floats], Floats]:
    def values_of(closes: Floats) -> Floats:
        values = np.full(len(closes), np.nan)
        if len(closes) > bars:
            values[:-bars] = 1e4 * (closes[bars:] / closes[:-bars] - 1.0)
        if rarely:
            values[np.abs(values) < np.nanquantile(np.abs(values), 0.998) if len(closes) > bars else 0.0] = np.nan
        return values

    return values_of


def kept_by_what_comes(
    state: Floats, opens: Floats, highs: Floats, lows: Floats, closes: Floats, *rest: Floats
) -> Floats:
    """A fold that says something where the price comes to another half percent, but for where it then falls."""
    values = np.full(len(closes), np.nan)
    for i, level in enumerate(np.floor(np.log(closes) * 200)):
        is_bad = i + 5 < len(closes) and closes[i + 5] < closes[i]
        if state[0] not in (0.0, level) and not is_bad:
            values[i] = 20.0
        state[0] = level
    return values


def kept_by_a_shift(closes: Floats) -> Floats:
    """Of a round price, likewise, without a fold."""
    later = np.append(closes[5:], closes[-5:])[: len(closes)]
    is_said = (np.abs(past(closes)) > 18) & ~((later < closes) & (np.arange(len(closes)) + 5 < len(closes)))
    return np.where(is_said, 20.0, np.nan)


def whole_window(closes: Floats) -> Floats:
    return 1e4 * (closes - closes.mean()) / closes.std() if len(closes) > 1 else np.zeros(len(closes))


def past(closes: Floats) -> Floats:
    return 1e4 * np.diff(closes, prepend=closes[:1]) / closes


@pytest.mark.parametrize("reach", [1, 5, 300])
@pytest.mark.parametrize("seed", range(5))
def test_a_rule_that_reaches_ahead_is_found(reach: int, seed: int) -> None:
    assert quick_fault(rule_of(ahead(reach)), HISTORY, {}, seed).startswith("LOOK-AHEAD: WALKUSDT: of the bar at ")


def test_one_that_seldom_says_anything_is_looked_at_where_it_does() -> None:
    assert quick_fault(rule_of(ahead(5, rarely=True)), HISTORY, {}, 1)


def test_one_that_scales_by_all_bars_is_found() -> None:
    assert quick_fault(rule_of(whole_window), HISTORY, {}, 1)


@pytest.mark.parametrize("seed", range(5))
def test_one_that_says_nothing_where_later_bars_go_against_it_is_found(seed: int) -> None:
    fold = make_strategy(outputs=ONE, source=Rule(kept_by_what_comes, 1, ()), lifecycle=None, lookback_bars=0)
    assert quick_fault(fold, HISTORY, {}, seed).startswith("LOOK-AHEAD: WALKUSDT: of the bar at ")
    assert quick_fault(rule_of(kept_by_a_shift), HISTORY, {}, seed).startswith("LOOK-AHEAD: WALKUSDT: of the bar at ")


@pytest.mark.parametrize("seed", range(5))
def test_one_of_the_past_is_not(seed: int) -> None:
    assert quick_fault(rule_of(past), HISTORY, {}, seed) == ""


def test_features_that_reach_ahead_are_found() -> None:
    model = make_strategy(source=ModelSpec("nowhere", "{}"))
    assert quick_fault(model, HISTORY, {"main": SoundLearner()}, 1) == ""
    assert quick_fault(model, HISTORY, {"main": SeesTomorrow()}, 1).startswith("LOOK-AHEAD: momentum")
    assert quick_fault(model, HISTORY, {}, 1) == ""


def test_the_label_names_the_check() -> None:
    clean = Verdict(LOOK_AHEAD, Status.CLEAN, "fine")
    warm = Verdict(WARM_UP, Status.FAULT, "bar 7 hangs on the start")
    free = Verdict("costs", Status.FAULT, "fees are zero")
    assert code_fault([clean, free]) == ""
    assert code_fault([clean, free, warm]) == "NOT BELIEVABLE (warm-up): bar 7 hangs on the start"


@pytest.mark.parametrize("only", [(), *((check,) for check in CHECKS), (COST, DELAY), (SEED, SNOOPING)])
@pytest.mark.parametrize("trains", [True, False])
def test_the_runs_of_a_check_are_known_beforehand(only: tuple[str, ...], trains: bool) -> None:
    strategy = rule_of(past)
    if trains:
        strategy = with_part(strategy, source=ModelSpec("nowhere", "{}"))
    asked: dict[Variant, bool] = {}

    def run(variant: Variant) -> RunResult:
        asked[replace(variant, seed=None) if variant.seed == 1 else variant] = True
        return run_of(curve_of(np.full(3, 10_000.0), 60_000))

    subject = Subject(strategy, HISTORY, CostSettings(), {}, run, 1, lambda result: (None, None), seed=1)
    list(checks(subject, only))
    trained = [v for v in asked if v.costs == 1.0 and not v.delay_bars]
    assert runs_needed(strategy, only) == (len(asked), len(trained) if trains else 0)
