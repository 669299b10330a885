"""What the best of many trials is worth: how good it had to look by luck alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.backtest.luck import deflated_sharpe, expected_max_sharpe, moments, probabilistic_sharpe, trials_variance
from core.backtest.overfitting import Overfitting, overfitting
from core.backtest.result import Floats
from core.backtest.search import best_trial, nothing_chosen
from core.backtest.statistics import DAYS_PER_YEAR
from core.backtest.trials import Trial, TrialCount

MOST_BLOCKS = 16
LEAST_BLOCKS = 4
MOST_PBO_TRIALS = 1_000


@dataclass(frozen=True, slots=True)
class Selection:
    """The best trial of a search and how likely it is luck.

    `tried` counts the parameter sets that luck had; `failed` those of the search that came to nothing.
    `expected_max_sharpe` (of a year) is what the best of so many would show without skill, `dsr` the probability that
    the best has some, `psr` the same as if it were the only one. `overfitting` is the test over `overfitting_trials`
    of the trials. What cannot be told is None, and `notes` say why in one line each.
    """

    best: Trial | None
    tried: TrialCount
    failed: int
    psr: float | None
    dsr: float | None
    expected_max_sharpe: float | None
    overfitting: Overfitting | None
    overfitting_trials: int
    notes: tuple[str, ...]

    def figures(self) -> dict[str, float | None]:
        """Those of the best trial with those of the choice, by the names that reports know."""
        own = dict(self.best.figures) if self.best is not None else {}
        return own | {
            "trials": float(self.tried.trials),
            "psr": self.psr,
            "dsr": self.dsr,
            "expected_max_sharpe": self.expected_max_sharpe,
            "pbo": self.overfitting.pbo if self.overfitting is not None else None,
        }


def select(
    trials: Sequence[Trial], objective: str, *, tried: TrialCount | None = None, min_trades: int = 0
) -> Selection:
    """Choose the best of a search's `trials` and judge the choice.

    `tried` counts every parameter set ever tried on such data, these included; without it these alone are counted. One
    that failed has shown nothing to choose by, and is counted apart.
    """
    shown = [trial for trial in trials if trial.state != "failed"]
    tried = tried or count_of(shown)
    best = best_trial(trials, objective, min_trades)
    notes: list[str] = []
    if best is None:
        notes.append(nothing_chosen(trials, objective, min_trades))
    psr, dsr, expected = _luck(best, tried)
    tested, note = _pick(shown, best)
    found, why = _overfitting(tested)
    notes += [text for text in (note, why) if text]
    return Selection(best, tried, len(trials) - len(shown), psr, dsr, expected, found, len(tested), tuple(notes))


def count_of(trials: Sequence[Trial]) -> TrialCount:
    """How many distinct sets these are, and the variance of their annual Sharpe ratios."""
    distinct = {trial.parameter_hash: trial.figures.get("sharpe") for trial in trials}
    known = [value for value in distinct.values() if value is not None]
    return TrialCount(len(distinct), float(np.var(known, ddof=1)) if len(known) > 1 else None)


def _luck(best: Trial | None, tried: TrialCount) -> tuple[float | None, float | None, float | None]:
    shape = moments(best.daily) if best is not None and best.daily is not None else None
    if shape is None:
        return None, None, None
    between = None if tried.sharpe_variance is None else tried.sharpe_variance / DAYS_PER_YEAR
    variance = trials_variance(shape, between)
    count = max(1, tried.trials)
    expected = expected_max_sharpe(count, variance) * math.sqrt(DAYS_PER_YEAR)
    return probabilistic_sharpe(shape), deflated_sharpe(shape, count, variance), expected


def _pick(trials: Sequence[Trial], best: Trial | None) -> tuple[list[Trial], str]:
    """The trials of the overfitting test: all, or MOST_PBO_TRIALS evenly spaced by number with the best among them."""
    kept = [trial for trial in trials if trial.daily is not None and len(trial.daily)]
    if len(kept) <= MOST_PBO_TRIALS:
        return kept, ""
    places = np.linspace(0, len(kept) - 1, MOST_PBO_TRIALS).astype(int)
    chosen = [kept[place] for place in places]
    if best is not None and all(trial is not best for trial in chosen):
        nearest = min(range(len(chosen)), key=lambda i: abs(chosen[i].number - best.number))
        chosen[nearest] = best
    return chosen, f"the overfitting test looked at {len(chosen):,} of {len(kept):,} trials, evenly spaced"


def _overfitting(trials: Sequence[Trial]) -> tuple[Overfitting | None, str]:
    if len(trials) < 2:
        return None, "the overfitting test needs at least 2 trials"
    days = max(len(trial.daily) for trial in trials if trial.daily is not None)
    blocks = min(MOST_BLOCKS, days // 4 * 2)
    if blocks < LEAST_BLOCKS:
        return None, f"the overfitting test needs {2 * LEAST_BLOCKS} days, there are {days}"
    table = np.column_stack([_whole(trial.daily, days) for trial in trials if trial.daily is not None])
    return overfitting(table, blocks), ""


def _whole(daily: Floats, days: int) -> Floats:
    """A trial that lost everything earns nothing more."""
    return np.concatenate((daily, np.zeros(days - len(daily))))
