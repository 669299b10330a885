"""Demo, event-driven backtest and fast sweep give one list of trades over the recorded market, to the last digit.

The demo is the real one, with its SQLite journal and its workers; the backtests are asked of the lab of the same home.
"""

from __future__ import annotations

import shutil
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from core.domain.market import MINUTE_MS
from core.lab.requests import Engine
from core.lab.run.result import TradeColumns
from quarterdeck import QuarterdeckRuntime
from tests.engine import modes

FROM_MS = 1_749_166_200_000
"""2025-06-05 23:30 UTC: the first day ends soon, and fundings come at 00:00, 08:00 and 16:00."""
HOUR_MS = 60 * MINUTE_MS

EMA_CROSS = """
strategy = "ema_cross"
[ema_cross]
exit = "{exit}"
stop_pct = 0.3
target_pct = 0.6
[limits]
max_trades_per_day = 60
max_losses_in_row = 12
"""
SCALPER = """
strategy = "scalper"
[market]
symbols = ["SOLUSDT", "BTCUSDT", "XRPUSDT"]
[costs]
taker_fee_bps = 0.5
slippage_bps = 0.1
[scalper]
window_hours = 12
retrain_minutes = {retrain_minutes}
max_trees = 20
max_depth = 3
num_leaves = 4
learning_rate = 0.2
min_edge_bps = 1
edge_over_cost_bps = 0
reversal_bps = 0.5
stop_pct = 0.2
target_pct = 0.4
max_rmse_ratio = 2.0
cooldown_minutes = 0
[engine]
training_workers = 1
"""


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("market")
    QuarterdeckRuntime().lab(home).market("recorded")
    return home


@pytest.fixture
def home(market: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(market, tmp_path / "home"))


@pytest.mark.parametrize("exit_mode", ["bracket", "reverse"])
def test_a_rule_trades_the_same_in_every_mode(home: Path, exit_mode: str) -> None:
    (home / "settings.toml").write_text(EMA_CROSS.format(exit=exit_mode))
    period = (FROM_MS, FROM_MS + 24 * HOUR_MS)
    demo = modes.demo(home, *period)
    _, event_driven = modes.backtest(home, "ema_cross", "event-driven", *period)
    _, swept = modes.backtest(home, "ema_cross", "sweep", *period)
    assert_the_same(event_driven.trades, demo, "event-driven")
    assert_the_same(swept.trades, demo, "sweep")
    assert swept.final_usdt == pytest.approx(event_driven.final_usdt, abs=1e-8)
    assert len(demo) > 30
    assert len(set(demo.symbol)) == 5
    assert set(demo.exit_reason) >= ({"stop", "target"} if exit_mode == "bracket" else {"stop", "reversal"})
    assert any(demo.funding_usdt)
    assert_replays(home)


def test_a_model_that_is_trained_once_trades_the_same_in_every_mode(home: Path) -> None:
    """What the demo journalled as predicted is told to the others."""
    (home / "settings.toml").write_text(SCALPER.format(retrain_minutes=7 * 24 * 60))
    period = (FROM_MS, FROM_MS + 3 * HOUR_MS)
    demo = modes.demo(home, *period)
    assert len(modes.versions(home)) == 3
    assert len(demo) > 10
    for engine in ("event-driven", "sweep"):
        assert_the_same(modes.told_what_the_demo_was(home, "scalper", engine, *period).trades, demo, engine)
    assert_replays(home)


def test_a_model_that_is_trained_anew_trades_the_same_in_every_mode(home: Path) -> None:
    """The backtest trains its own; what that predicted is told to a second one and to the sweep."""
    (home / "settings.toml").write_text(SCALPER.format(retrain_minutes=60))
    period = (FROM_MS, FROM_MS + 3 * HOUR_MS)
    demo = modes.demo(home, *period)
    assert len(modes.versions(home)) > 6
    assert len(demo) > 10
    run_id, own = modes.backtest(home, "scalper", "event-driven", *period)
    assert_the_same(own.trades, demo, "event-driven")
    for engine in ("event-driven", "sweep"):
        _, told = modes.backtest(home, "scalper", engine, *period, run_id)
        assert_the_same(told.trades, demo, engine)
    assert_replays(home)


def assert_the_same(ours: TradeColumns, theirs: TradeColumns, engine: Engine) -> None:
    """To the last bit, but for the sweep's amounts, which are counted in whole 1e-8 USDT."""
    for item in fields(TradeColumns):
        one, other = getattr(ours, item.name), getattr(theirs, item.name)
        if engine == "sweep" and item.name.endswith("_usdt"):
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-8, err_msg=item.name)
        else:
            assert np.array_equal(one, other), item.name


def assert_replays(home: Path) -> None:
    row = modes.verified(home)
    assert row["equal"], row
    assert row["notes"] == []
