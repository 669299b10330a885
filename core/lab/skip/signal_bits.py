"""Forecasts as the signal bits of `core.lab.skip.uneventful_bars`: what is decided on, whole columns at once."""

from __future__ import annotations

import functools
from types import FunctionType
from typing import Any

import numba
import numpy as np
from numba.core.errors import NumbaError
from numpy.typing import NDArray

from core.arithmetic import exits
from core.lab.skip.uneventful_bars import AGAINST_LONG, AGAINST_SHORT, LONG, PREDICTED, SHORT
from core.lab.sweep.forms import entry_point, fingerprint, reversal
from core.strategy.declaration import DecideFunction, Strategy

Floats = NDArray[np.float64]
Signals = NDArray[np.uint8]

_COMPILE_FROM = 400_000
"""How many decisions a function makes in Python before it is compiled: that takes as long as about so many."""


def encode_signals(
    values: Floats, opens: Floats, strategy: Strategy, cost_bps: float, reversal_at_least: float
) -> Signals:
    """Signal bits (k, n) of `values` (k, n, outputs), NaN for none; none where the bar is missing (`opens` is NaN).

    `reversal_at_least` is the smallest parameter of the strategy's reversal rules, inf where it has none.
    """
    signal = np.zeros(values.shape[:2], np.uint8)
    flat = values.reshape(-1, values.shape[2])
    made, _ = _mark_forecasts(flat, opens.reshape(-1), reversal_at_least, signal.reshape(-1))
    parameters = np.array(strategy.parameters, np.float64)
    _decider(strategy.decide).mark(flat, cost_bps, parameters, signal.reshape(-1), made)
    return signal


def _make_marker(sources: int) -> Any:
    """`sources` makes numba's disk cache notice an edit of the exit rules; see `sweep_kernel.make_kernel`."""

    @entry_point
    def mark(values: Floats, opens: Floats, reversal_at_least: float, signal: Signals) -> tuple[int, int]:
        made = 0
        for j in range(values.shape[0]):
            said = False
            for m in range(values.shape[1]):
                said |= values[j, m] == values[j, m]
            if said and opens[j] == opens[j]:
                made += 1
                bits = PREDICTED
                if reversal(1, 0.0, 0.0, values[j], 0, reversal_at_least):
                    bits |= AGAINST_LONG
                if reversal(-1, 0.0, 0.0, values[j], 0, reversal_at_least):
                    bits |= AGAINST_SHORT
                signal[j] = bits
        return made, sources

    return mark


_mark_forecasts = _make_marker(fingerprint((exits,)))


class _Decider:
    """One decide function, in Python until it has decided so often that compiling it pays; for good where numba cannot
    compile it."""

    def __init__(self, decide: DecideFunction) -> None:
        self._decide = decide
        self._made = 0
        self._loop: Any = None
        self._compiles = isinstance(decide, FunctionType)

    def mark(self, values: Floats, cost_bps: float, parameters: Floats, signal: Signals, made: int) -> None:
        """Set the bits of the directions where a forecast was `made`."""
        self._made += made
        if self._compiles and self._made >= _COMPILE_FROM:
            if self._loop is None:
                self._loop = _compiled_loop(self._decide)
            try:
                self._loop(values, cost_bps, parameters, signal)
            except NumbaError:
                self._compiles = False
            else:
                return
        decide = self._decide
        for j in np.flatnonzero(signal).tolist():
            direction, _ = decide(values[j], cost_bps, parameters)
            if direction:
                signal[j] |= LONG if direction > 0 else SHORT


@functools.lru_cache(maxsize=256)
def _decider(decide: DecideFunction) -> _Decider:
    return _Decider(decide)


def _compiled_loop(decide: DecideFunction) -> Any:
    decision_of = numba.njit(error_model="numpy")(decide)

    @numba.njit(nogil=True, error_model="numpy")
    def loop(values: Floats, cost_bps: float, parameters: Floats, signal: Signals) -> None:
        for j in range(values.shape[0]):
            if signal[j]:
                direction, _ = decision_of(values[j], cost_bps, parameters)
                if direction > 0:
                    signal[j] |= LONG
                elif direction < 0:
                    signal[j] |= SHORT

    return loop
