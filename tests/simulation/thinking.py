"""Models in a simulated hour: their workers answer at once, late, too late or never, and die; so do trainings."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from core.domain.errors import ModelError
from core.domain.forecast import Forecast
from core.domain.market import MINUTE_MS
from core.domain.origin import champion
from core.ports import BarColumns, TrainingResult
from core.strategy.declaration import Lifecycle, ModelSpec, Strategy

INPUTS = ("bars.5m", "open_interest.5m", "mark")
LIFECYCLE = Lifecycle(window_ms=10 * MINUTE_MS, retrain_ms=15 * MINUTE_MS)
GIVEN_UP_S = 30.0
"""After so long a worker that hangs is ended."""

AT_ONCE_S, SOON_S, LATE_S, TOO_LATE_S = 0.09, 1.0, 12.0, 25.0
ANSWERS = ((0.5, "at once"), (0.7, "soon"), (0.82, "late"), (0.9, "too late"), (0.95, "never"), (1.0, "dead"))
TRAINING_S = 120.0


def has_models(seed: int) -> bool:
    """Half of the seeds, with people and crossings and without, of either kind of strategy."""
    return seed // 8 % 2 == 1


def modelled(strategy: Strategy) -> Strategy:
    """The same strategy, whose rule is asked as a model is, and only while what it sees of INPUTS is new enough."""
    asked = replace(strategy.part, source=ModelSpec("tests.simulation", "{}"), lifecycle=LIFECYCLE, inputs=INPUTS)
    return replace(strategy, parts=(asked,))


class Thinking:
    """Implements core.ports.Forecaster: says what `rule` does, when its workers do."""

    def __init__(self, strategy: Strategy, rng: random.Random, reach: Callable[[str], None]) -> None:
        rule = strategy.part.rule
        assert rule is not None
        self._name = strategy.name
        self._rule = rule
        self._rng = rng
        self._reach = reach

    async def warm_up(self) -> None: ...

    async def predict(self, windows: Sequence[tuple[BarColumns, str]], made_ms: int) -> list[Forecast | None]:
        await self._work()
        for window, _ in windows:
            assert window.seen is not None
            assert not window.seen.is_lacking()[-1]
        return [self._said(window, version, made_ms) for window, version in windows]

    async def train(self, window: BarColumns, requested_ms: int) -> TrainingResult:
        drawn = self._rng.random()
        await asyncio.sleep(drawn * TRAINING_S)
        if drawn > 0.85:
            self._reach("training failed")
            raise ModelError("train worker died (exit code -9)")
        if drawn > 0.7:
            self._reach("training refused")
        version = f"{window.symbol}-{requested_ms}"
        return TrainingResult(window.symbol, self._name, version, drawn <= 0.7, "drawn", {})

    def describe(self) -> dict[str, Any]:
        return {}

    async def _work(self) -> None:
        drawn, share = self._rng.random(), self._rng.random()
        fate = next(name for most, name in ANSWERS if drawn < most)
        self._reach(f"forecast {fate}")
        if fate == "at once":
            await asyncio.sleep(share * AT_ONCE_S)
        elif fate == "soon":
            await asyncio.sleep(AT_ONCE_S + share * SOON_S)
        elif fate == "late":
            await asyncio.sleep(SOON_S + share * (LATE_S - SOON_S))
        elif fate == "too late":
            await asyncio.sleep(LATE_S + 4.0 + share * (TOO_LATE_S - LATE_S))
        elif fate == "never":
            await asyncio.sleep(GIVEN_UP_S)
            raise ModelError(f"inference worker gave no answer within {GIVEN_UP_S:g} s and was ended")
        else:
            await asyncio.sleep(share)
            raise ModelError("inference worker died (exit code -9)")

    def _said(self, window: BarColumns, version: str, made_ms: int) -> Forecast:
        state = np.zeros(self._rule.state_size)
        prices = (window.open, window.high, window.low, window.close, window.volume)
        value = float(self._rule.scan(state, *prices, np.array(self._rule.parameters))[-1])
        close_ms = int(window.open_time_ms[-1]) + window.interval_ms
        return Forecast(window.symbol, close_ms, made_ms, (value,), champion(self._name, version, "main"))
