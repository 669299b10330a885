"""One sentence says whether a result loses, may be luck, or survives, and what to do next."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.lab.report.verdict import bottom_line, validation_line
from core.lab.search.trials import TrialCount
from core.lab.statistics.assessment import luck_figures
from core.lab.statistics.statistics import ratios

GOOD: dict[str, Any] = {
    "return_days": 120.0,
    "total_return_pct": 30.0,
    "trades": 80.0,
    "gross_usdt": 500.0,
    "fees_usdt": 60.0,
    "slippage_usdt": 20.0,
    "sharpe": 4.0,
    "sharpe_low": 1.5,
    "sharpe_high": 6.5,
    "dsr": 0.97,
    "alike_trials": 18.0,
    "luck_free_days": 110.0,
}


def said(kind: str = "backtest", labels: tuple[str, ...] = (), **changes: Any) -> str:
    text = bottom_line(kind, "ema_cross", GOOD | changes, labels)
    assert "\n" not in text
    assert text.endswith(".")
    return text


def test_a_result_that_survives_says_by_what_and_what_comes_next() -> None:
    told = "survives the test of luck, Sharpe 4.00 (1.50 to 6.50) and deflated 0.970 over 120 days; next: "
    assert (
        said()
        == f"It {told}walk it forward, which trades only what came after the choice: quarterdeck walkforward ema_cross."
    )
    assert said("walkforward").startswith(f"It {told}look for bias with quarterdeck check ema_cross")
    assert said("sweep").startswith(f"The best of them {told}walk it forward")


@pytest.mark.parametrize("label", ["SYNTHETIC DATA: not performance", "LOOK-AHEAD: a cut changed a signal"])
def test_what_stands_under_a_warning_survives_nothing(label: str) -> None:
    text = said(labels=(label, "PARTIAL: stopped"))
    assert text.startswith("It would survive the test of luck")
    assert text.endswith(f"but is no evidence: {label.split(':')[0]}, PARTIAL.")


@pytest.mark.parametrize(
    ("changes", "needed"),
    [
        ({"dsr": 0.4, "luck_free_days": 400.0}, "about 400 days, it has 120"),
        ({"sharpe_low": -1.0}, "about 188 days, it has 120"),
        ({"dsr": 0.4, "luck_free_days": 9_999.0}, "more than 10 years, it has 120 days"),
        ({"dsr": 0.4, "luck_free_days": None}, "more than 10 years, it has 120 days"),
    ],
)
def test_what_may_be_luck_says_how_many_days_it_would_need(changes: dict[str, Any], needed: str) -> None:
    text = said(**changes)
    assert text.startswith("Not distinguishable from luck: as the best of 18 tried alike, its deflated Sharpe is ")
    assert f"at this ratio it would need {needed}; next: " in text
    assert "as the only set tried" in said(**changes, alike_trials=1.0)


def test_too_few_days_are_not_judged_however_good_they_look() -> None:
    text = said(return_days=9.0, dsr=None, sharpe=None, sharpe_low=None)
    assert text.startswith(
        "Not distinguishable from luck: +30.00 % over 9 whole days; it would need at least 30 to be "
    )


@pytest.mark.parametrize("changes", [{"return_days": 1.0, "dsr": None, "sharpe": None}, {"dsr": 0.4}])
@pytest.mark.parametrize("label", ["LOOK-AHEAD: bar 7", "NOT BELIEVABLE (warm-up): bar 7"])
def test_a_gain_of_code_with_a_fault_is_not_sent_for_more_candles(changes: dict[str, Any], label: str) -> None:
    name = label.split(":")[0]
    assert said(labels=("HOLES: a few", label), **changes) == (
        f"It is no evidence: {name}; next: mend the strategy, which quarterdeck check names the fault of, and run it "
        "again."
    )


def test_one_day_is_one_day() -> None:
    assert "over 1 whole day; it would" in said(return_days=1.0, dsr=None, sharpe=None, sharpe_low=None)


def test_a_loss_says_whether_the_costs_made_it() -> None:
    lost = said(total_return_pct=-0.3, gross_usdt=30.0)
    assert lost.startswith(
        "It loses after costs: -0.30 %, its costs of 80.00 USDT on a gross of 50.00; next: fewer trades"
    )
    assert "lost before costs too; next: another idea" in said(total_return_pct=-2.0, gross_usdt=-30.0)
    assert "-2.00 % before a limit ended it" in said(total_return_pct=-2.0, limit_ended_at_ms=5.0)
    assert said("sweep", total_return_pct=0.0, gross_usdt=None).startswith(
        "The best of them loses after costs: +0.00 %; "
    )


def test_where_there_is_nothing_to_judge_it_says_so() -> None:
    assert said(trades=0.0).startswith("No trade was closed")
    assert bottom_line("sweep", "x", {"alike_trials": 3.0}, ()).startswith("Nothing was chosen")
    assert bottom_line("sweep", "x", {}, ()).startswith("Nothing was chosen")
    assert bottom_line("backtest", "x", {"trades": 5.0}, ()).startswith("Not judged: an earlier version")


@pytest.mark.parametrize("days", [60, 200])
def test_of_markets_without_skill_few_results_survive(days: int) -> None:
    survived = 0
    for seed in range(400):
        returns = np.random.default_rng(seed).normal(0.0, 0.02, days)
        final = 10_000.0 * float(np.prod(1.0 + returns))
        told = ratios(returns, 10_000.0, final, days * 86_400_000, 5.0)
        figures = luck_figures(returns, TrialCount(1, 1), seed)
        figures |= {
            "return_days": float(days),
            "sharpe": told.sharpe,
            "trades": 9.0,
            "total_return_pct": final / 100 - 100,
        }
        survived += "survives" in bottom_line("backtest", "x", figures, ())
    assert survived <= 0.05 * 400


def path(net_bps: float | None, errors: float | None) -> dict[str, Any]:
    return {"mean_net_bps": net_bps, "errors_above": errors}


def test_a_validation_goes_by_its_middle_path() -> None:
    losing = validation_line("scalper", 90.0, [path(-2.5, -1.0), path(-1.0, -0.5), path(9.0, 3.0)])
    assert losing.startswith("It loses after costs: -1.00 bps a trade on the middle one of 3 paths; next: ")
    lucky = validation_line("scalper", 90.0, [path(1.0, 0.8), path(2.0, 0.9), path(3.0, 3.0)])
    assert "Not distinguishable from luck: +2.00 bps a trade on the middle one of 3 paths" in lucky
    assert "about 301 days, it has 90" in lucky
    short = validation_line("scalper", 3.0, [path(5.0, 4.0)])
    assert "about 30 days, it has 3" in short
    good = validation_line("scalper", 90.0, [path(5.0, 4.0)])
    assert good.startswith("It survives: +5.00 bps a trade, 4.0 standard errors above 0")
    assert validation_line("scalper", 90.0, [path(None, None)]).startswith("No path has a trade")
