from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from core.domain.errors import BadInputError
from core.learning.lifecycle.drift import Stability
from core.learning.lifecycle.triggers import (
    HOUR_MS,
    SEED_A,
    SEED_B,
    TRADES_PER_YEAR,
    Decayed,
    Drifted,
    Facts,
    LossRose,
    Lost,
    Schedule,
    Trigger,
    Unsure,
    due,
    recent_sharpe,
)

MINUTE = 60_000
NOW = 10**9
TRAINED = Facts(begun_ms=NOW - 20 * MINUTE)
DRIFT = Stability("ret_5m_bps", 0.31, 500, 0.02)
ALL: tuple[Trigger, ...] = (Schedule(HOUR_MS), Drifted(), Decayed(), Lost(), Unsure(), LossRose())


def text(trigger: Trigger, facts: Facts, now_ms: int = NOW) -> str | None:
    found = due((trigger,), facts, now_ms)
    return None if found is None else found.text


@pytest.mark.parametrize(
    ("trigger", "facts", "told"),
    [
        (Schedule(), TRAINED, "schedule: last training 20 min, needed 15 min"),
        (Schedule(), Facts(), "schedule: nothing was trained yet"),
        (
            Drifted(),
            replace(TRAINED, psi=DRIFT),
            "drift: PSI of ret_5m_bps 0.31, needed 0.25 (over 500 rows, where chance leaves 0.02)",
        ),
        (
            Decayed(),
            replace(TRAINED, sharpe=0.3, sharpe_trades=200),
            "decay: Sharpe ratio 0.3, needed 0.4 (of 200 trades)",
        ),
        (Lost(), replace(TRAINED, lost_ms=NOW), "losing trade: a trade lost at its stop"),
        (Unsure(), replace(TRAINED, confidence=0.5), "low confidence: confidence 0.50, needed 0.55"),
        (LossRose(), replace(TRAINED, loss_rose_ms=NOW), "loss rose: the loss has risen"),
    ],
)
def test_each_trigger_is_due_and_says_why(trigger: Trigger, facts: Facts, told: str) -> None:
    assert text(trigger, facts) == told
    assert text(trigger, replace(facts, is_training=True)) is None, "while one trains none is begun"


@pytest.mark.parametrize(
    ("trigger", "facts"),
    [
        (Schedule(HOUR_MS), TRAINED),
        (Drifted(), replace(TRAINED, psi=replace(DRIFT, psi=0.25))),
        # Of few rows chance alone leaves as much.
        (Drifted(), replace(TRAINED, psi=replace(DRIFT, by_chance=0.4))),
        (Decayed(), replace(TRAINED, sharpe=0.4)),
        (Lost(), replace(TRAINED, lost_ms=TRAINED.begun_ms)),
        (Unsure(), replace(TRAINED, confidence=0.55)),
        (LossRose(), replace(TRAINED, loss_rose_ms=0)),
    ],
)
def test_none_is_due_at_its_figure_or_of_what_was_learned_from_already(trigger: Trigger, facts: Facts) -> None:
    assert text(trigger, facts) is None


@pytest.mark.parametrize("trigger", ALL[1:])
def test_what_is_not_known_makes_nothing_due(trigger: Trigger) -> None:
    assert text(trigger, TRAINED) is None
    assert text(trigger, replace(TRAINED, sharpe=math.nan, confidence=math.nan)) is None


@pytest.mark.parametrize("trigger", ALL[1:])
def test_a_trigger_that_stays_true_waits_for_its_cool_down(trigger: Trigger) -> None:
    facts = replace(
        TRAINED, psi=DRIFT, sharpe=0.0, lost_ms=NOW, confidence=0.1, loss_rose_ms=NOW, fired_ms={trigger.name: NOW}
    )
    ends = NOW + trigger.cool_down_ms
    assert text(trigger, facts, ends - 1) is None
    assert text(trigger, facts, ends) is not None


def test_a_schedule_counts_from_the_last_training_whatever_began_it() -> None:
    facts = Facts(begun_ms=NOW)
    assert text(Schedule(HOUR_MS), facts, NOW + HOUR_MS - 1) is None
    assert text(Schedule(HOUR_MS), facts, NOW + HOUR_MS) == "schedule: last training 60 min, needed 60 min"


def test_the_operators_word_comes_first_heeds_no_cool_down_and_counts_once() -> None:
    facts = replace(TRAINED, asked_ms=NOW, confidence=0.1, fired_ms={"train": NOW})
    found = due(ALL, facts, NOW)
    assert found is not None
    assert (found.name, found.text) == ("train", "train: the operator asked")
    assert due((), replace(facts, begun_ms=NOW + 1), NOW + 2) is None


def test_of_several_the_first_that_was_chosen_is_told() -> None:
    facts = replace(TRAINED, psi=DRIFT, sharpe=0.1, confidence=0.1)
    found = [due(chosen, facts, NOW) for chosen in (ALL, tuple(reversed(ALL)))]
    assert [one.name for one in found if one is not None] == ["drift", "low confidence"]


def test_the_seeds_have_their_figures() -> None:
    assert (Schedule(60 * MINUTE), Lost(), Unsure(confidence_below=0.55)) == SEED_A
    assert (Drifted(psi_above=0.25), Decayed(sharpe_below=0.4)) == SEED_B
    assert Schedule().every_ms == 15 * MINUTE


def test_names_are_told_apart() -> None:
    with pytest.raises(BadInputError, match="a name of its own"):
        due((Unsure(), Unsure(0.4)), TRAINED, NOW)
    with pytest.raises(BadInputError, match="none is train"):
        due((Schedule(name="train"),), TRAINED, NOW)
    assert due((Unsure(), Unsure(0.4, name="very low")), TRAINED, NOW) is None


def test_the_ratio_is_of_the_last_trades_alone() -> None:
    rng = np.random.default_rng(1)
    net = np.append(np.full(100, -1e6), rng.normal(1.0, 10.0, 200))
    expected = net[-200:].mean() / net[-200:].std(ddof=1) * math.sqrt(TRADES_PER_YEAR)
    assert recent_sharpe(net) == (pytest.approx(expected), 200)
    assert recent_sharpe(net[:9]) == (None, 9), "nine are not known to be bad"
    assert recent_sharpe(np.zeros(50)) == (None, 50)
    assert recent_sharpe(np.zeros(0)) == (None, 0)


def test_a_trigger_is_known_by_its_tag() -> None:
    assert msgspec.json.decode(msgspec.json.encode(ALL), type=tuple[Trigger, ...]) == ALL
