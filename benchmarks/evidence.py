"""Whether promotion and demotion hold their level, and how soon they say what is true.

`python -m benchmarks evidence`: 2,000 seeded candidates without an effect, each looked at after every outcome;
candidates with a real one; champions that stay fair, and champions whose labels turn.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import median

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import Figure, Section, percentile
from core.learning.lifecycle.change import Change, fold_change
from core.learning.lifecycle.evidence import Evidence, fold
from core.learning.lifecycle.outcome import Difference, Duel, Terms, at_close
from core.learning.lifecycle.promotion import Ruling, SeedA, SeedB, contest, judge
from core.learning.lifecycle.showing import Showing, forecast_made, outcome_came

MINUTE_MS = 60_000
COST_BPS = 11.0
BOUND_BPS = 100.0
MEAN_MOVE_BPS = 25.0
"""The mean distance of two closes a horizon apart, in each of the markets."""

RUNS = 2_000
OUTCOMES = 1_000
MOST_OUTCOMES = 6_000
HITS = (0.55, 0.60, 0.70)
RUNS_WITH_EDGE = 100
FAIR_RUNS = 300
FLIPS = 200
FLIP_AT = 1_000
FLIP_HIT = 0.8
WITHIN_BARS = 200


def closes(rng: np.random.Generator, bars: int, horizon_bars: int) -> NDArray[np.float64]:
    """(bars,) of a price that nothing foretells: Student's t with 4 degrees, the tails of minutes."""
    # The mean of |t| with 4 degrees is 1; of a sum of many steps that of a normal one, 0.8 of its deviation.
    per_bar_bps = MEAN_MOVE_BPS if horizon_bars == 1 else MEAN_MOVE_BPS / math.sqrt(2.0 * horizon_bars) / 0.8
    returns = rng.standard_t(4, bars - 1) * per_bar_bps / 1e4
    return 100.0 * np.exp(np.append(0.0, np.cumsum(returns)))


def directions(
    rng: np.random.Generator, close: NDArray[np.float64], horizon_bars: int, hit: NDArray[np.float64]
) -> NDArray[np.int64]:
    """A side for every bar (bars,), the right one of the horizon ahead with the chance `hit` (bars,); at the end, where
    nothing is ahead, any."""
    ahead = np.append(close[horizon_bars:], np.full(horizon_bars, np.nan))
    right = np.where(np.isnan(ahead), rng.choice([-1, 1], len(close)), np.where(ahead >= close, 1, -1))
    return np.where(rng.random(len(close)) < hit, right, -right)


def outcomes(
    close: NDArray[np.float64], candidate: NDArray[np.int64], champion: NDArray[np.int64], horizon_bars: int
) -> Iterator[tuple[int, Difference]]:
    """What both came to, each with the bar that ended it."""
    duel = Duel(Terms(horizon_bars * MINUTE_MS, COST_BPS, BOUND_BPS))
    for bar, (price, new, old) in enumerate(zip(close.tolist(), candidate.tolist(), champion.tolist(), strict=True)):
        duel, ended = at_close(duel, bar * MINUTE_MS, price, new, old)
        if ended is not None:
            yield bar, ended


def promoted_after(seed: tuple[int, ...], hit: float, most: int) -> int | None:
    """After how many outcomes a candidate that is right with the chance `hit` is promoted over a champion that is right
    with 1/2; None where it is not within `most`. Every bar is decided by both."""
    rng = np.random.default_rng(seed)
    close = closes(rng, most + 1, 1)
    both = [directions(rng, close, 1, np.full(len(close), chance)) for chance in (hit, 0.5)]
    evidence = Evidence()
    for _, ended in outcomes(close, *both, horizon_bars=1):
        evidence = fold(evidence, ended.scaled)
        if evidence.is_enough:
            return evidence.outcomes
    return None


def demoted_after(seed: tuple[int, ...], bars: int, flip_at: int | None, horizon_bars: int = 1) -> int | None:
    """At which bar a champion is demoted that is right with the chance FLIP_HIT until the labels turn at `flip_at`, and
    wrong with it then; None where it never is. Without `flip_at` it is as good as a constant from its first bar on:
    the side of one that pays the same costs is drawn, too."""
    rng = np.random.default_rng(seed)
    close = closes(rng, bars, horizon_bars)
    hit = np.full(bars, 0.5 if flip_at is None else FLIP_HIT)
    hit[flip_at if flip_at is not None else bars :] = 1.0 - FLIP_HIT
    champion = directions(rng, close, horizon_bars, hit)
    constant = np.full(bars, 0 if flip_at is not None else 1)
    change = Change()
    for bar, ended in outcomes(close, constant, champion, horizon_bars):
        change = fold_change(change, ended.scaled)
        if change.has_come:
            return bar
    return None


