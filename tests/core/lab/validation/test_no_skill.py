"""A market without skill to be had: however many parameter sets are tried, the best is not called skill."""

from __future__ import annotations

import pytest

from core.compute.pool import Compute
from core.lab.run.evaluation import Ground
from core.lab.search.search import run_grid
from core.lab.validation.selection import select
from core.settings.schema import Settings, parse_settings
from core.settings.values import Grid
from core.strategy.loading import load_strategy
from tests.core.lab.walks import INSTRUMENTS, random_walk

MARKETS = 200
DAYS = 30
GRID: Grid = (("fast_bars", (6, 12, 24)), ("slow_bars", (48, 96, 192)), ("exit", ("bracket", "reverse")))
FREE = {"maker_fee_bps": 0, "taker_fee_bps": 0, "slippage_bps": 0, "impact_bps": 0}


def settings(costs: bool) -> Settings:
    """Nothing ends a run early, so that every trial has all its days."""
    limits = {
        "max_trades_per_day": 10**6,
        "max_losses_in_row": 10**6,
        "max_drawdown_pct": 99,
        "day_loss_usdt": 10**9,
        "day_loss_pct": 99,
    }
    data = {"strategy": "ema_cross", "limits": limits, "sizing": {"notional_usdt": 2_500}}
    return parse_settings(data if costs else {**data, "costs": FREE}, "test")


@pytest.mark.parametrize("costs", [True, False], ids=["costs on", "costs off"])
def test_a_random_walk_gives_no_deflated_sharpe_above_95_pct_in_more_than_5_pct_of_runs(costs: bool) -> None:
    """With costs off the expectation of every trial is zero, not below, which is the hardest that a walk can be."""
    chosen = settings(costs)
    convincing = traded = 0
    for seed in range(MARKETS):
        ground = Ground(random_walk(seed, DAYS, warm_up_bars=3_840), chosen, "ema_cross", load_strategy, INSTRUMENTS)
        found = select(run_grid(ground, GRID, Compute(jobs=1)).trials, "sharpe", seed)
        assert found.tried.trials == 18
        dsr = found.luck["dsr"]
        assert dsr is not None
        convincing += dsr > 0.95
        traded += found.best is not None and (found.best.figures["trades"] or 0.0) >= DAYS
    assert convincing <= 0.05 * MARKETS
    assert traded > 0.5 * MARKETS
