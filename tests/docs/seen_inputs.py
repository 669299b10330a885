"""The strategy of docs/inputs.md in demo and lab, as a program of its own: its workers are to find it where it is
installed.

Prints what a test looks at, as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from core.domain.records import ForecastRecord
from core.lab.checks.causality import check_dataset, check_split
from core.lab.data.seeing import window_of
from core.lab.requests import BacktestRequest
from core.lab.run.result import RunResult
from core.lab.run.trainings import planned_trainings, train_ahead, training_ground
from core.lab.service.plan import Plan, open_learner
from quarterdeck import QuarterdeckRuntime
from tests.engine import modes
from tests.engine.test_parity import FROM_MS, HOUR_MS, assert_the_same

SETTINGS = """
strategy = "funded"
[market]
symbols = ["SOLUSDT", "BTCUSDT"]
[limits]
max_trades_per_day = 60
max_losses_in_row = 12
"""
PERIOD = (FROM_MS, FROM_MS + 3 * HOUR_MS)


def main(home: Path) -> None:
    again = home.with_name("again")
    for one in (home, again):
        QuarterdeckRuntime().lab(one).market("recorded")
        (one / "settings.toml").write_text(SETTINGS)
    demo = modes.demo(home, *PERIOD)
    modes.demo(again, FROM_MS, FROM_MS + 80 * 60_000)
    assert_the_same(modes.demo(again, *PERIOD), demo, "a demo that was interrupted")
    run_id, own = modes.backtest(home, "funded", "event-driven", *PERIOD)
    _, swept = modes.backtest(home, "funded", "sweep", *PERIOD, run_id)
    assert_the_same(own.trades, demo, "event-driven")
    assert_the_same(swept.trades, demo, "sweep")
    request = BacktestRequest("funded", from_ms=PERIOD[0], to_ms=PERIOD[1], market="recorded")
    plan = QuarterdeckRuntime().lab(home).bench.plan(request)
    learner = open_learner(plan.strategy.part)
    assert learner is not None
    window = window_of(plan.history, "SOLUSDT", plan.strategy.part.inputs)
    ground = training_ground(plan.history, plan.strategy, plan.seed)
    ahead = [train_ahead(ground, one) for one in planned_trainings(plan.history, plan.strategy, plan.settings)]
    print(
        json.dumps(
            {
                "trades": len(demo),
                "forecasts": [_forecasts(home), _forecasts(again), _told(own)],
                "trained": [sorted(modes.versions(home)), sorted(one.result.version for one in ahead)],
                "rates": len(np.unique(window.seen.column("funding.funding_rate"))) if window.seen else 0,
                "checks": [str(one.status) for one in (*check_dataset(learner, window), check_split(learner, window))],
                "hashes": _hashes(plan),
                "verified": [modes.verified(one)["equal"] for one in (home, again)],
            }
        )
    )


def _forecasts(home: Path) -> dict[str, list[object]]:
    """By symbol, the closes and values in order."""
    told: dict[str, list[object]] = {}
    for record in modes.journalled(home):
        if isinstance(record, ForecastRecord):
            told.setdefault(record.forecast.symbol, []).append([record.forecast.bar_close_ms, *record.forecast.values])
    return told


def _told(result: RunResult) -> dict[str, list[object]]:
    return {
        symbol: [[at, *said] for at, said in zip(made.close_ms.tolist(), made.values.tolist(), strict=True)]
        for symbol, made in result.predictions.items()
    }


def _hashes(plan: Plan) -> list[str]:
    """Of the data as they are, and with another rate in them."""
    history = plan.history
    part = history.between(history.from_ms, history.to_ms, history.first)
    for columns in history.observations:
        columns.values.flags.writeable = True
        columns.values[-1] += 1e-4
    return [history.data_hash, part.data_hash, history.between(history.from_ms, history.to_ms, history.first).data_hash]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
