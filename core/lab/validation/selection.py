"""What the best of many trials is worth: how good it had to look by luck alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.arithmetic.days import LEAST_DAYS
from core.lab.run.result import Floats
from core.lab.search.search import best_trial, nothing_chosen
from core.lab.search.trials import Trial, TrialCount, counted
from core.lab.statistics.assessment import luck_figures
from core.lab.statistics.basis import RANKS
from core.lab.validation.overfitting import Overfitting, overfitting

MOST_BLOCKS = 16
MOST_PBO_TRIALS = 5_000
"""Of more sets than these a sample is tested, as time and memory grow with their number."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The best trial of a search and how likely it is luck.

    `tried` counts the parameter sets that luck had; `failed` those of the search that came to nothing. `luck` is how
    likely the best is luck, as core.lab.statistics.assessment.luck_figures tells it. `overfitting` is the test over
    `overfitting_sets` of the `overfitting_of` sets that have daily returns. What cannot be told is None, and `notes`
    say why in one line each.
    """

    best: Trial | None
    tried: TrialCount
    failed: int
    luck: Mapping[str, float | None]
    overfitting: Overfitting | None
    overfitting_sets: int
    overfitting_of: int
    notes: tuple[str, ...]

    def figures(self) -> dict[str, float | None]:
        """Those of the best trial with those of the choice, by the names that reports know."""
        own = dict(self.best.figures) if self.best is not None else {}
        return own | {
            **self.luck,
            "failed_sets": float(self.failed),
            "pbo": self.overfitting.pbo if self.overfitting is not None else None,
            "pbo_sets": float(self.overfitting_sets),
            "pbo_of_sets": float(self.overfitting_of),
        }


def select(
    trials: Sequence[Trial], objective: str, seed: int, *, tried: TrialCount | None = None, min_trades: int = 0
) -> Selection:
    """Choose the best of a search's `trials` and judge the choice.

    `tried` counts every parameter set ever tried on such data, these included; without it these alone are counted. One
    that failed has shown nothing to choose by, and is counted apart. `seed` draws the sample of the overfitting test
    where there are too many sets for all of them.
    """
    shown = [trial for trial in trials if trial.state != "failed"]
    tried = tried or count_of(shown)
    best = best_trial(trials, objective, min_trades)
    notes = [nothing_chosen(trials, objective, min_trades)] if best is None else []
    daily = best.daily if best is not None and best.daily is not None else np.zeros(0)
    kept = [trial.daily for trial in shown if trial.daily is not None and len(trial.daily)]
    tested = _sample(kept, seed)
    found, why = _overfitting(tested)
    notes += [why] if why else []
    sizes = (len(tested), len(kept)) if found is not None else (0, len(kept))
    return Selection(
        best, tried, len(trials) - len(shown), luck_figures(daily, tried, seed), found, *sizes, tuple(notes)
    )


def count_of(trials: Sequence[Trial]) -> TrialCount:
    """How many distinct sets these are, all alike as of one search, and their Sharpe ratios a day."""
    distinct = {trial.parameter_hash: trial.figures.get(RANKS["sharpe"]) for trial in trials}
    return counted(len(distinct), len(distinct), [value for value in distinct.values() if value is not None])


def _sample(kept: Sequence[Floats], seed: int) -> list[Floats]:
    """All of them, or MOST_PBO_TRIALS drawn by lot: neither the best nor any other is put in on purpose."""
    if len(kept) <= MOST_PBO_TRIALS:
        return list(kept)
    places = np.random.default_rng(seed).choice(len(kept), MOST_PBO_TRIALS, replace=False)
    return [kept[place] for place in np.sort(places)]


def _overfitting(tested: Sequence[Floats]) -> tuple[Overfitting | None, str]:
    if len(tested) < 2:
        return None, "the overfitting test needs at least 2 sets with daily returns"
    days = max(len(daily) for daily in tested)
    if days < LEAST_DAYS:
        return None, f"the overfitting test needs {LEAST_DAYS} days, there are {days}"
    blocks = min(MOST_BLOCKS, days // 4 * 2)
    return overfitting(np.column_stack([_whole(daily, days) for daily in tested]), blocks), ""


def _whole(daily: Floats, days: int) -> Floats:
    """A trial that ended early earns nothing more."""
    return np.concatenate((daily, np.zeros(days - len(daily))))
