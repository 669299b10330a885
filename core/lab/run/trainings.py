"""The trainings of a run, known before it: when a session asks for which, made ahead in any order and in any process.

What a session asks for depends on the bars alone, not on what is traded. So trainings need not wait for the run: they
are planned from its history, spread over processes, and handed to the session at the times at which it would have had
them, from a `PreparedForecaster`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.domain.errors import ModelError
from core.domain.forecast import Forecast
from core.lab.data.history import History
from core.lab.data.seeing import window_of
from core.learning import tasks
from core.learning.forecaster import folder_of, training_bars, training_seed
from core.learning.versions import write_version
from core.ports import BarColumns, Forecaster, TrainingResult
from core.settings.schema import Settings
from core.strategy.declaration import ModelSpec, Part, Strategy


@dataclass(frozen=True, slots=True)
class PlannedTraining:
    """What a session asks for at the close `requested_ms`: the bars [first, end) of `History.columns(symbol)`."""

    symbol: str
    requested_ms: int
    first: int
    end: int

    @property
    def key(self) -> tuple[str, int]:
        return self.symbol, self.requested_ms


def planned_trainings(
    history: History, strategy: Strategy, settings: Settings, part: Part | None = None
) -> list[PlannedTraining]:
    """Every training of a part that a run over `history` asks for, by time, then symbol; none without a model and
    lifecycle, and none of a part that sees others: what these say is told by the run itself.

    As `core.engine.models.ModelDesk` does: at the first close that has a whole window behind it, then at each close on
    the retraining grid, but never while the training before is out. Closes without any bar are not noticed.
    """
    part = part or strategy.part
    lifecycle = part.lifecycle
    if part.model is None or lifecycle is None or strategy.parts_seen(part):
        return []
    bars = training_bars(strategy, history.interval_ms, part)
    delay_ms = settings.engine.training_delay_seconds * 1_000
    there = ~np.isnan(history.close)
    noticed = np.asarray(there.any(axis=0))
    noticed[: history.first] = False
    close_ms = history.open_time_ms + history.interval_ms
    on_grid = close_ms % lifecycle.retrain_ms == 0
    planned = []
    for row, symbol in enumerate(history.symbols):
        seen = np.cumsum(there[row])
        able = np.flatnonzero(noticed & (seen >= bars))
        if not len(able):
            continue
        free_ms = 0
        for slot in [int(able[0]), *able[on_grid[able]].tolist()]:
            at_ms, end = int(close_ms[slot]), int(seen[slot])
            if at_ms >= free_ms:
                planned.append(PlannedTraining(symbol, at_ms, end - bars, end))
                free_ms = max(at_ms + delay_ms, at_ms + 1)
    return sorted(planned, key=lambda training: (training.requested_ms, history.symbols.index(training.symbol)))


@dataclass(frozen=True, slots=True)
class TrainingGround:
    """What every training of a run shares, as plain data for worker processes."""

    bars: Mapping[str, BarColumns]
    strategy: str
    spec: ModelSpec
    lookback_bars: int
    horizon_ms: int
    run_seed: int


@dataclass(frozen=True, slots=True)
class TrainedAhead:
    """A result, and the version's files as bytes (None where no version was made), so that it can travel."""

    training: PlannedTraining
    result: TrainingResult
    version: tasks.UnstoredVersion | None


def training_ground(history: History, strategy: Strategy, run_seed: int, part: Part | None = None) -> TrainingGround:
    """Of a part, of the one that is decided on where none is given. Raises ModelError when it has no model."""
    part = part or strategy.part
    if part.model is None:
        raise ModelError(f"strategy {strategy.name}: declares no model to train")
    bars = {symbol: window_of(history, symbol, strategy.market_seen(part)) for symbol in history.symbols}
    return TrainingGround(
        bars, folder_of(strategy.name, part), part.model, part.lookback_bars, part.horizon_ms, run_seed
    )


def train_ahead(ground: TrainingGround, training: PlannedTraining) -> TrainedAhead:
    """One planned training: the same version, to the byte, that the session would have had made."""
    order = tasks.TrainingOrder(
        window=ground.bars[training.symbol].at(slice(training.first, training.end)),
        requested_ms=training.requested_ms,
        seed=training_seed(ground.run_seed, ground.strategy, training.symbol, training.requested_ms),
        lookback_bars=ground.lookback_bars,
        horizon_ms=ground.horizon_ms,
    )
    return TrainedAhead(training, *tasks.fit_version(ground.strategy, ground.spec, order))


class Prepared:
    """Results of planned trainings, as they come: `keep` may be called from any thread, in any order."""

    def __init__(self, planned: Sequence[PlannedTraining], models_path: Path) -> None:
        self._models_path = models_path
        self.results: dict[tuple[str, int], Future[TrainingResult]] = {item.key: Future() for item in planned}
        for result in self.results.values():
            # A run that ends cancels what it waits for; work that is under way cannot be cancelled.
            result.set_running_or_notify_cancel()

    def keep(self, trained: TrainedAhead) -> None:
        """Store the version where the run's forecaster looks for it, as long as the run lasts, then let it be had."""
        result = self.results[trained.training.key]
        try:
            if trained.version is not None:
                manifest, files = trained.version.manifest, trained.version.files
                write_version(self._models_path, manifest, files, durable=False)
        except ModelError as error:
            result.set_exception(error)
        else:
            result.set_result(trained.result)

    def give_up(self, reason: str) -> None:
        """Nothing more comes: what is missing has failed."""
        for result in self.results.values():
            if not result.done():
                result.set_exception(ModelError(reason))


class PreparedForecaster:
    """Implements `core.ports.Forecaster`: predictions from `inner`, trainings from what was prepared. A training that
    was not planned is `inner`'s."""

    def __init__(self, inner: Forecaster, prepared: Prepared) -> None:
        self._inner = inner
        self._results = prepared.results

    async def predict(self, windows: Sequence[tuple[BarColumns, str]], made_ms: int) -> list[Forecast | None]:
        return await self._inner.predict(windows, made_ms)

    async def train(self, window: BarColumns, requested_ms: int) -> TrainingResult:
        """Waits for a result that is not there yet. Raises ModelError where it could not be made."""
        result = self._results.get((window.symbol, requested_ms))
        if result is None:
            return await self._inner.train(window, requested_ms)
        return await asyncio.wrap_future(result)

    async def warm_up(self) -> None:
        await self._inner.warm_up()

    def describe(self) -> dict[str, Any]:
        return self._inner.describe()
