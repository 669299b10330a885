"""What a strategy is to the core: a declaration of parts, readable on one screen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from core.domain.trading import ExitReason

ThresholdFunction = Callable[[float], float]
"""round_trip_cost_bps -> smallest |prediction| in bps that is worth an entry."""

DecideFunction = Callable[[float, float], int]
"""(value_bps, threshold_bps) -> +1 long, -1 short, 0 nothing."""

ExitFunction = Callable[[int, float, float, float, int, float], bool]
"""(side_sign, entry_price, price, value_bps, held_ms, parameter) -> leave now."""


@dataclass(frozen=True, slots=True)
class ExitRule:
    """One exit. `function` is pure arithmetic that numba can compile; rules are asked in order, the first True wins."""

    reason: ExitReason
    function: ExitFunction
    parameter: float


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """When a model is trained, on what, and how many versions of it stay on disk beside those in use."""

    window_ms: int
    retrain_ms: int
    keep_versions: int = 10


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Where a strategy's model comes from: plain data, handed to worker processes.

    `factory` is the import path of a module with `create_learner(options)` (`core.learning.protocol`); `options` is a
    JSON object.
    """

    factory: str
    options: str


@dataclass(frozen=True, slots=True)
class Strategy:
    """The declaration. Everything numeric is pure, so trader and sweep share it.

    `stop_pct` and `target_pct` are distances from the entry in percent of its price; both rest at the venue.
    `lookback_bars` is how many closed bars one prediction needs, the newest included.
    `model` is None when predictions come from elsewhere than a forecaster.
    """

    name: str
    feature_names: tuple[str, ...]
    lookback_bars: int
    horizon_ms: int
    threshold_bps: ThresholdFunction
    decide: DecideFunction
    stop_pct: float
    target_pct: float
    cooldown_ms: int
    exits: tuple[ExitRule, ...]
    lifecycle: Lifecycle
    model: ModelSpec | None = None
