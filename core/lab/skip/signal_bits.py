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
Words = NDArray[np.uint64]
"""Signals eight at a time: where such a word is 0, none of them has a bit."""

_WORD = 8

_COMPILE_FROM = 400_000
"""How many decisions a function makes in Python before it is compiled: that takes as long as about so many."""


def encode_signals(
    values: Floats, opens: Floats, strategy: Strategy, cost_bps: float, reversal_at_least: float
) -> Signals:
    """Signal bits (k, n) of `values` (k, n, outputs), NaN for none; none where the bar is missing (`opens` is NaN).

    `reversal_at_least` is the smallest parameter of the strategy's reversal rules, inf where it has none.
    """
    slots = values.shape[0] * values.shape[1]
    words = np.zeros(-(-slots // _WORD), np.uint64)
    signal = words.view(np.uint8)[:slots]
    flat, flat_opens = values.reshape(-1, values.shape[2]), opens.reshape(-1)
    if values.shape[2] == 1:
        made = _mark_values(values.reshape(-1), flat_opens, signal)
    else:
        made = _mark_rows(flat, flat_opens, signal)
    if reversal_at_least < np.inf:
        _mark_against(flat, reversal_at_least, signal, words)
    parameters = np.array(strategy.parameters, np.float64)
    _decider(strategy.decide).mark(flat, cost_bps, parameters, signal, words, made)
    return signal.reshape(values.shape[:2])


@entry_point
def _mark_values(values: Floats, opens: Floats, signal: Signals) -> int:
    """Of one output, so that the compiler takes many slots at once; how many forecasts there are."""
    made = 0
    for j in range(signal.shape[0]):
        is_told = (values[j] == values[j]) & (opens[j] == opens[j])
        signal[j] = PREDICTED * is_told
        made += is_told
    return made


@entry_point
def _mark_rows(values: Floats, opens: Floats, signal: Signals) -> int:
    made = 0
    for j in range(signal.shape[0]):
        is_told = False
        for m in range(values.shape[1]):
            is_told |= values[j, m] == values[j, m]
        is_told &= opens[j] == opens[j]
        signal[j] = PREDICTED * is_told
        made += is_told
    return made


def _make_marker(sources: int) -> Any:
    """`sources` makes numba's disk cache notice an edit of the exit rules; see `sweep_kernel.make_kernel`."""

    @entry_point
    def mark(values: Floats, reversal_at_least: float, signal: Signals, words: Words) -> int:
        for word in range(words.shape[0]):
            if words[word]:
                for j in range(word * _WORD, min(word * _WORD + _WORD, signal.shape[0])):
                    if signal[j] and reversal(1, 0.0, 0.0, values[j], 0, reversal_at_least):
                        signal[j] |= AGAINST_LONG
                    if signal[j] and reversal(-1, 0.0, 0.0, values[j], 0, reversal_at_least):
                        signal[j] |= AGAINST_SHORT
        return sources

    return mark


_mark_against = _make_marker(fingerprint((exits,)))


class _Decider:
    """One decide function, in Python until it has decided so often that compiling it pays; for good where numba cannot
    compile it."""

    def __init__(self, decide: DecideFunction) -> None:
        self._decide = decide
        self._made = 0
        self._loop: Any = None
        self._compiles = isinstance(decide, FunctionType)

    def mark(
        self, values: Floats, cost_bps: float, parameters: Floats, signal: Signals, words: Words, made: int
    ) -> None:
        """Set the bits of the directions where a forecast was `made`."""
        self._made += made
        if self._compiles and self._made >= _COMPILE_FROM:
            if self._loop is None:
                self._loop = _compiled_loop(self._decide)
            try:
                self._loop(values, cost_bps, parameters, signal, words)
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
    def loop(values: Floats, cost_bps: float, parameters: Floats, signal: Signals, words: Words) -> None:
        for word in range(words.shape[0]):
            if words[word]:
                for j in range(word * _WORD, min(word * _WORD + _WORD, signal.shape[0])):
                    if signal[j]:
                        direction, _ = decision_of(values[j], cost_bps, parameters)
                        signal[j] |= LONG * (direction > 0) | SHORT * (direction < 0)

    return loop
