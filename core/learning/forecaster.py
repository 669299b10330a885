"""The learning side as the engine sees it: calls answered by worker processes, pure functions of their arguments."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ParamSpec, Protocol, TypeVar

from core.domain.errors import ModelError
from core.domain.forecast import Forecast
from core.domain.origin import ONLY_PART, champion
from core.learning import tasks
from core.learning.tasks import Answer
from core.ports import BarColumns, TrainingResult
from core.strategy.declaration import Part, Strategy

P = ParamSpec("P")
R = TypeVar("R")

_log = logging.getLogger(__name__)


class Pool(Protocol):
    """Where the calls run: `core.compute.lanes.WorkerPool`, or `core.learning.in_process.InProcess`."""

    async def infer(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R: ...

    async def train(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R: ...

    async def warm_up(self, function: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None: ...

    def restarts(self) -> dict[str, int]: ...


def training_bars(strategy: Strategy, interval_ms: int, part: Part | None = None) -> int:
    """How many bars of `interval_ms` a training of a part takes, of the one that is decided on where none is given: its
    window. The first look-back of them only warms the features up. None where nothing is trained."""
    lifecycle = (part or strategy.part).lifecycle
    return 0 if lifecycle is None else lifecycle.window_ms // interval_ms


def folder_of(strategy: str, part: Part) -> str:
    """Under which name the versions of a part lie, and by which its trainings draw: the strategy's for its only part,
    else with the part's behind it."""
    return strategy if part.name == ONLY_PART else f"{strategy}.{part.name}"


def training_seed(run_seed: int, strategy: str, symbol: str, requested_ms: int) -> int:
    """31 bits that are the same for the same training of the same run, in any process and any order."""
    digest = hashlib.sha256(f"{run_seed}|{strategy}|{symbol}|{requested_ms}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def last_bars(window: BarColumns, count: int) -> BarColumns:
    """The newest `count` bars of a window, or all of them."""
    return window.at(slice(-count, None))


class WorkerForecaster:
    """Implements `core.ports.Forecaster` for any part with a model.

    What it remembers changes no answer: which versions were asked for last (they are not pruned), and which could not
    be used (for the operator). The pool is the caller's to close.
    """

    def __init__(
        self, strategy: Strategy, pool: Pool, models_path: Path, run_seed: int, part: Part | None = None
    ) -> None:
        """Of the part that is decided on where none is given. Raises ModelError when it has no model, or none that is
        ever trained."""
        part = part or strategy.part
        if part.model is None:
            raise ModelError(f"strategy {strategy.name}: declares no model to forecast with")
        if part.lifecycle is None:
            raise ModelError(f"strategy {strategy.name}: declares no lifecycle, so its model would never be trained")
        self._strategy = strategy
        self._part = part
        self._keep_versions = part.lifecycle.keep_versions
        self._pool = pool
        self._home = tasks.ModelHome(models_path, folder_of(strategy.name, part), part.model, part.outputs)
        self._run_seed = run_seed
        self._in_use: dict[str, str] = {}
        self._unusable: dict[str, str] = {}

    async def warm_up(self) -> None:
        """Start the workers and let them import and compile. Raises ModelError when one cannot."""
        await self._pool.warm_up(tasks.warm_up, self._home)

    async def predict(self, windows: Sequence[tuple[BarColumns, str]], made_ms: int) -> list[Forecast | None]:
        """One worker call for all windows.

        None where a window is not full or holds a gap, where no version is named, and where the version cannot be used:
        that is logged and shown by `describe`. Raises ModelError when the worker failed.
        """
        answers: list[Forecast | None] = [None] * len(windows)
        lookback = self._part.lookback_bars
        asked = [i for i, (window, version) in enumerate(windows) if version and len(window.close) >= lookback]
        if not asked:
            return answers
        requests = [(last_bars(windows[i][0], lookback), windows[i][1]) for i in asked]
        told = await self._pool.infer(tasks.predict_batch, self._home, requests)
        for i, (window, version), answer in zip(asked, requests, told, strict=True):
            self._in_use[window.symbol] = version
            if isinstance(answer, ModelError):
                self._report(window.symbol, str(answer))
                continue
            self._unusable.pop(window.symbol, None)
            if answer is not None:
                answers[i] = self._forecast(window, version, answer, made_ms)
        return answers

    def _forecast(self, window: BarColumns, version: str, answer: Answer, made_ms: int) -> Forecast:
        return Forecast(
            symbol=window.symbol,
            bar_close_ms=int(window.open_time_ms[-1]) + window.interval_ms,
            made_ms=made_ms,
            values=answer.values,
            origin=champion(self._strategy.name, version, self._part.name),
            contributions=answer.contributions,
        )

    def _report(self, symbol: str, problem: str) -> None:
        if self._unusable.get(symbol) != problem:
            _log.error("%s has no forecast: %s", symbol, problem)
        self._unusable[symbol] = problem

    async def train(self, window: BarColumns, requested_ms: int) -> TrainingResult:
        """Fit, validate and store one version from the newest `training_bars` of `window`.

        A window that is too short makes no version and says so. Raises ModelError when the worker failed or the version
        cannot be stored.
        """
        needed = training_bars(self._strategy, window.interval_ms, self._part)
        if len(window.close) < needed:
            note = f"a training needs {needed} bars, the window has {len(window.close)}"
            return TrainingResult(window.symbol, self._strategy.name, "", False, note, {})
        order = tasks.TrainingOrder(
            window=last_bars(window, needed),
            requested_ms=requested_ms,
            seed=training_seed(self._run_seed, self._home.strategy, window.symbol, requested_ms),
            lookback_bars=self._part.lookback_bars,
            horizon_ms=self._part.horizon_ms,
        )
        result = await self._pool.train(tasks.train, self._home, order)
        await self._prune(window.symbol, result.version)
        return result

    async def _prune(self, symbol: str, made: str) -> None:
        """Only where the version in use is known: after a start, not before the first prediction."""
        if symbol not in self._in_use:
            return
        in_use = (self._in_use[symbol], made)
        try:
            await self._pool.train(tasks.prune, self._home, symbol, self._keep_versions, in_use)
        except ModelError as error:
            _log.warning("old versions of %s stay on disk: %s", symbol, error)

    def describe(self) -> dict[str, Any]:
        return {
            "strategy": self._home.strategy,
            "run_seed": self._run_seed,
            "in_use": dict(self._in_use),
            "unusable": dict(self._unusable),
            "worker_restarts": self._pool.restarts(),
        }
