from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce

import msgspec
import numpy as np
import pytest

from core.domain.errors import BadInputError
from core.domain.forecast import words
from core.learning.lifecycle.change import Change, fold_change
from core.learning.lifecycle.constant import Trial
from core.learning.lifecycle.evidence import Evidence, fold
from core.learning.lifecycle.outcome import Difference
from core.learning.lifecycle.promotion import (
    ByEvidence,
    Contest,
    Manual,
    Policy,
    Ruling,
    SeedA,
    SeedB,
    compared,
    contest,
    demotion,
    judge,
    judge_first,
    probabilities_settled,
    spent_alpha,
)
from core.learning.lifecycle.showing import Showing, forecast_made, outcome_came

MINUTE = 60_000
NOTHING = Showing()
POLICIES: tuple[Policy, ...] = (ByEvidence(), SeedA(), SeedB(), Manual())


def fought(differences: Sequence[float], *, clipped: int = 0, brier: float | None = 0.0, rows: int = 200) -> Contest:
    known = contest(0)
    for place, scaled in enumerate(differences):
        known = compared(known, Difference(place, place + 1, 0.0, 0.0, scaled, place < clipped))
    for _ in range(rows if brier is not None else 0):
        # (1 - p)^2 - (1 - 1)^2 is the difference.
        known = probabilities_settled(known, 1.0 - math.sqrt(max(brier or 0.0, 0.0)), 1.0, came=True)
    return known


GOOD = [0.4, -0.1] * 100


def ruled(known: Contest, policy: ByEvidence | None = None) -> tuple[Ruling, str]:
    verdict = judge(policy or ByEvidence(), NOTHING, NOTHING, known, 0)
    return verdict.ruling, verdict.text


def test_a_candidate_is_promoted_on_what_came_of_it() -> None:
    ruling, text = ruled(fought(GOOD))
    assert ruling is Ruling.PROMOTE
    assert "outcomes 200, needed 30; evidence " in text
    assert "Brier score above the champion's 0, needed 0.005 (at most, 200 rows)" in text


@pytest.mark.parametrize(
    ("known", "lacking"),
    [
        (fought(GOOD[:8]), "outcomes 8, needed 30"),
        (fought([0.1, -0.1] * 50), "evidence 0.896349, needed 20"),
        (fought(GOOD, clipped=3), "outcomes clipped +1.50 %, needed +1.00 % (at most; widen the bound)"),
        (fought(GOOD, rows=199), "rows with both probabilities 199, needed 200"),
        (fought(GOOD, brier=None), "rows with both probabilities 0, needed 200"),
        (fought(GOOD, brier=0.01), "Brier score above the champion's 0.01, needed 0.005 (at most, 200 rows)"),
        (fought([]), "outcomes 0, needed 30"),
    ],
)
def test_it_waits_and_says_what_is_lacking(known: Contest, lacking: str) -> None:
    ruling, text = ruled(known)
    assert ruling is Ruling.WAIT
    assert text.startswith("wait: ")
    assert lacking in text


def test_a_part_without_probabilities_is_judged_without_them() -> None:
    assert ruled(fought(GOOD, brier=None), ByEvidence(is_calibrated=False))[0] is Ruling.PROMOTE


def test_a_candidate_that_is_worse_is_rejected_and_one_that_shows_nothing_in_time_too() -> None:
    ruling, text = ruled(fought([-x for x in GOOD]))
    assert ruling is Ruling.REJECT
    assert text.startswith("reject: evidence for the champion ")
    ruling, text = ruled(fought([0.1, -0.1] * 20), ByEvidence(most_outcomes=40))
    assert ruling is Ruling.REJECT
    assert text.startswith("reject: outcomes 40 (no more than 40 are waited for); evidence ")


def test_an_overwhelming_case_is_told_as_a_number() -> None:
    known = fought([1.0] * 2_000)
    assert "inf" not in ruled(known)[1]
    assert "nan" not in ruled(known)[1]


def test_confidence_alone_promotes_nothing_by_evidence() -> None:
    sure = reduce(lambda shown, _: forecast_made(shown, 1.0, 50.0), range(500), NOTHING)
    verdict = judge(ByEvidence(), NOTHING, sure, fought([]), 10**9)
    assert verdict.ruling is Ruling.WAIT


