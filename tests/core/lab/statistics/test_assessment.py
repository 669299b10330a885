"""All figures of a run by name: what they are of, and that few days are told no more than they know."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from core.lab.search.trials import TrialCount
from core.lab.statistics.assessment import assess, luck_figures, returns_of
from core.lab.statistics.basis import LASTING, NEEDS_DAYS, RANKS
from core.lab.statistics.figures import GROUPS
from core.lab.validation.luck import luck_of_best, moments, probabilistic_sharpe
from core.settings.schema import CostSettings
from tests.core.lab.samples import DAY_MS, FROM_MS, MINUTE_MS, curve_of, random_walk, run_of, trades_of
from tests.core.lab.walks import random_walk as market

COSTS = CostSettings()
ONE = TrialCount(1, 1)


def judged(days: int, **changes: object) -> dict[str, float | None]:
    history = market(1, days)
    equity = random_walk(5, days * 1_440, 1e-4)
    trades = trades_of([10.0, -5.0], fees=1.0, symbols=["WALKUSDT"] * 2, entry_ms=[FROM_MS + 9 * MINUTE_MS] * 2)
    run = dataclasses.replace(run_of(curve_of(equity, MINUTE_MS), trades), **changes)  # type: ignore[arg-type]
    return assess(run, history, COSTS, TrialCount(9, 4), 7).figures


@pytest.mark.parametrize("days", [12, 29])
def test_of_few_days_only_what_sorts_is_a_ratio(days: int) -> None:
    figures = judged(days)
    assert {name for name in NEEDS_DAYS if figures.get(name) is not None} == set()
    assert all(figures[name] is not None for name in RANKS.values())
    assert (figures["return_days"], figures["trials"], figures["alike_trials"]) == (days, 9.0, 4.0)


def test_of_thirty_days_everything_is_told() -> None:
    figures = judged(30)
    told = {name for name in NEEDS_DAYS if figures.get(name) is not None}
    assert {"cagr_pct", "volatility_pct", "sharpe", "sharpe_low", "sharpe_high", "sortino", "calmar"} <= told
    assert {"psr", "dsr", "expected_max_sharpe", "drawdown_high_pct"} <= told
    assert "pbo" not in figures


def test_every_figure_has_a_name_of_its_own() -> None:
    named = {key for _, labels in GROUPS for key in labels}
    assert set(judged(30)) - set(RANKS.values()) <= named
    assert named >= LASTING


def test_open_positions_and_costs_in_the_prices_stand_beside_the_trades() -> None:
    figures = judged(2, open_positions=3)
    assert figures["open_positions"] == 3.0
    assert figures["slippage_usdt"] is not None
    assert figures["slippage_usdt"] > 0.0
    gross = 11.0 + figures["slippage_usdt"] / 2
    assert figures["cost_share_pct"] == pytest.approx((2.0 + figures["slippage_usdt"]) / gross * 100, rel=0.05)
    total = (figures["net_usdt"] or 0.0) + (figures["open_result_usdt"] or 0.0)
    assert total == pytest.approx((figures["final_usdt"] or 0.0) - (figures["initial_usdt"] or 0.0))


def test_a_limit_that_ended_the_run_ends_its_record() -> None:
    figures = judged(40, ended_ms=FROM_MS + 31 * DAY_MS - 5)
    assert (figures["return_days"], figures["limit_ended_at_ms"]) == (31.0, FROM_MS + 31 * DAY_MS - 5)
    assert "limit_ended_at_ms" not in judged(2)


def test_luck_is_taken_over_what_was_tried_alike() -> None:
    returns = np.random.default_rng(2).normal(0.002, 0.02, 90)
    shape = moments(returns)
    assert shape is not None
    for tried in (ONE, TrialCount(900, 1), TrialCount(900, 30, 0.01, 0.02)):
        found = luck_figures(returns, tried, 7)
        expected = luck_of_best(shape, tried.alike, tried.variance, tried.mean)
        assert found["dsr"] == probabilistic_sharpe(shape, expected)
        assert found["trials"] == tried.trials
    assert luck_figures(returns, TrialCount(900, 1), 7)["dsr"] == luck_figures(returns, ONE, 7)["psr"]


def test_the_returns_are_those_of_whole_days() -> None:
    equity = random_walk(5, 2_000, 1e-4)
    run = run_of(curve_of(equity, MINUTE_MS))
    assert returns_of(run, market(1, 2)) == pytest.approx([equity[1_439] / 10_000.0 - 1.0])
