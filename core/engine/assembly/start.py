"""What every engine is put together from, whatever its mode."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.clock import Clock
from core.control.requests import RunRequest
from core.home.folder import Home

if TYPE_CHECKING:
    from core.engine.assembly.stores import EngineStores
    from core.home.logbook import LogSetup
    from core.ports import Forecaster
    from core.settings.schema import Settings
    from core.strategy.declaration import Strategy

CONSOLE_PUBLISH_HZ = 4.0
HEADLESS_PUBLISH_HZ = 1.0


@dataclass(frozen=True, slots=True)
class EngineStart:
    """One start of an engine. What it opens is closed with `stack`; `wall` is this machine's time; `console` tells
    whether a console looks on from this process."""

    request: RunRequest
    home: Home
    stores: EngineStores
    settings: Settings
    strategy: Strategy
    logs: LogSetup
    stack: AsyncExitStack
    wall: Clock
    console: bool

    @property
    def publish_hz(self) -> float:
        return CONSOLE_PUBLISH_HZ if self.console else HEADLESS_PUBLISH_HZ


def open_forecasters(start: EngineStart, settings: Settings, seed: int, models: Path) -> dict[str, Forecaster]:
    """Worker processes for the strategy's models, ended with the start's stack, by part; none for a strategy without
    any. `models` is where these are kept."""
    from core.compute.lanes import WorkerPool
    from core.learning.forecaster import WorkerForecaster
    from core.learning.versions import sweep_partials

    if not start.strategy.models:
        return {}
    sweep_partials(models)
    pool = WorkerPool(settings.engine.training_workers, settings.engine.worker_nice, start.home.worker_log)
    start.stack.push_async_callback(pool.close)
    strategy = start.strategy
    return {part.name: WorkerForecaster(strategy, pool, models, seed, part) for part in strategy.models}


def outside_analysts(strategy: Strategy) -> dict[str, Forecaster]:
    """Those whom an engine in real time asks, by part. Raises BadInputError where one cannot be made."""
    from core.engine.outside import OutsideAnalyst

    return {part.name: OutsideAnalyst(strategy, part) for part in strategy.parts if part.analyst is not None}