def confident(confidences: Sequence[float]) -> Showing:
    return reduce(lambda shown, one: forecast_made(shown, one, None), confidences, NOTHING)


@pytest.mark.parametrize(
    ("champion", "candidate", "ruling", "points"),
    [
        # higher mean and share, less steady: 75 to 25
        ([0.6, 0.6, 0.6], [0.7, 0.9, 0.7], Ruling.PROMOTE, 75),
        # higher mean alone: 40 to 60
        ([0.7, 0.7], [0.6, 0.95], Ruling.REJECT, 40),
        # higher share and steadier: 60 to 40
        ([0.6, 0.95], [0.7, 0.7], Ruling.PROMOTE, 60),
        # higher mean and steadier: 65 to 35
        ([0.66, 0.1], [0.6, 0.6], Ruling.PROMOTE, 65),
        # ties are the champion's
        ([0.7, 0.7], [0.7, 0.7], Ruling.REJECT, 0),
    ],
)
def test_seed_a_gives_40_35_and_25_points(
    champion: list[float], candidate: list[float], ruling: Ruling, points: int
) -> None:
    verdict = judge(SeedA(), confident(champion), confident(candidate), contest(0), 3 * MINUTE)
    assert verdict.ruling is ruling
    assert f"points {points} (the champion has {100 - points})" in verdict.text


def test_seed_a_waits_three_minutes_and_for_two_forecasts_of_each() -> None:
    verdict = judge(SeedA(), confident([0.6]), confident([0.7, 0.8]), contest(MINUTE), 3 * MINUTE)
    assert verdict.ruling is Ruling.WAIT
    assert words(verdict.lacking) == (
        "shadow 2 min, needed 3 min; forecasts of the champion with a confidence 1, needed 2"
    )


def test_seed_a_promotes_a_model_that_is_sure_and_always_wrong() -> None:
    """What its docstring and docs/learning.md say of it."""
    wrong = confident([0.99, 0.99])
    assert judge(SeedA(), confident([0.6, 0.7]), wrong, contest(0), 3 * MINUTE).ruling is Ruling.PROMOTE


def errant(error_bps: float, nets: tuple[float, float], count: int = 50, said: float = 3.0) -> Showing:
    shown = NOTHING
    for place in range(count):
        shown = forecast_made(shown, None, said * (-1) ** place)
        shown = outcome_came(shown, error_bps, nets[place % 2])
    return shown


@pytest.mark.parametrize(
    ("champion", "candidate", "ruling"),
    [
        (errant(10.0, (1.0, 3.0)), errant(9.7, (1.0, 3.0)), Ruling.PROMOTE),
        (errant(10.0, (1.0, 3.0)), errant(9.9, (1.0, 3.0)), Ruling.REJECT),
        (errant(10.0, (1.0, 3.0)), errant(12.0, (1.2, 3.0)), Ruling.PROMOTE),
        (errant(10.0, (1.0, 3.0)), errant(12.0, (1.01, 3.0)), Ruling.REJECT),
        # Of a losing champion 1.05 times its ratio would be less.
        (errant(10.0, (-1.0, -3.0)), errant(10.0, (-0.9, -3.0)), Ruling.REJECT),
        (errant(10.0, (-1.0, -3.0)), errant(10.0, (-1.0, 3.0)), Ruling.PROMOTE),
        (errant(10.0, (1.0, 3.0)), errant(9.0, (1.0, 3.0), said=0.0), Ruling.REJECT),
    ],
)
def test_seed_b_asks_for_a_smaller_error_or_a_larger_ratio(
    champion: Showing, candidate: Showing, ruling: Ruling
) -> None:
    assert judge(SeedB(), champion, candidate, contest(0), 5 * MINUTE).ruling is ruling


def test_seed_b_waits_five_minutes_and_for_fifty_forecasts_that_were_settled() -> None:
    verdict = judge(SeedB(), errant(10.0, (1.0, 3.0), 20), errant(9.0, (1.0, 3.0), 49), contest(0), 4 * MINUTE)
    assert verdict.ruling is Ruling.WAIT
    assert verdict.text == (
        "wait: shadow 4 min, needed 5 min; forecasts in bps 49, needed 50; "
        "settled forecasts of the champion 20, needed 30"
    )