def promotions(runs: int, most: int) -> list[Figure]:
    found = [promoted_after((1, run), 0.5, most) is not None for run in range(runs)]
    what = f"promoted without an effect, of {runs:,} looked at after each of {most:,} outcomes"
    return [Figure(what, 100.0 * sum(found) / runs, "%", at_most=5.0)]


def edges(runs: int, most: int) -> list[Figure]:
    figures = []
    for hit in HITS:
        found = [promoted_after((2, run), hit, most) for run in range(runs)]
        gain = f"a gain of {2.0 * (hit - 0.5) * MEAN_MOVE_BPS:.1f} bps an outcome"
        taken = [most if count is None else count for count in found]
        share = 100.0 * sum(count is not None for count in found) / runs
        figures.append(Figure(f"{gain}: promoted within {most:,} outcomes", share, "%"))
        figures.append(Figure(f"{gain}: median to promotion", median(taken), "outcomes"))
    return figures


def by_the_seeds(runs: int) -> list[Figure]:
    """How often each of the published rules promotes one of two models that are alike and know nothing, at its first
    look: both say what they like of the same bars."""
    figures = []
    for policy, count in ((SeedA(), 3), (SeedB(), 50)):
        promoted = sum(_promotes(policy, np.random.default_rng((5, run)), count) for run in range(runs))
        what = f"{type(policy).__name__} promotes one of two equal models without skill, of {runs:,}"
        figures.append(Figure(what, 100.0 * promoted / runs, "%"))
    return figures


def _promotes(policy: SeedA | SeedB, rng: np.random.Generator, forecasts: int) -> bool:
    shown = [Showing(), Showing()]
    for came in rng.standard_t(4, forecasts).tolist():
        for side in (0, 1):
            said = float(rng.normal(0.0, 5.0))
            known = forecast_made(shown[side], float(rng.uniform(0.5, 0.8)), said)
            net = math.copysign(1.0, said) * MEAN_MOVE_BPS * came - COST_BPS
            shown[side] = outcome_came(known, MEAN_MOVE_BPS * came - said, net)
    return judge(policy, *shown, contest(0), policy.shadow_ms).ruling is Ruling.PROMOTE


def demotions(runs: int, bars: int) -> list[Figure]:
    found = [demoted_after((3, run), bars, None) is not None for run in range(runs)]
    what = f"demoted though as good as a constant, of {runs:,} over {bars:,} bars"
    return [Figure(what, 100.0 * sum(found) / runs, "%", at_most=5.0)]


def flips(runs: int, flip_at: int, horizon_bars: int, after: int) -> list[Figure]:
    """Those noticed before the flip are no part of the times after it, and are told."""
    bars = flip_at + after
    found = [demoted_after((4, run), bars, flip_at, horizon_bars) for run in range(runs)]
    early = sum(bar is not None and bar <= flip_at for bar in found)
    taken = [float(after if bar is None else bar - flip_at) for bar in found if bar is None or bar > flip_at]
    what = f"labels turn after {flip_at:,} bars, horizon {horizon_bars}"
    aim = float(WITHIN_BARS) if horizon_bars == 1 else None
    return [
        Figure(f"{what}: told before", 100.0 * early / runs, "%", at_most=5.0),
        *(Figure(f"{what}: noticed, p{pct}", percentile(taken, pct), "bars") for pct in (5, 50, 95)),
        Figure(f"{what}: noticed, last of {runs}", max(taken), "bars", at_most=aim),
    ]


def run(runs: int = RUNS, outcomes_each: int = OUTCOMES, most: int = MOST_OUTCOMES, few: float = 1.0) -> Section:
    """`few` is the share of the other runs that is made."""
    figures = [
        *promotions(runs, outcomes_each),
        *by_the_seeds(runs),
        *edges(max(1, round(few * RUNS_WITH_EDGE)), most),
        *demotions(max(1, round(few * FAIR_RUNS)), outcomes_each),
        *flips(max(1, round(few * FLIPS)), FLIP_AT, 1, 1_000),
        *flips(max(1, round(few * FLIPS)), FLIP_AT, 10, 8_000),
    ]
    notes = (
        f"every bar decided, costs {COST_BPS:g} bps, mean move of a horizon {MEAN_MOVE_BPS:g} bps with the tails of "
        f"Student's t(4), outcomes bounded to {BOUND_BPS:g} bps, level 5 %",
        f"champions are right {100 * FLIP_HIT:g} % before the flip and {100 * (1 - FLIP_HIT):.0f} % after; they are "
        "held against a constant that stays out",
    )
    return Section("evidence", "how often promotion is wrong, and how soon it is right", tuple(figures), notes)
