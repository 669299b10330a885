"""How a plan of the lab is run: by the sweep, or by the live code over its history."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.clock import monotonic_ns
from core.domain.errors import BadInputError
from core.domain.progress import OnProgress, Progress, ShouldStop
from core.home.folder import Home
from core.lab.requests import Engine
from core.lab.service.plan import Plan

if TYPE_CHECKING:
    from core.lab.run.result import RunResult
    from core.lab.run.trainings import PlannedTraining, Prepared
    from core.lab.service.plan import Values
    from core.ports import Forecaster
    from core.strategy.declaration import Part

SPREAD_FROM_S = 10.0
"""Work that one process does in less is not spread: starting others and their imports takes some seconds."""


def execute(
    plan: Plan,
    home: Home,
    engine: Engine,
    progress: OnProgress,
    should_stop: ShouldStop,
    values: Values | None = None,
) -> RunResult:
    """Run a plan. `values` are predictions that stand in for those of rule or model."""
    if engine == "sweep":
        return _sweep(plan, values)
    return asyncio.run(_event_driven(plan, home, progress, should_stop, values))


def _sweep(plan: Plan, values: Values | None) -> RunResult:
    from core.lab.run.fixed_predictions import known_values, rule_values
    from core.lab.sweep.prepared import prepare
    from core.lab.sweep.sweep import run

    if values is not None:
        table = known_values(values, plan.history, plan.strategy)
    elif plan.strategy.is_of_rules:
        table = rule_values(plan.strategy, plan.history)
    else:
        what = "a model, which the sweep cannot train" if plan.strategy.models else "an analyst, whom no sweep asks"
        raise BadInputError(f"{plan.strategy.name} has {what}; use --engine event")
    prepared = prepare(plan.history, plan.instruments, plan.settings.costs.assumed_funding_bps)
    return run(prepared, plan.settings, plan.strategy, table)


async def _event_driven(
    plan: Plan, home: Home, progress: OnProgress, should_stop: ShouldStop, values: Values | None
) -> RunResult:
    """The live code over the plan's history."""
    from core.lab.run.event_driven import run
    from core.trader.trader import Trader
    from core.venues.rebuild import journalled_venue

    async with AsyncExitStack() as stack:
        forecasters: Mapping[str, Forecaster] = {} if values is not None else plan.analysts
        if plan.strategy.models and values is None:
            forecasters = {**forecasters, **await stack.enter_async_context(_models(plan, home))}
        return await run(
            plan.history,
            Trader("backtest", plan.strategy, plan.settings, plan.instruments),
            journalled_venue(plan.instruments, plan.settings),
            forecasters,
            progress=lambda done, total: progress(Progress(done, total, "bars")),
            should_stop=should_stop,
            values=values,
        )


@asynccontextmanager
async def _models(plan: Plan, home: Home) -> AsyncIterator[Mapping[str, Forecaster]]:
    """The run's models by part, trained ahead of it side by side and kept as long as it lasts.

    Raises what ended a training once the run is over, so that no result tells of a strategy that lost its models.
    """
    from core.lab.run.trainings import Prepared, PreparedForecaster, planned_trainings
    from core.learning.forecaster import WorkerForecaster
    from core.learning.in_process import InProcess

    over = threading.Event()
    strategy = plan.strategy
    with tempfile.TemporaryDirectory(prefix="models-", dir=home.root) as models:
        planned = {part: planned_trainings(plan.history, strategy, plan.settings, part) for part in strategy.models}
        prepared = {part: Prepared(trainings, Path(models)) for part, trainings in planned.items()}
        training = asyncio.create_task(asyncio.to_thread(_train_all, plan, home, planned, prepared, over))
        try:
            yield {
                part.name: PreparedForecaster(
                    WorkerForecaster(strategy, InProcess(), Path(models), plan.seed, part), prepared[part]
                )
                for part in strategy.models
            }
        finally:
            over.set()
            await training


def _train_all(
    plan: Plan,
    home: Home,
    planned: Mapping[Part, Sequence[PlannedTraining]],
    prepared: Mapping[Part, Prepared],
    over: threading.Event,
) -> None:
    try:
        for part, trainings in ((part, trainings) for part, trainings in planned.items() if trainings):
            _train(plan, home, part, trainings, prepared[part], over)
    finally:
        for each in prepared.values():
            each.give_up("the trainings ended before their time")


def _train(
    plan: Plan,
    home: Home,
    part: Part,
    planned: Sequence[PlannedTraining],
    prepared: Prepared,
    over: threading.Event,
) -> None:
    from core.compute.pool import run_tasks
    from core.lab.run.trainings import train_ahead, training_ground

    ground = training_ground(plan.history, plan.strategy, plan.seed, part)
    compute = plan.compute(home)
    here = replace(compute, backend="local", jobs=1)
    how: Any = {"on_result": lambda _, trained: prepared.keep(trained), "should_stop": over.is_set}
    begun_ns = monotonic_ns()
    run_tasks(train_ahead, ground, planned[:1], here, **how)
    left = planned[1:]
    short = (monotonic_ns() - begun_ns) / 1e9 * len(left) < SPREAD_FROM_S
    run_tasks(train_ahead, ground, left, here if short and compute.backend == "local" else compute, **how)