def test_manual_waits_for_the_operator_whatever_came() -> None:
    verdict = judge(Manual(), NOTHING, NOTHING, fought(GOOD), 10**12)
    assert (verdict.ruling, verdict.text) == (Ruling.WAIT, "wait: the operator's word")


@pytest.mark.parametrize("policy", POLICIES)
def test_nothing_is_promoted_before_anything_was_shown(policy: Policy) -> None:
    verdict = judge(policy, NOTHING, NOTHING, contest(0), 10**12)
    assert verdict.ruling is Ruling.WAIT
    assert verdict.lacking


@pytest.mark.parametrize("policy", POLICIES)
def test_a_policy_is_known_by_its_name(policy: Policy) -> None:
    assert msgspec.json.decode(msgspec.json.encode(policy), type=Policy) == policy  # type: ignore[arg-type]


def test_a_contest_goes_on_from_its_bytes() -> None:
    known = fought(GOOD[:50], clipped=2, rows=10)
    assert msgspec.json.decode(msgspec.json.encode(known), type=Contest) == known


def test_the_first_champion_must_beat_a_constant_by_a_lower_bound() -> None:
    luck = judge_first(Trial(reduce(fold, [0.2, -0.1] * 20, Evidence())), 100.0)
    assert luck.ruling is Ruling.WAIT
    assert luck.text.startswith("wait: no evidence yet; lower bound of the gain over a constant forecast -")
    assert "of 40 outcomes at 95 %" in luck.text
    edge = judge_first(Trial(good := reduce(fold, [0.2, -0.1] * 500, Evidence())), 100.0)
    assert edge.ruling is Ruling.PROMOTE
    assert "lower bound of the gain over a constant forecast +" in edge.text
    clipped = judge_first(Trial(good, clipped=11), 100.0)
    assert clipped.ruling is Ruling.WAIT
    assert clipped.text.endswith("outcomes clipped +1.10 %, needed +1.00 % (at most; widen the bound)")
    empty = judge_first(Trial(Evidence()), 100.0)
    assert "nothing, needed 0.0 bps (of 0 outcomes" in empty.text


def test_what_many_attempts_spend_comes_to_the_level_and_no_more() -> None:
    assert spent_alpha(0.05, 1) == 0.025
    assert 0.0499 < math.fsum(spent_alpha(0.05, n) for n in range(1, 1_000)) < 0.05
    with pytest.raises(BadInputError, match="attempt 0"):
        spent_alpha(0.05, 0)


def test_trying_again_and_again_makes_no_first_champion() -> None:
    """A strategy without skill that trains 20 times: the chance that any of its versions trades."""
    rng = np.random.default_rng(3)
    strategies, promoted = 60, 0
    for _ in range(strategies):
        promoted += any(
            judge_first(
                Trial(reduce(fold, rng.choice([-0.2, 0.2], 60).tolist(), Evidence(spent_alpha(0.05, attempt)))), 100.0
            ).ruling
            is Ruling.PROMOTE
            for attempt in range(1, 21)
        )
    assert promoted <= 0.05 * strategies


def test_a_champion_stays_while_it_is_no_worse_than_a_constant() -> None:
    good = reduce(fold_change, [-0.3, 0.1] * 200, Change())
    assert demotion(good) is None
    turned = reduce(fold_change, [0.3, -0.1] * 200, good)
    why = demotion(turned)
    assert why is not None
    assert words([why]).endswith("needed 20 (a constant forecast does better, after 800 outcomes)")
    lost = demotion(reduce(fold_change, [1.0] * 2_000, good))
    assert lost is not None
    assert math.isfinite(lost.value or math.inf)


@pytest.mark.parametrize(
    "wrong", [{"alpha": 0.0}, {"least_outcomes": 0}, {"most_outcomes": 10}, {"brier_margin": -0.1}]
)
def test_a_policy_that_cannot_be_kept_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(BadInputError):
        ByEvidence(**wrong)  # type: ignore[arg-type]
