"""Signal bits: what a decide function says in Python and, asked often, compiled."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from numpy.typing import NDArray

from core.lab.skip import signal_bits as signals
from core.lab.skip.uneventful_bars import AGAINST_LONG, AGAINST_SHORT, LONG, PREDICTED, SHORT
from tests.declared import SURE, declared, table


def undecidable(values: NDArray[np.float64], cost_bps: float, parameters: NDArray[np.float64]) -> tuple[int, float]:
    return int(Decimal(float(values[0])) > Decimal(float(parameters[0]))), 0.5


STRATEGY = declared("plain", needed_bps=8.0)
VALUES = table(np.array([[np.nan, 9.0, -9.0, 3.0, -5.0, 9.0]]))
OPENS = np.array([[1.0, 1.0, 1.0, 1.0, 1.0, np.nan]])
EXPECTED = [
    0,
    PREDICTED | LONG | AGAINST_SHORT,
    PREDICTED | SHORT | AGAINST_LONG,
    PREDICTED,
    PREDICTED | AGAINST_LONG,
    0,
]


def test_bits_of_each_value() -> None:
    assert signals.encode_signals(VALUES, OPENS, STRATEGY, 11.0, 4.5).tolist() == [EXPECTED]


def test_without_a_reversal_rule_nothing_is_against_a_position() -> None:
    bits = signals.encode_signals(VALUES, OPENS, STRATEGY, 11.0, np.inf)
    assert not (bits & (AGAINST_LONG | AGAINST_SHORT)).any()


def test_compiled_or_not_the_bits_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    values = table(np.where(rng.random((2, 501)) < 0.5, rng.normal(0.0, 10.0, (2, 501)), np.nan))
    opens = np.ones((2, 501))
    slow = signals.encode_signals(values, opens, STRATEGY, 11.0, 4.5)
    monkeypatch.setattr(signals, "_COMPILE_FROM", 0)
    np.testing.assert_array_equal(signals.encode_signals(values, opens, STRATEGY, 11.0, 4.5), slow)
    assert signals._decider(STRATEGY.decide)._loop is not None


def test_a_function_that_numba_refuses_is_asked_in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "_COMPILE_FROM", 0)
    bits = signals.encode_signals(VALUES, OPENS, replace(STRATEGY, decide=undecidable), 11.0, np.inf)
    assert (bits & LONG).tolist() == [[0, LONG, 0, 0, 0, 0]]


def test_a_part_of_the_outputs_is_a_forecast_and_none_of_them_is_not() -> None:
    values = np.array([[[np.nan, 0.6], [np.nan, np.nan], [9.0, np.nan]]])
    bits = signals.encode_signals(values, np.ones((1, 3)), declared("plain", needed_bps=8.0, outputs=SURE), 11.0, 4.5)
    assert bits.tolist() == [[PREDICTED, 0, PREDICTED | LONG | AGAINST_SHORT]]
