"""Plain declarations: a strategy of one part that goes with its first output where that is far enough from zero."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.domain.forecast import Because, Contribution, Forecast, Output
from core.domain.origin import ONLY_PART, Origin, VersionRole
from core.strategy.declaration import Lifecycle, ModelSpec, Part, Rule, Strategy

Vector = NDArray[np.float64]

ONE = (Output("forecast", "bps"),)
SURE = (*ONE, Output("p_sign", "probability"))


def beyond(values: Vector, cost_bps: float, parameters: Vector) -> tuple[int, float]:
    """Long above the first parameter, short below its negative; as sure as the second output says, if there is one."""
    sure = values[1] if len(values) > 1 else 0.5
    if values[0] > parameters[0]:
        return 1, sure
    return (-1, sure) if values[0] < -parameters[0] else (0, sure)


def from_on(values: Vector, cost_bps: float, parameters: Vector) -> tuple[int, float]:
    """The same, and at the parameter itself, too."""
    sure = values[1] if len(values) > 1 else 0.5
    if values[0] >= parameters[0]:
        return 1, sure
    return (-1, sure) if values[0] <= -parameters[0] else (0, sure)


def never(values: Vector, cost_bps: float, parameters: Vector) -> tuple[int, float]:
    return 0, 0.5


def compared(values: Vector, cost_bps: float, parameters: Vector, direction: int) -> tuple[Because, ...]:
    return (Because("forecast", float(values[0]), (direction or 1) * float(parameters[0]), "bps"),)


def declared(
    name: str,
    *,
    needed_bps: float = 0.0,
    outputs: Sequence[Output] = ONE,
    lookback_bars: int = 1,
    source: Rule | ModelSpec | None = None,
    lifecycle: Lifecycle | None = None,
    horizon_ms: int = 0,
    **changes: Any,
) -> Strategy:
    """Stop 1 %, target 3 %, no cooldown, no exits."""
    fields: dict[str, Any] = {
        "name": name,
        "parts": (Part(tuple(outputs), lookback_bars, source, lifecycle, horizon_ms),),
        "decide": beyond,
        "parameters": (needed_bps,),
        "because": compared,
        "stop_pct": 1.0,
        "target_pct": 3.0,
        "cooldown_ms": 0,
    }
    return Strategy(**(fields | changes))


def with_part(strategy: Strategy, **changes: Any) -> Strategy:
    return replace(strategy, parts=(replace(strategy.part, **changes),))


def said(
    symbol: str,
    close_ms: int,
    made_ms: int,
    values: float | tuple[float | None, ...],
    strategy: str,
    version: str = "",
    *,
    role: VersionRole = VersionRole.CHAMPION,
    contributions: tuple[Contribution, ...] = (),
) -> Forecast:
    """A forecast of the only part; a single value is that of ONE."""
    of_all = values if isinstance(values, tuple) else (values,)
    return Forecast(symbol, close_ms, made_ms, of_all, Origin(strategy, ONLY_PART, role, version), contributions)


def table(values: Vector) -> Vector:
    """Values (k, n) or (n,) of one output as the lab takes them, with the outputs as their last axis."""
    return values[..., None]


NOTHING = math.nan
