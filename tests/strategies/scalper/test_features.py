from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pandas_ta_classic as pandas_ta
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from core.features.catalogue import columns
from core.features.column import lookback_bars
from core.features.table import table
from core.ports import BarColumns
from strategies.scalper.features import FEATURE_NAMES, LOOKBACK_BARS
from strategies.scalper.kernel import feature_rows
from tests.strategies.recorded import COLUMNS, cut, made_up, recorded, without

BARS = LOOKBACK_BARS + 120


@pytest.fixture(scope="module")
def window() -> BarColumns:
    return cut(recorded("SOLUSDT"), 2000, 2000 + BARS)


@pytest.fixture(scope="module")
def rows(window: BarColumns) -> pd.DataFrame:
    found = feature_rows(window)
    return pd.DataFrame(found.values, index=found.bar_index, columns=list(FEATURE_NAMES))


@pytest.fixture(scope="module")
def truncated(window: BarColumns) -> pd.DataFrame:
    """Each bar's features from a window that ends with it."""
    ends = range(LOOKBACK_BARS - 1, BARS, 7)
    values = [feature_rows(cut(window, 0, end + 1)).values[-1] for end in ends]
    return pd.DataFrame(values, index=list(ends), columns=list(FEATURE_NAMES))


@pytest.fixture(scope="module")
def alone(window: BarColumns) -> pd.DataFrame:
    """Each bar's features as they are computed live: from the look-back and nothing else."""
    ends = range(LOOKBACK_BARS - 1, BARS)
    values = [feature_rows(cut(window, end + 1 - LOOKBACK_BARS, end + 1)).values for end in ends]
    return pd.DataFrame(np.concatenate(values), index=list(ends), columns=list(FEATURE_NAMES))


def test_every_bar_with_a_full_look_back_has_a_row(rows: pd.DataFrame) -> None:
    assert list(rows.index) == list(range(LOOKBACK_BARS - 1, BARS))
    assert len(FEATURE_NAMES) == 19


@pytest.mark.parametrize("name", FEATURE_NAMES)
def test_cutting_the_future_off_changes_nothing(name: str, rows: pd.DataFrame, truncated: pd.DataFrame) -> None:
    assert truncated[name].nunique() > 1
    assert truncated[name].tolist() == rows[name][truncated.index].tolist()


@pytest.mark.parametrize("name", FEATURE_NAMES)
def test_one_row_equals_its_row_of_the_batch_whatever_the_start(
    name: str, rows: pd.DataFrame, alone: pd.DataFrame
) -> None:
    assert alone[name].tolist() == rows[name].tolist()


def test_another_future_changes_nothing(window: BarColumns, rows: pd.DataFrame) -> None:
    here = LOOKBACK_BARS + 50
    changed = {}
    for name in COLUMNS:
        changed[name] = getattr(window, name).copy()
        changed[name][here + 1 :] *= 3.0
    assert (feature_rows(replace(window, **changed)).values[: here - LOOKBACK_BARS + 2] == rows.loc[:here]).all(
        axis=None
    )


def _series(window: BarColumns) -> pd.DataFrame:
    return pd.DataFrame({name: getattr(window, name) for name in COLUMNS})


def _assert_agrees(rows: pd.DataFrame, name: str, expected: object, rtol: float = 1e-9, atol: float = 1e-8) -> None:
    np.testing.assert_allclose(rows[name], np.asarray(expected)[-len(rows) :], rtol=rtol, atol=atol)


@pytest.mark.parametrize("period", [12, 26, 60])
def test_emas_agree_with_talib_of_a_long_history(period: int) -> None:
    history = recorded("SOLUSDT")
    found = feature_rows(cut(history, 3000, 3000 + BARS)).values[:, FEATURE_NAMES.index(f"price_to_ema_{period}_bps")]
    close = history.close[: 3000 + BARS]
    ours = close[-len(found) :] / (1.0 + found / 1e4)
    np.testing.assert_allclose(ours, talib.EMA(close, period)[-len(found) :], rtol=1e-9)


def test_ema_differences_agree_with_talib(rows: pd.DataFrame) -> None:
    bars = _series(cut(recorded("SOLUSDT"), 0, 2000 + BARS))
    fast, slow = talib.EMA(bars.close.to_numpy(), 12), talib.EMA(bars.close.to_numpy(), 26)
    _assert_agrees(rows, "ema_diff_bps", 1e4 * (fast / slow - 1), atol=1e-6)
    _assert_agrees(rows, "ema_diff_range", (fast - slow) / talib.SMA((bars.high - bars.low).to_numpy(), 15), atol=1e-6)


def test_rsi_agrees_with_talib_means_of_rises_and_falls(window: BarColumns, rows: pd.DataFrame) -> None:
    moves = np.diff(window.close, prepend=window.close[0])
    rises, falls = talib.SMA(np.maximum(moves, 0), 14), talib.SMA(np.maximum(-moves, 0), 14)
    _assert_agrees(rows, "rsi_14", 100 - 100 / (1 + rises / falls))


def test_vwap_agrees_with_pandas_ta_and_talib(window: BarColumns, rows: pd.DataFrame) -> None:
    bars = _series(window)
    typical = pandas_ta.hlc3(bars.high, bars.low, bars.close)
    vwap = pandas_ta.vwma(typical, bars.volume, length=60)
    _assert_agrees(rows, "price_to_vwap_60_bps", 1e4 * (bars.close / vwap - 1))
    _assert_agrees(rows, "vwap_60_slope_bps", 1e4 * (vwap / vwap.shift(15) - 1))
    sums = talib.SUM((typical * bars.volume).to_numpy(), 60) / talib.SUM(bars.volume.to_numpy(), 60)
    _assert_agrees(rows, "price_to_vwap_60_bps", 1e4 * (bars.close / sums - 1), atol=1e-6)


