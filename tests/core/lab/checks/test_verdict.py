from __future__ import annotations

import pytest

from core.lab.checks.sensitivity import (
    Outcome,
    Variant,
    check_costs_matter,
    check_delay,
    check_seeds,
    check_snooping,
)
from core.lab.checks.verdict import Status, Verdict, overall, plain


def verdicts(*statuses: Status) -> list[Verdict]:
    return [Verdict(f"check {number}", status, "") for number, status in enumerate(statuses)]


@pytest.mark.parametrize(
    ("statuses", "said"),
    [
        ([Status.CLEAN, Status.CLEAN], "no bias found"),
        ([Status.CLEAN, Status.WARN], "no bias found; see the warnings"),
        ([Status.WARN, Status.UNKNOWN, Status.CLEAN], "NOT PROVEN: 1 of 3 checks could not be made"),
        ([Status.UNKNOWN, Status.FAULT, Status.FAULT], "NOT BELIEVABLE: 2 faults found"),
        ([Status.FAULT], "NOT BELIEVABLE: 1 fault found"),
    ],
)
def test_the_worst_is_told_in_one_line(statuses: list[Status], said: str) -> None:
    assert plain(verdicts(*statuses)).startswith(said)
    assert overall(verdicts(*statuses)) in statuses


def test_a_profit_that_double_costs_take_away_is_told_with_where_it_ends() -> None:
    verdict = check_costs_matter(lambda variant: Outcome(10, 100.0 - 80.0 * variant.costs))
    assert verdict.status is Status.WARN
    assert "nothing is left at 1.25x" in verdict.detail
    assert check_costs_matter(lambda variant: Outcome(10, 100.0 - 10.0 * variant.costs)).status is Status.CLEAN
    assert check_costs_matter(lambda variant: Outcome(0, 0.0)).status is Status.UNKNOWN


def test_a_profit_that_one_bar_takes_away_is_told() -> None:
    def run(variant: Variant) -> Outcome:
        return Outcome(10, 100.0 if not variant.delay_bars else 20.0)

    assert check_delay(run).status is Status.WARN
    assert check_delay(lambda variant: Outcome(10, 100.0 - variant.delay_bars)).status is Status.CLEAN


def test_a_result_whose_sign_hangs_on_the_seed_is_told() -> None:
    assert check_seeds(lambda variant: Outcome(5, 10.0 * (variant.seed or 0) - 15.0), (1, 2)).status is Status.WARN
    assert check_seeds(lambda variant: Outcome(5, 10.0), (1, 2)).status is Status.CLEAN
    assert check_seeds(lambda variant: Outcome(0, 0.0), (1, 2)).status is Status.UNKNOWN


@pytest.mark.parametrize(
    ("dsr", "pbo", "status"),
    [(None, None, Status.UNKNOWN), (0.5, None, Status.WARN), (0.99, 0.6, Status.WARN), (0.99, 0.2, Status.CLEAN)],
)
def test_luck_is_told(dsr: float | None, pbo: float | None, status: Status) -> None:
    assert check_snooping(12, dsr, pbo).status is status
