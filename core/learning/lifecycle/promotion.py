"""Whether a candidate takes the champion's place, by the policy that was chosen; and whether a champion keeps it.

`evidence` judges what came of decided forecasts after costs. `seed_a` and `seed_b` are the rules of two published bots,
with their figures: neither tests anything, and docs/learning.md says what each would promote. `manual` leaves it to the
operator.
"""

from __future__ import annotations

import math
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from core.domain.errors import BadInputError
from core.domain.forecast import Because, words
from core.domain.market import MINUTE_MS
from core.learning.lifecycle.change import Change
from core.learning.lifecycle.constant import Trial
from core.learning.lifecycle.evidence import Evidence, check_alpha, fold, wealth
from core.learning.lifecycle.outcome import Difference, difference_bps
from core.learning.lifecycle.showing import Moments, Showing, after

NO_EVIDENCE = "no evidence yet"


class ByEvidence(Struct, frozen=True, tag="evidence"):
    """Promoted when the wealth that was staked on the candidate reaches 1 / `alpha`, of `least_outcomes` or more, and
    its probabilities are not worse: the Brier score of `least_probabilities` shared rows or more is at most
    `brier_margin` above the champion's. Rejected when as much speaks for the champion, or after `most_outcomes`. While
    more than `most_clipped_pct` of the outcomes were clipped, their mean is not what would have been earned."""

    alpha: float = 0.05
    least_outcomes: int = 30
    most_outcomes: int = 5_000
    most_clipped_pct: float = 1.0
    is_calibrated: bool = True
    least_probabilities: int = 200
    brier_margin: float = 0.005

    def __post_init__(self) -> None:
        check_alpha(self.alpha)
        if not 0 < self.least_outcomes <= self.most_outcomes or self.brier_margin < 0.0:
            raise BadInputError(
                f"outcomes {self.least_outcomes} to {self.most_outcomes}, brier_margin {self.brier_margin}: "
                "the least must be above 0 and not above the most, the margin not below 0"
            )


class SeedA(Struct, frozen=True, tag="seed_a"):
    """After `shadow_ms` points go to the higher mean confidence, to the higher share of high confidences and to the
    lower variance of confidence; ties to the champion. Promoted with more points, whatever came of the forecasts."""

    confidence_points: float = 40.0
    high_confidence_points: float = 35.0
    low_variance_points: float = 25.0
    shadow_ms: int = 3 * MINUTE_MS
    least_forecasts: int = 2


class SeedB(Struct, frozen=True, tag="seed_b"):
    """After `shadow_ms` and `least_forecasts`, which spread more than `least_spread_bps`: promoted where the error is
    below `rmse_ratio` of the champion's, or the Sharpe ratio above `sharpe_ratio` times the champion's. Of a champion
    whose ratio is not above 0, where the factor would lower the bar, the candidate's must be above 0."""

    rmse_ratio: float = 0.98
    sharpe_ratio: float = 1.05
    shadow_ms: int = 5 * MINUTE_MS
    least_forecasts: int = 50
    least_spread_bps: float = 0.01
    least_settled: int = 30


class Manual(Struct, frozen=True, tag="manual"):
    """Nothing is promoted but by the operator."""


Policy = ByEvidence | SeedA | SeedB | Manual


class Ruling(StrEnum):
    PROMOTE = "promote"
    WAIT = "wait"
    REJECT = "reject"


class Verdict(Struct, frozen=True):
    """`because` is what was compared and holds, `lacking` what is missing, of a rejection what speaks against it."""

    ruling: Ruling
    because: tuple[Because, ...] = ()
    lacking: tuple[Because, ...] = ()

    @property
    def text(self) -> str:
        """In one line: "wait: outcomes 12, needed 30"."""
        told = words(self.because if self.ruling is Ruling.PROMOTE else self.lacking)
        return f"{self.ruling.value}: {told}"


class Contest(Struct, frozen=True):
    """Candidate against champion since `began_ms`, as a fold: what speaks `for_it` and `against` it, how many outcomes
    were clipped, and the differences of their Brier scores, candidate less champion, on shared rows."""

    began_ms: int
    for_it: Evidence
    against: Evidence
    clipped: int = 0
    brier: Moments = Moments()


def contest(began_ms: int, alpha: float = 0.05) -> Contest:
    return Contest(began_ms, Evidence(alpha), Evidence(alpha))