def test_returns_agree_with_talib(window: BarColumns, rows: pd.DataFrame) -> None:
    one = 100 * talib.ROC(window.close, 1)
    _assert_agrees(rows, "ret_1m_bps", one)
    _assert_agrees(rows, "ret_5m_bps", 100 * talib.ROC(window.close, 5))
    _assert_agrees(rows, "ret_15m_bps", 100 * talib.ROC(window.close, 15))
    _assert_agrees(rows, "acceleration_bps", talib.MOM(one, 1))


@pytest.mark.parametrize("period", [15, 60])
def test_volatility_agrees_with_talib_and_pandas(period: int, window: BarColumns, rows: pd.DataFrame) -> None:
    returns = 100 * talib.ROC(window.close, 1)
    _assert_agrees(rows, f"volatility_{period}m_bps", pd.Series(returns).rolling(period).std())
    population = talib.STDDEV(np.nan_to_num(returns), period)
    _assert_agrees(rows, f"volatility_{period}m_bps", population * np.sqrt(period / (period - 1)), atol=1e-6)


def test_ranges_and_volume_agree_with_talib(window: BarColumns, rows: pd.DataFrame) -> None:
    spread = 1e4 * (window.high - window.low) / window.close
    ratio = window.volume / talib.SMA(window.volume, 15)
    _assert_agrees(rows, "range_bps", spread)
    _assert_agrees(rows, "range_ma_15_bps", talib.SMA(spread, 15))
    _assert_agrees(rows, "volume_ratio_15", ratio)
    _assert_agrees(rows, "price_to_sma_15_bps", 1e4 * (window.close / talib.SMA(window.close, 15) - 1))
    _assert_agrees(rows, "volume_price_div", (ratio - 1) * 100 * talib.ROC(window.close, 5), atol=1e-6)


def test_a_market_that_stands_still_has_the_documented_values() -> None:
    still = made_up(np.full(LOOKBACK_BARS, 100.0), np.zeros(LOOKBACK_BARS))
    values = dict(zip(FEATURE_NAMES, feature_rows(still).values[0].tolist(), strict=True))
    assert values.pop("rsi_14") == 50.0
    assert values.pop("volume_ratio_15") == 1.0
    assert set(values.values()) == {0.0}


def test_vwap_without_volume_is_the_plain_mean() -> None:
    close = np.linspace(100.0, 110.0, LOOKBACK_BARS)
    row = feature_rows(made_up(close, np.zeros(LOOKBACK_BARS))).values[0]
    expected = 1e4 * (close[-1] / close[-60:].mean() - 1)
    assert row[FEATURE_NAMES.index("price_to_vwap_60_bps")] == pytest.approx(expected)


@given(
    seed=st.integers(0, 2**32 - 1),
    price=st.floats(1e-6, 1e6),
    move=st.sampled_from([0.0, 1e-9, 1e-3, 0.05]),
    traded=st.floats(0.0, 1.0),
)
@settings(max_examples=50, deadline=None)
def test_possible_bars_never_give_a_value_that_is_not_finite(
    seed: int, price: float, move: float, traded: float
) -> None:
    chance = np.random.default_rng(seed)
    close = price * np.exp(np.cumsum(move * chance.standard_normal(LOOKBACK_BARS)))
    volume = chance.exponential(size=LOOKBACK_BARS) * (chance.random(LOOKBACK_BARS) < traded)
    found = feature_rows(made_up(close, volume, spread=move))
    assert found.values.shape == (1, 19)
    assert np.isfinite(found.values).all()


def test_a_missing_bar_takes_the_rows_of_its_look_back_away(window: BarColumns) -> None:
    assert feature_rows(without(window, BARS - 5)).bar_index.tolist() == list(range(LOOKBACK_BARS - 1, BARS - 5))
    assert feature_rows(without(window, 3)).bar_index.tolist() == list(range(LOOKBACK_BARS + 2, BARS - 1))


@pytest.mark.parametrize(
    ("column", "value"),
    [("close", np.nan), ("close", 0.0), ("high", np.inf), ("low", -1.0), ("volume", np.nan), ("volume", -1.0)],
)
def test_an_impossible_bar_takes_the_rows_of_its_look_back_away(column: str, value: float, window: BarColumns) -> None:
    spoilt = getattr(window, column).copy()
    spoilt[3] = value
    assert feature_rows(replace(window, **{column: spoilt})).bar_index[0] == LOOKBACK_BARS + 3


def test_too_few_bars_have_no_row(window: BarColumns) -> None:
    assert len(feature_rows(cut(window, 0, LOOKBACK_BARS - 1)).bar_index) == 0
    assert len(feature_rows(cut(window, 0, 0)).bar_index) == 0


def test_the_fused_kernel_gives_the_columns_of_the_catalogue_to_the_bit() -> None:
    """On recorded bars and on ones without volume or moves, where formulas end in their documented values."""
    close = 100.0 + np.floor(np.arange(LOOKBACK_BARS + 200) / 90.0)
    thin = made_up(close, np.where(np.arange(len(close)) % 150 < 80, 0.0, 3.0))
    for bars in (cut(recorded("BTCUSDT"), 0, 2 * LOOKBACK_BARS), cut(recorded("XRPUSDT"), 900, 2100), thin):
        kernel, taken = feature_rows(bars), table(columns(FEATURE_NAMES), bars)
        assert np.flatnonzero(~np.isnan(taken).any(axis=1)).tolist() == kernel.bar_index.tolist()
        np.testing.assert_array_equal(taken[kernel.bar_index], kernel.values)


def test_the_look_back_is_that_of_its_columns() -> None:
    assert lookback_bars(columns(FEATURE_NAMES)) == LOOKBACK_BARS
