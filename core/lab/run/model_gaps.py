"""Models that are not asked where nothing that is decided on could be carried out any more: just before a hole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.domain.forecast import Forecast
from core.lab.data.history import History
from core.lab.data.holes import last_bars_of_symbols
from core.ports import BarColumns, Forecaster, TrainingResult


class UnaskedBeforeHoles:
    """Implements core.ports.Forecaster: another one, over a history with holes."""

    def __init__(self, forecaster: Forecaster, history: History) -> None:
        self._forecaster = forecaster
        self._ends = {
            (history.symbols[row], int(history.open_time_ms[slot])) for slot, row in last_bars_of_symbols(history)
        }

    async def predict(self, windows: Sequence[tuple[BarColumns, str]], made_ms: int) -> list[Forecast | None]:
        asked = [
            place
            for place, (window, _) in enumerate(windows)
            if not len(window.open_time_ms) or (window.symbol, int(window.open_time_ms[-1])) not in self._ends
        ]
        answers: list[Forecast | None] = [None] * len(windows)
        told = await self._forecaster.predict([windows[place] for place in asked], made_ms) if asked else []
        for place, answer in zip(asked, told, strict=True):
            answers[place] = answer
        return answers

    async def train(self, window: BarColumns, requested_ms: int) -> TrainingResult:
        return await self._forecaster.train(window, requested_ms)

    async def warm_up(self) -> None:
        await self._forecaster.warm_up()

    def describe(self) -> dict[str, Any]:
        return self._forecaster.describe()
