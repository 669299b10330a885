"""Trainings are planned as the session asks for them, and prepared ones give the run that trained on its way."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain.errors import ModelError
from core.domain.market import MINUTE_MS
from core.domain.records import Record, TrainingRecord, TrainingStatus
from core.lab.data.history import History
from core.lab.run.event_driven import Drive
from core.lab.run.result import RunResult
from core.lab.run.trainings import (
    PlannedTraining,
    Prepared,
    PreparedForecaster,
    TrainedAhead,
    planned_trainings,
    train_ahead,
    training_ground,
)
from core.learning.forecaster import WorkerForecaster, training_bars
from core.learning.in_process import InProcess
from core.ports import BarColumns, Forecaster, TrainingResult
from core.settings.schema import Settings, parse_settings
from core.strategy.declaration import Lifecycle, ModelSpec, Strategy
from core.trader.trader import Trader
from core.venues.rebuild import journalled_venue
from strategies.scalper.declaration import build
from tests.core.lab.markets import instrument, random_history, strategy
from tests.core.lab.recorded import history, instruments
from tests.declared import SURE
from tests.engine.scripted import ScriptedForecaster


class Asked(ScriptedForecaster):
    """Remembers the windows that trainings were asked for with."""

    def __init__(self) -> None:
        self.windows: dict[tuple[str, int], BarColumns] = {}

    async def train(self, window: BarColumns, requested_ms: int) -> TrainingResult:
        self.windows[window.symbol, requested_ms] = window
        return await super().train(window, requested_ms)


async def run(
    market: History, chosen: Strategy, options: Settings, forecaster: Forecaster
) -> tuple[RunResult, list[TrainingRecord]]:
    known = {symbol: instrument(symbol) for symbol in market.symbols}
    if market.symbols[0].endswith("USDT"):
        known = instruments(options)
    records: list[Record] = []
    trader = Trader("test", chosen, options, known)
    drive = Drive(market, trader, journalled_venue(known, options), {"main": forecaster}, None, observe=records.extend)
    await drive.run(lambda done, total: None, lambda: False)
    return drive.result(), [record for record in records if isinstance(record, TrainingRecord)]


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 100_000),
    window=st.integers(10, 60),
    retrain=st.integers(1, 45),
    delay_s=st.sampled_from([1, 30, 60, 61, 600, 3_000]),
    first=st.integers(2, 90),
)
async def test_the_plan_is_what_the_session_asks_for(
    seed: int, window: int, retrain: int, delay_s: int, first: int
) -> None:
    market = random_history(np.random.default_rng(seed), 2, 260, gaps=True, first=first)
    lifecycle = Lifecycle(window * MINUTE_MS, retrain * MINUTE_MS)
    chosen = strategy(
        outputs=SURE, lifecycle=lifecycle, source=ModelSpec("tests.engine.scripted", "{}"), lookback_bars=2
    )
    options = parse_settings(
        {"market": {"symbols": list(market.symbols)}, "engine": {"training_delay_seconds": delay_s}}, "the test"
    )
    forecaster = Asked()
    _, trainings = await run(market, chosen, options, forecaster)
    asked = [(r.symbol, r.requested_ms) for r in trainings if r.status is TrainingStatus.REQUESTED]
    planned = planned_trainings(market, chosen, options)
    assert [training.key for training in planned] == asked
    for training in planned:
        bars = market.columns(training.symbol)
        seen = forecaster.windows[training.key]
        assert len(seen.close) == training_bars(chosen, MINUTE_MS)
        assert np.array_equal(seen.open_time_ms, bars.open_time_ms[training.first : training.end])
        assert np.array_equal(seen.volume, bars.volume[training.first : training.end])


async def test_prepared_trainings_give_the_run_that_trained_on_its_way(tmp_path: Path) -> None:
    """Real models, small ones: the same versions by name, which holds their hash, and the same predictions."""
    options = parse_settings(
        {
            "market": {"symbols": ["SOLUSDT"]},
            "scalper": {"window_hours": 12, "retrain_minutes": 20, "max_trees": 10, "num_leaves": 4},
        },
        "the test",
    )
    chosen = build(options)
    from_ms = 1_749_223_800_000
    market = history(("SOLUSDT",), from_ms, from_ms + 45 * MINUTE_MS, training_bars(chosen, MINUTE_MS))
    on_its_way = WorkerForecaster(chosen, InProcess(), tmp_path / "one", 7)
    first, trained = await run(market, chosen, options, on_its_way)

    planned = planned_trainings(market, chosen, options)
    prepared = Prepared(planned, tmp_path / "two")
    ground = training_ground(market, chosen, 7)
    for training in reversed(planned):
        prepared.keep(train_ahead(ground, training))
    inner = WorkerForecaster(chosen, InProcess(), tmp_path / "two", 7)
    second, trained_ahead = await run(market, chosen, options, PreparedForecaster(inner, prepared))
    assert trained_ahead == trained
    assert sum(1 for record in trained if record.origin.version) >= 3
    assert len(first.predictions["SOLUSDT"].close_ms) > 40
    assert np.array_equal(second.predictions["SOLUSDT"].values, first.predictions["SOLUSDT"].values)


async def test_what_was_given_up_fails_with_its_reason() -> None:
    market = random_history(np.random.default_rng(1), 1, 100, gaps=False, first=40)
    lifecycle = Lifecycle(30 * MINUTE_MS, 15 * MINUTE_MS)
    chosen = strategy(outputs=SURE, lifecycle=lifecycle, source=ModelSpec("tests.engine.scripted", "{}"))
    options = parse_settings({"market": {"symbols": list(market.symbols)}}, "the test")
    prepared = Prepared(planned_trainings(market, chosen, options), Path("nowhere"))
    prepared.give_up("the cluster is gone")
    _, trainings = await run(market, chosen, options, PreparedForecaster(ScriptedForecaster(), prepared))
    ended = [record for record in trainings if record.status is not TrainingStatus.REQUESTED]
    assert ended
    assert {(record.status, record.note) for record in ended} == {(TrainingStatus.FAILED, "the cluster is gone")}


async def test_a_run_that_no_longer_waits_does_not_disturb_the_work() -> None:
    training = PlannedTraining("S0", 60_000, 0, 10)
    prepared = Prepared([training], Path("nowhere"))
    window = random_history(np.random.default_rng(1), 1, 20, gaps=False).columns("S0")
    waiting = asyncio.create_task(PreparedForecaster(ScriptedForecaster(), prepared).train(window, 60_000))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    made = TrainingResult("S0", "plain", "", passed=False, note="too few rows", metrics={})
    prepared.keep(TrainedAhead(training, made, None))
    assert prepared.results[training.key].result() == made


def test_without_a_model_nothing_is_planned() -> None:
    market = random_history(np.random.default_rng(1), 1, 100, gaps=False)
    assert planned_trainings(market, strategy(), Settings()) == []
    with pytest.raises(ModelError, match="declares no model to train"):
        training_ground(market, strategy(), 7)
