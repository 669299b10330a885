"""Indicators by name: what is found out about them, what is refused, and that they are held as all columns are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pandas_ta_classic
import pytest
import talib

from core.domain.errors import BadInputError
from core.features.catalogue import columns
from core.features.checks import CHECKS, Check
from core.features.column import lookback_bars
from core.features.pandas_ta import Anchored, Indicator, pandas_ta, run_of
from core.features.settling import MOST_BARS
from core.features.table import table
from tests.strategies.recorded import cut, recorded

HISTORY = cut(recorded("ETHUSDT"), 3000, 5000)

HELD = (
    pandas_ta("rsi", length=7),
    pandas_ta("ema", length=10),
    pandas_ta("macd", outputs=("MACDh",), fast=5, slow=10, signal=4),
    pandas_ta("atr", length=5),
    pandas_ta("bbands", outputs=("BBP",), length=20),
    pandas_ta("ichimoku", outputs=("IKS",)),
    pandas_ta("cmf"),
    pandas_ta("supertrend", outputs=("SUPERTd",), length=5, multiplier=1.0),
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("indicator", HELD, ids=str)
def test_what_must_hold_of_every_column_holds(indicator: Indicator, check: Check) -> None:
    (column,) = columns([indicator])
    assert check(column) == ""


def test_every_output_is_a_column_with_its_name_warm_up_and_scale() -> None:
    found = columns([pandas_ta("macd", fast=5, slow=10, signal=4), "rsi_14", pandas_ta("rsi", length=7)])
    assert [column.name for column in found] == [
        "macd(fast=5 signal=4 slow=10).MACD_5_10_4",
        "macd(fast=5 signal=4 slow=10).MACDh_5_10_4",
        "macd(fast=5 signal=4 slow=10).MACDs_5_10_4",
        "rsi_14",
        "rsi(length=7)",
    ]
    assert [column.is_scale_free for column in found] == [False, False, False, True, True]
    assert all(column.source.startswith("pandas-ta-classic 0") for column in found if column.name != "rsi_14")
    assert lookback_bars(found) == max(column.warm_up_bars for column in found) > 100


def test_a_warm_up_is_the_least_after_which_the_past_no_longer_weighs() -> None:
    """A plain mean needs its bars and not one more; an exponential one what (1 - 2/11)**n takes to fall below 1e-9."""
    (plain, exponential) = columns([pandas_ta("sma", length=10), pandas_ta("ema", length=10)])
    assert isinstance(plain.told, Anchored)
    assert (plain.told.settled_bars, plain.warm_up_bars) == (10, 19)
    assert isinstance(exponential.told, Anchored)
    weight = (1.0 - 2.0 / 11.0) ** exponential.told.settled_bars
    assert 1e-9 / 100 < weight < 1e-9 * 100


@pytest.mark.parametrize(
    ("indicator", "said"),
    [
        (pandas_ta("dpo"), "dpo(): looks ahead: its values change when later bars are cut off; it is refused"),
        (pandas_ta("tos_stdevall"), "tos_stdevall().TOS_STDEVALL_LR: looks ahead: its values change when later bars"),
        (pandas_ta("ichimoku"), "ichimoku().ICS_26: looks ahead: its values change when later bars are cut off"),
        (pandas_ta("rsi", offset=-2), "rsi(offset=-2): looks ahead: its values change when later bars are cut off"),
        (
            pandas_ta("obv"),
            f"obv(): does not settle: its last value still hangs on bars {MOST_BARS} back; it is refused",
        ),
        (pandas_ta("drawdown"), f"drawdown().DD: does not settle: its last value still hangs on bars {MOST_BARS} back"),
        (pandas_ta("vwap"), "vwap(): does not settle: its last value still hangs on bars"),
        (pandas_ta("beta"), "beta(): gives nothing of 2560 bars, so is no column"),
        (pandas_ta("vp"), "vp(): gives 10 values for 2560 bars, so is no column"),
        (pandas_ta("mavp"), "mavp(): needs periods beside the columns of bars, so is no column"),
        (pandas_ta("supertrnd"), "supertrnd: is no indicator of pandas_ta_classic; did you mean supertrend?"),
        (pandas_ta("Imports"), "Imports: is no indicator of pandas_ta_classic; "),
        (pandas_ta("rsi", lenght=3), "rsi(lenght=3): knows no lenght; it knows length, scalar, drift, offset"),
        (pandas_ta("sma", length="x"), "sma(length=x): pandas_ta_classic fails: TypeError: "),
        (pandas_ta("macd", outputs=("X",)), "macd(): has no one output X; it has MACD_12_26_9, MACDh_12_26_9, MACDs_"),
        (pandas_ta("rsi", length=5000), "rsi(length=5000): "),
    ],
    ids=str,
)
def test_what_cannot_be_a_column_is_refused_in_a_line(indicator: Indicator, said: str) -> None:
    with pytest.raises(BadInputError) as error:
        columns([indicator])
    assert str(error.value).startswith(said)
    assert "\n" not in str(error.value)


def test_recorded_bars_live_and_at_once_are_equal_to_the_bit() -> None:
    taken = columns(HELD)
    whole, need = table(taken, HISTORY), lookback_bars(taken)
    for last in range(need - 1, len(whole), 211):
        alone = table(taken, cut(HISTORY, last + 1 - need, last + 1), need - 1)
        np.testing.assert_array_equal(alone[0], whole[last])
        assert np.isfinite(alone).all()


def test_they_agree_with_the_library_over_a_long_history_and_with_talib() -> None:
    close = pd.Series(HISTORY.close)
    rsi, ema, histogram = table(columns(HELD[:3]), HISTORY).T
    late = slice(1000, None)
    np.testing.assert_allclose(rsi[late], pandas_ta_classic.rsi(close, length=7, talib=False)[late], rtol=1e-7)
    np.testing.assert_allclose(rsi[late], talib.RSI(HISTORY.close, 7)[late], rtol=1e-7)
    np.testing.assert_allclose(ema[late], talib.EMA(HISTORY.close, 10)[late], rtol=1e-9)
    theirs = talib.MACD(HISTORY.close, 5, 10, 4)[2][late]
    np.testing.assert_allclose(histogram[late], theirs, atol=1e-6 * np.abs(theirs).max())


@pytest.mark.parametrize(
    "indicator", [pandas_ta("supertrend", length=10), pandas_ta("psar", outputs=("PSARr",))], ids=str
)
def test_a_stop_that_trails_is_that_of_a_long_history(indicator: Indicator) -> None:
    """A few windows settle long before all of them do: its past is forgotten at a turn, and turns may be far apart."""
    taken = columns([indicator])
    found, long = table(taken, HISTORY), run_of(indicator, HISTORY)
    for column, values in zip(taken, found.T, strict=True):
        assert isinstance(column.told, Anchored)
        theirs = long[column.told.output]
        late = slice(max(column.warm_up_bars, 1000), None)
        np.testing.assert_allclose(values[late], theirs[late], rtol=1e-6)


def test_the_library_answers_the_same_where_talib_is_not_installed() -> None:
    columns([pandas_ta("rsi", length=7)])
    assert not pandas_ta_classic.Imports["talib"]


def test_between_two_holes_there_are_values_where_the_warm_up_fits() -> None:
    (column,) = columns([pandas_ta("ema", length=10)])
    need = column.warm_up_bars
    closes = HISTORY.close.copy()
    closes[[100, 100 + need, 101 + 2 * need]] = np.nan
    told = table([column], replace(HISTORY, close=closes))[:, 0]
    assert np.flatnonzero(~np.isnan(told[101 : 101 + 2 * need])).tolist() == [2 * need - 1]
