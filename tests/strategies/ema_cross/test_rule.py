from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pandas_ta_classic as pandas_ta
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from strategies.ema_cross.declaration import STATE_SIZE
from strategies.ema_cross.rule import scan
from tests.strategies.recorded import recorded

Floats = NDArray[np.float64]

CLOSES = recorded("SOLUSDT").close[:4000].copy()


def scanned(closes: Floats, parameters: tuple[int, ...] = (12, 26, 30), state: Floats | None = None) -> Floats:
    kept = np.zeros(STATE_SIZE) if state is None else state
    volumes = np.ones(len(closes))
    return scan(kept, closes, closes, closes, closes, volumes, np.array(parameters, np.float64))


def plain(closes: list[float], fast_bars: int, slow_bars: int, first_signal_bar: int) -> list[float]:
    """The same rule, written from its definition."""
    averages = []
    for bars in (fast_bars, slow_bars):
        average = [closes[0]]
        for close in closes[1:]:
            average.append(average[-1] + 2.0 / (bars + 1.0) * (close - average[-1]))
        averages.append(average)
    values = []
    sides: list[int] = []
    for i, (fast, slow) in enumerate(zip(*averages, strict=True)):
        side = (fast > slow) - (fast < slow)
        crossed = side != 0 and sides and sides[-1] == -side
        values.append(1e4 * (fast / slow - 1.0) if crossed and i >= first_signal_bar else math.nan)
        sides = [side] if side else sides
    return values


PRICES = st.lists(st.integers(90, 110).map(float), min_size=1, max_size=80)
PERIODS = st.tuples(st.integers(1, 5), st.integers(6, 9), st.integers(0, 12))


@given(PRICES, PERIODS)
@settings(deadline=None)
def test_it_is_the_rule_as_defined(closes: list[float], parameters: tuple[int, int, int]) -> None:
    found = scanned(np.array(closes), parameters)
    np.testing.assert_array_equal(found, plain(closes, *parameters))


@given(PRICES, PERIODS, st.data())
@settings(deadline=None)
def test_bars_may_come_in_any_chunks(
    closes: list[float], parameters: tuple[int, int, int], data: st.DataObject
) -> None:
    whole = np.array(closes)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(closes)))))
    state = np.zeros(STATE_SIZE)
    chunks = [scanned(chunk, parameters, state) for chunk in np.split(whole, cuts)]
    np.testing.assert_array_equal(np.concatenate(chunks), scanned(whole, parameters))


def test_recorded_bars_one_by_one_are_the_same_to_the_bit() -> None:
    state = np.zeros(STATE_SIZE)
    one_by_one = np.concatenate([scanned(CLOSES[i : i + 1], state=state) for i in range(len(CLOSES))])
    at_once = scanned(CLOSES)
    assert np.isfinite(at_once).sum() > 100
    assert one_by_one.tobytes() == at_once.tobytes()


@given(PRICES, st.data())
@settings(deadline=None)
def test_cutting_the_future_off_changes_nothing(closes: list[float], data: st.DataObject) -> None:
    end = data.draw(st.integers(1, len(closes)))
    whole = scanned(np.array(closes), (2, 4, 0))
    np.testing.assert_array_equal(scanned(np.array(closes[:end]), (2, 4, 0)), whole[:end])


def test_equal_averages_stay_on_their_side() -> None:
    """With a fast average of one bar, the close itself: it falls to the slow average exactly, and comes back or not."""
    touching = scanned(np.array([8.0, 12.0, 10.0, 12.0]), (1, 3, 0))
    through = scanned(np.array([8.0, 12.0, 10.0, 8.0]), (1, 3, 0))
    assert np.isnan(touching).all()
    np.testing.assert_allclose(through, [np.nan, np.nan, np.nan, 1e4 * (8.0 / 9.0 - 1.0)])


def test_a_market_that_stands_still_never_signals() -> None:
    assert np.isnan(scanned(np.full(500, 0.1 + 0.2))).all()


def test_the_first_way_that_the_averages_part_is_no_cross() -> None:
    assert np.isnan(scanned(np.linspace(1.0, 2.0, 50), (2, 4, 0))).all()


@pytest.mark.parametrize("bars", [12, 26])
def test_the_average_is_that_of_the_libraries(bars: int) -> None:
    """Both start at the mean of the first bars: of as many copies of the first close, that is the first close."""
    padded = np.concatenate([np.full(bars, CLOSES[0]), CLOSES])
    state = np.zeros(STATE_SIZE)
    ours = []
    for i in range(300):
        scanned(CLOSES[i : i + 1], (bars, 2 * bars, 0), state)
        ours.append(state[1])
    np.testing.assert_allclose(ours, talib.EMA(padded, bars)[bars:][:300], rtol=1e-13)
    theirs = pandas_ta.ema(pd.Series(padded), length=bars, talib=False).to_numpy()
    np.testing.assert_allclose(ours, theirs[bars:][:300], rtol=1e-13)
