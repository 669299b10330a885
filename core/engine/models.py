"""Which model trades which symbol, and when the next is trained."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from core.domain.errors import ModelError
from core.domain.origin import Origin, VersionRole
from core.domain.records import Record, TrainingRecord, TrainingStatus
from core.learning.forecaster import training_bars
from core.ports import BarColumns, Forecaster, TrainingResult
from core.strategy.declaration import Part, Strategy

_Task = asyncio.Task[TrainingResult | ModelError]


class ModelDesk:
    """Schedules the trainings of one part by the bars' time and hands their results over at a fixed virtual delay.

    `window` gives the training bars of a symbol that closed at or before a time.
    """

    def __init__(
        self,
        strategy: Strategy,
        forecaster: Forecaster,
        symbols: Sequence[str],
        delay_ms: int,
        window: Callable[[str, int], BarColumns],
        part: Part | None = None,
    ) -> None:
        """Of the part that is decided on where none is given."""
        self._strategy = strategy
        self._part = part or strategy.part
        self._forecaster = forecaster
        self._symbols = tuple(symbols)
        self._delay_ms = delay_ms
        self._window = window
        self._pending: dict[str, tuple[TrainingRecord, _Task | None]] = {}
        self._asked: set[str] = set()
        self._swapped_ms: dict[str, int] = {}
        self.champions: dict[str, str] = {}
        self._refusals: dict[str, str] = {}

    def take_in(self, records: Sequence[Record]) -> None:
        """Learn from journalled records what was asked for and what came of it."""
        for record in records:
            if not isinstance(record, TrainingRecord) or record.symbol not in self._symbols:
                continue
            if (record.origin.strategy, record.origin.part) != (self._strategy.name, self._part.name):
                continue
            if record.status is TrainingStatus.REQUESTED:
                self._asked.add(record.symbol)
                self._pending.setdefault(record.symbol, (record, None))
                continue
            self._pending.pop(record.symbol, None)
            if record.status is TrainingStatus.SWAPPED:
                self.champions[record.symbol] = record.origin.version
                self._swapped_ms[record.symbol] = record.due_ms
            else:
                self._refusals[record.symbol] = record.note

    def answering(self, close_ms: int) -> dict[str, str]:
        """The versions by symbol that were in charge when the bars of `close_ms` closed."""
        return {s: version for s, version in self.champions.items() if self._swapped_ms[s] <= close_ms}

    def note(self) -> str:
        """Why a symbol has no model to trade with, for the operator; empty when all have one."""
        without = [symbol for symbol in self._symbols if symbol not in self.champions and symbol in self._refusals]
        return f"no model for {without[0]} yet: {self._refusals[without[0]]}" if without else ""

    def due_requests(self, now_ms: int) -> list[TrainingRecord]:
        """Requests to journal at the close of the bars of `now_ms`: on the retraining grid, and once before it. A part
        that learns from what models say has nothing to learn from at first, and waits for the grid.

        None for a part without a lifecycle.
        """
        lifecycle = self._part.lifecycle
        if lifecycle is None:
            return []
        on_grid = now_ms % lifecycle.retrain_ms == 0
        due_ms = now_ms + self._delay_ms
        waits = self._strategy.learns_late(self._part)
        wanted = Origin(self._strategy.name, self._part.name, VersionRole.CANDIDATE)
        return [
            TrainingRecord(symbol, wanted, now_ms, due_ms, TrainingStatus.REQUESTED)
            for symbol in self._symbols
            if symbol not in self._pending
            and (on_grid or (symbol not in self._asked and not waits))
            and self._is_whole(self._window(symbol, now_ms))
        ]

    def _is_whole(self, window: BarColumns) -> bool:
        return len(window.open_time_ms) >= training_bars(self._strategy, window.interval_ms, self._part)

    def start_pending(self, group: asyncio.TaskGroup) -> None:
        """Start every requested training that is not running yet."""
        for symbol, (record, task) in self._pending.items():
            if task is None:
                window = self._window(symbol, record.requested_ms)
                self._pending[symbol] = (record, group.create_task(self._train(window, record.requested_ms)))

    def tasks(self) -> list[_Task]:
        return [task for _, task in self._pending.values() if task is not None]

    def finished(self, now_ms: int) -> list[TrainingRecord]:
        """Results of the trainings that have ended by now, due now; waits for none."""
        ended = [(record, task) for record, task in self._pending.values() if task is not None and task.done()]
        return [_outcome(replace(record, due_ms=max(record.due_ms, now_ms)), task.result()) for record, task in ended]

    async def results(self, until_ms: int) -> list[TrainingRecord]:
        """Results due at or before `until_ms`, in order of due time and symbol; waits for those still running."""
        due = sorted(
            (record.due_ms, symbol) for symbol, (record, _) in self._pending.items() if record.due_ms <= until_ms
        )
        finished = []
        for _, symbol in due:
            record, task = self._pending[symbol]
            if task is not None:
                finished.append(_outcome(record, await asyncio.shield(task)))
        return finished

    async def _train(self, window: BarColumns, requested_ms: int) -> TrainingResult | ModelError:
        try:
            return await self._forecaster.train(window, requested_ms)
        except ModelError as error:
            return error


def _outcome(record: TrainingRecord, result: TrainingResult | ModelError) -> TrainingRecord:
    if isinstance(result, ModelError):
        return replace(record, status=TrainingStatus.FAILED, note=str(result))
    if not result.version:
        return replace(record, status=TrainingStatus.FAILED, note=result.note)
    role = VersionRole.CHAMPION if result.passed else VersionRole.CANDIDATE
    return replace(
        record,
        origin=replace(record.origin, version_role=role, version=result.version),
        status=TrainingStatus.SWAPPED if result.passed else TrainingStatus.REFUSED,
        note=result.note,
        metrics=tuple(sorted(result.metrics.items())),
    )
