"""Columns told by a compiled function of a window: the definition sees the bars that it may see, and no others.

`value(open, high, low, close, volume, parameters)` is given exactly `warm_up_bars` bars, oldest first, as float64
arrays, and returns one number. A row alone and all rows at once are told by the same machine code on the same bars, so
they are equal to the bit.

numba's cache on disk notices an edit in the file of a function alone: a `value` calls compiled functions of its own
file and no others, and takes numbers that may change from `parameters`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numba
import numpy as np
from numba import types
from numpy.typing import NDArray

from core.ports import BarColumns

Floats = NDArray[np.float64]
Index = NDArray[np.int64]

WindowFunction = Callable[[Floats, Floats, Floats, Floats, Floats, Floats], float]

_FLOATS = types.Array(types.float64, 1, "C")
_COUNTS = types.Array(types.int64, 1, "C")
_VALUE = types.float64(_FLOATS, _FLOATS, _FLOATS, _FLOATS, _FLOATS, _FLOATS)
_FILL = types.void(
    types.FunctionType(_VALUE), *[_FLOATS] * 6, _COUNTS, types.int64, types.int64, types.Array(types.float64, 1, "C")
)

_ONE_BY_ONE = 12
"""So many rows are told sooner by calls from Python than by handing the function to the compiled loop."""


_Function = TypeVar("_Function", bound=Callable[..., Any])
_njit: Any = numba.njit


def compiled(function: _Function) -> _Function:
    """Compile a `value`, or what one calls. A division by zero gives inf or NaN, as in numpy, and raises nothing."""
    made: _Function = _njit(cache=True, error_model="numpy")(function)
    return made


@dataclass(frozen=True, slots=True)
class Windowed:
    """`value` is a function made by `compiled`; `parameters` are handed to it as float64. Raises ValueError for any
    other: what raises in one call could not be told from a number in the compiled loop."""

    value: WindowFunction
    parameters: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        options = getattr(self.value, "targetoptions", {})
        if options.get("error_model") != "numpy":
            raise ValueError(f"{self.value} is not made by core.features.window.compiled")

    def values(self, bars: BarColumns, whole_bars: Index, warm_up_bars: int, first: int) -> Floats:
        function: Any = self.value
        columns = (bars.open, bars.high, bars.low, bars.close, bars.volume)
        parameters = np.array(self.parameters, np.float64)
        count = len(bars.close)
        values = np.full(count - first, np.nan)
        if count - first > _ONE_BY_ONE:
            function.compile(_VALUE)
            _fill(function, *columns, parameters, whole_bars, warm_up_bars, first, values)
        else:
            for t in range(first, count):
                if whole_bars[t] >= warm_up_bars:
                    window = (column[t - warm_up_bars + 1 : t + 1] for column in columns)
                    values[t - first] = function(*window, parameters)
        return values


@numba.njit(_FILL, cache=True)
def _fill(
    value: Any,
    opens: Floats,
    highs: Floats,
    lows: Floats,
    closes: Floats,
    volumes: Floats,
    parameters: Floats,
    whole_bars: Index,
    warm_up_bars: int,
    first: int,
    values: Floats,
) -> None:
    for t in range(first, len(closes)):
        if whole_bars[t] >= warm_up_bars:
            start, end = t - warm_up_bars + 1, t + 1
            values[t - first] = value(
                opens[start:end], highs[start:end], lows[start:end], closes[start:end], volumes[start:end], parameters
            )


@compiled
def whole_bars(
    open_time_ms: Index, opens: Floats, highs: Floats, lows: Floats, closes: Floats, volumes: Floats, interval_ms: int
) -> Index:
    """At each bar how many bars up to it are in step and possible; 0 at one that is not possible: a price that is not
    finite and positive or lies outside of low and high, a volume that is not finite or is negative."""
    counts = np.empty(len(closes), np.int64)
    run = 0
    for i in range(len(closes)):
        possible = (
            0.0 < lows[i] <= closes[i] <= highs[i]
            and lows[i] <= opens[i] <= highs[i]
            and math.isfinite(highs[i])
            and volumes[i] >= 0.0
            and math.isfinite(volumes[i])
        )
        in_step = i == 0 or open_time_ms[i] - open_time_ms[i - 1] == interval_ms
        run = 0 if not possible else (run + 1 if in_step else 1)
        counts[i] = run
    return counts