def compared(known: Contest, outcome: Difference) -> Contest:
    """After one more outcome of both."""
    return replace(
        known,
        for_it=fold(known.for_it, outcome.scaled),
        against=fold(known.against, -outcome.scaled),
        clipped=known.clipped + outcome.is_clipped,
    )


def probabilities_settled(known: Contest, candidate: float, champion: float, came: bool) -> Contest:
    """After what both gave a probability to, on the same bar, came or did not."""
    difference = (candidate - came) ** 2 - (champion - came) ** 2
    return replace(known, brier=after(known.brier, difference))


def spent_alpha(alpha: float, attempt: int) -> float:
    """The level of the attempt of this number, from 1 on: over all of them they come to `alpha`, so that trying often
    enough promotes nothing. alpha / (n (n + 1)), of which the sum is alpha."""
    if attempt < 1:
        raise BadInputError(f"attempt {attempt}: the first is 1")
    return alpha / (attempt * (attempt + 1))


def judge(policy: Policy, champion: Showing, candidate: Showing, known: Contest, now_ms: int) -> Verdict:
    """Of what both showed since the contest began."""
    match policy:
        case ByEvidence():
            return _by_evidence(policy, known)
        case SeedA():
            return _by_points(policy, champion, candidate, now_ms - known.began_ms)
        case SeedB():
            return _by_ratios(policy, champion, candidate, now_ms - known.began_ms)
        case Manual():
            return Verdict(Ruling.WAIT, lacking=(Because("the operator's word", None, None),))


def judge_first(trial: Trial, bound_bps: float, most_clipped_pct: float = 1.0) -> Verdict:
    """Whether a strategy without a champion gets its first: by what `core.learning.lifecycle.constant.trial` found on
    later rows, at the level of this attempt (`spent_alpha`)."""
    evidence = trial.evidence
    low = evidence.lower_bound
    told = Because(
        "lower bound of the gain over a constant forecast",
        None if low is None else difference_bps(low, bound_bps),
        0.0,
        "bps",
        f"of {evidence.outcomes} outcomes at {100.0 * (1.0 - evidence.alpha):.4g} %",
    )
    clipped = _clipped(trial.clipped, evidence.outcomes, most_clipped_pct)
    if low is not None and low > 0.0 and not clipped:
        return Verdict(Ruling.PROMOTE, because=(told,))
    return Verdict(Ruling.WAIT, lacking=(Because(NO_EVIDENCE, None, None), told, *clipped))


def demotion(change: Change) -> Because | None:
    """Why a champion is taken down; None while it stays. `change` has folded the scaled differences of a constant
    forecast and the champion: above 0 where the constant did better."""
    if not change.has_come:
        return None
    note = f"a constant forecast does better, after {change.outcomes} outcomes"
    return Because("evidence against the champion", wealth(change.log_e), 1.0 / change.alpha, "", note)


def _by_evidence(policy: ByEvidence, known: Contest) -> Verdict:
    outcomes = known.for_it.outcomes
    against = Because("evidence for the champion", wealth(known.against.log_e), 1.0 / known.against.alpha)
    if known.against.is_enough:
        return Verdict(Ruling.REJECT, lacking=(against,))
    asked = [
        (outcomes >= policy.least_outcomes, Because("outcomes", float(outcomes), float(policy.least_outcomes))),
        (known.for_it.is_enough, Because("evidence", wealth(known.for_it.log_e), 1.0 / known.for_it.alpha)),
        *((False, told) for told in _clipped(known.clipped, outcomes, policy.most_clipped_pct)),
        *(_calibrated(policy, known) if policy.is_calibrated else ()),
    ]
    because = tuple(told for holds, told in asked if holds)
    lacking = tuple(told for holds, told in asked if not holds)
    if not lacking:
        return Verdict(Ruling.PROMOTE, because)
    if outcomes >= policy.most_outcomes:
        most = Because("outcomes", float(outcomes), None, note=f"no more than {policy.most_outcomes} are waited for")
        return Verdict(Ruling.REJECT, because, (most, *lacking))
    return Verdict(Ruling.WAIT, because, lacking)


def _clipped(clipped: int, outcomes: int, most_pct: float) -> tuple[Because, ...]:
    """Empty where they are few enough."""
    share = 100.0 * clipped / outcomes if outcomes else 0.0
    if share <= most_pct:
        return ()
    return (Because("outcomes clipped", share, most_pct, "pct", "at most; widen the bound"),)


