from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import talib

from core.features.catalogue import catalogue, columns
from core.features.column import Column, lookback_bars
from core.features.table import table
from core.features.window import Windowed, compiled
from core.ports import BarColumns
from tests.strategies.recorded import cut, recorded

HISTORY = cut(recorded("SOLUSDT"), 2000, 2900)
EVERY = tuple(catalogue().values())


@compiled
def _one_over(opens, highs, lows, closes, volumes, parameters):  # type: ignore[no-untyped-def]
    return parameters[0] / (volumes[-1] - parameters[1])


def of(name: str, bars: BarColumns = HISTORY) -> np.ndarray:
    return table(columns([name]), bars)[:, 0]


@pytest.mark.parametrize("first", [0, 599, 880, 899, 900])
def test_rows_from_the_middle_are_the_rows_of_the_whole(first: int) -> None:
    np.testing.assert_array_equal(table(EVERY, HISTORY, first), table(EVERY, HISTORY)[first:])


def test_recorded_bars_live_and_at_once_are_equal_to_the_bit() -> None:
    whole, need = table(EVERY, HISTORY), lookback_bars(EVERY)
    for last in range(need - 1, len(whole), 37):
        alone = table(EVERY, cut(HISTORY, last + 1 - need, last + 1), need - 1)
        np.testing.assert_array_equal(alone[0], whole[last])
        assert np.isfinite(alone).all()


def test_what_is_not_finite_is_missing_in_one_row_and_in_many() -> None:
    column = Column("one_over", "", "", 1, "ratio", False, Windowed(_one_over, (1.0, float(HISTORY.volume[-1]))))
    for first in (0, len(HISTORY.close) - 1):
        told = table([column], HISTORY, first)[:, 0]
        assert np.isnan(told[-1])
        assert np.count_nonzero(np.isnan(told)) == np.count_nonzero(HISTORY.volume[first:] == HISTORY.volume[-1])


def test_no_bars_and_no_columns_have_no_values() -> None:
    assert table(EVERY, cut(HISTORY, 0, 0)).shape == (0, len(EVERY))
    assert table((), HISTORY).shape == (900, 0)


def test_an_opening_price_outside_of_its_bar_is_impossible() -> None:
    opened = HISTORY.open.copy()
    opened[700] = 2.0 * HISTORY.high[700]
    assert np.isnan(of("close_usdt", replace(HISTORY, open=opened))).nonzero()[0].tolist() == [700]


def test_columns_that_cannot_be_written_to_are_read() -> None:
    frozen = {name: getattr(HISTORY, name).astype(np.float64) for name in ("open", "high", "low", "close", "volume")}
    for values in frozen.values():
        values.setflags(write=False)
    np.testing.assert_array_equal(table(EVERY, replace(HISTORY, **frozen)), table(EVERY, HISTORY))


def test_williams_r_and_true_range_agree_with_talib() -> None:
    bars = HISTORY
    expected = {
        "williams_r_14": talib.WILLR(bars.high, bars.low, bars.close, 14),
        "true_range_bps": 1e4 * talib.TRANGE(bars.high, bars.low, bars.close) / bars.close,
    }
    for name, theirs in expected.items():
        np.testing.assert_allclose(of(name)[20:], theirs[20:], rtol=1e-9, atol=1e-9)
        np.testing.assert_array_equal(np.isnan(of(name)), np.isnan(theirs))


@pytest.mark.parametrize(("name", "value"), [("williams_r_14", np.nan), ("rsi_14", 50.0)])
def test_a_market_that_stands_still_has_the_value_that_the_formula_says(name: str, value: float) -> None:
    still = np.full(20, 100.0)
    times = np.arange(20, dtype=np.int64) * 60_000
    told = of(name, BarColumns("STILL", 60_000, times, still, still, still, still, np.zeros(20)))
    np.testing.assert_array_equal(told[15:], np.full(5, value))
