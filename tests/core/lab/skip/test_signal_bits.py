"""Signal bits: what a decide function says in Python and, asked often, compiled."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from core.lab.skip import signal_bits as signals
from core.lab.skip.uneventful_bars import AGAINST_LONG, AGAINST_SHORT, LONG, PREDICTED, SHORT


def decide(value_bps: float, threshold_bps: float) -> int:
    if value_bps > threshold_bps:
        return 1
    return -1 if value_bps < -threshold_bps else 0


def undecidable(value_bps: float, threshold_bps: float) -> int:
    return int(Decimal(value_bps) > Decimal(threshold_bps))


VALUES = np.array([[np.nan, 9.0, -9.0, 3.0, -5.0, 9.0]])
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
    assert signals.encode_signals(VALUES, OPENS, decide, 8.0, 4.5).tolist() == [EXPECTED]


def test_without_a_reversal_rule_nothing_is_against_a_position() -> None:
    bits = signals.encode_signals(VALUES, OPENS, decide, 8.0, np.inf)
    assert not (bits & (AGAINST_LONG | AGAINST_SHORT)).any()


def test_compiled_or_not_the_bits_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    values = np.where(rng.random((2, 500)) < 0.5, rng.normal(0.0, 10.0, (2, 500)), np.nan)
    opens = np.ones((2, 500))
    slow = signals.encode_signals(values, opens, decide, 8.0, 4.5)
    monkeypatch.setattr(signals, "_COMPILE_FROM", 0)
    np.testing.assert_array_equal(signals.encode_signals(values, opens, decide, 8.0, 4.5), slow)
    assert signals._decider(decide)._loop is not None


def test_a_function_that_numba_refuses_is_asked_in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "_COMPILE_FROM", 0)
    bits = signals.encode_signals(VALUES, OPENS, undecidable, 8.0, np.inf)
    assert (bits & LONG).tolist() == [[0, LONG, 0, 0, 0, 0]]