def _calibrated(policy: ByEvidence, known: Contest) -> list[tuple[bool, Because]]:
    rows, least = known.brier.count, policy.least_probabilities
    if rows < least:
        return [(False, Because("rows with both probabilities", float(rows), float(least)))]
    told = Because(
        "Brier score above the champion's", known.brier.mean, policy.brier_margin, "", f"at most, {rows} rows"
    )
    return [(known.brier.mean <= policy.brier_margin, told)]


def _waiting(passed_ms: int, needed_ms: int) -> list[Because]:
    minutes = Because("shadow", passed_ms / MINUTE_MS, needed_ms / MINUTE_MS, "min")
    return [minutes] if passed_ms < needed_ms else []


def _by_points(policy: SeedA, champion: Showing, candidate: Showing, passed_ms: int) -> Verdict:
    lacking = _waiting(passed_ms, policy.shadow_ms)
    for who, one in (("candidate", candidate), ("champion", champion)):
        if one.sure.count < policy.least_forecasts:
            needed = float(policy.least_forecasts)
            lacking.append(Because(f"forecasts of the {who} with a confidence", float(one.sure.count), needed))
    if lacking:
        return Verdict(Ruling.WAIT, lacking=tuple(lacking))
    asked = (
        ("mean confidence", candidate.sure.mean, champion.sure.mean, policy.confidence_points),
        ("high confidences", candidate.high_share, champion.high_share, policy.high_confidence_points),
        ("variance of confidence", candidate.sure.variance, champion.sure.variance, policy.low_variance_points),
    )
    points, told = {"candidate": 0.0, "champion": 0.0}, []
    for what, new, old, worth in asked:
        better = new is not None and old is not None and (new < old if what.startswith("variance") else new > old)
        winner = "candidate" if better else "champion"
        points[winner] += worth
        told.append(Because(what, new, old, "", f"{worth:g} points to the {winner}"))
    sums = Because("points", points["candidate"], None, "", f"the champion has {points['champion']:g}")
    if points["candidate"] > points["champion"]:
        return Verdict(Ruling.PROMOTE, (sums, *told))
    return Verdict(Ruling.REJECT, lacking=(sums, *told))


def _by_ratios(policy: SeedB, champion: Showing, candidate: Showing, passed_ms: int) -> Verdict:
    lacking = _waiting(passed_ms, policy.shadow_ms)
    for what, found, least in (
        ("forecasts in bps", candidate.said.count, policy.least_forecasts),
        ("settled forecasts of the candidate", candidate.errors.count, policy.least_settled),
        ("settled forecasts of the champion", champion.errors.count, policy.least_settled),
    ):
        if found < least:
            lacking.append(Because(what, float(found), float(least)))
    if lacking:
        return Verdict(Ruling.WAIT, lacking=tuple(lacking))
    spread = math.sqrt(candidate.said.variance or 0.0)
    if spread <= policy.least_spread_bps:
        told = Because("spread of what the candidate says", spread, policy.least_spread_bps, "bps", "it is constant")
        return Verdict(Ruling.REJECT, lacking=(told,))
    asked = (_error_ratio(policy, champion, candidate), _sharpe_ratio(policy, champion, candidate))
    because = tuple(told for holds, told in asked if holds)
    if because:
        return Verdict(Ruling.PROMOTE, because)
    return Verdict(Ruling.REJECT, lacking=tuple(told for _, told in asked))


def _error_ratio(policy: SeedB, champion: Showing, candidate: Showing) -> tuple[bool, Because]:
    new, old = candidate.rmse_bps, champion.rmse_bps
    needed = None if old is None else policy.rmse_ratio * old
    told = Because("rmse", new, needed, "bps", f"below {policy.rmse_ratio:g} of the champion's")
    return new is not None and needed is not None and new < needed, told


def _sharpe_ratio(policy: SeedB, champion: Showing, candidate: Showing) -> tuple[bool, Because]:
    new, old = candidate.net.ratio, champion.net.ratio
    needed = None if old is None else policy.sharpe_ratio * old if old > 0.0 else 0.0
    told = Because("Sharpe ratio", new, needed, "", f"above {policy.sharpe_ratio:g} times the champion's, and above 0")
    return new is not None and needed is not None and new > needed, told
