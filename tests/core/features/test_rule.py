from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from core.domain.errors import BadInputError
from core.features.averages import price_to_ema_bps
from core.features.catalogue import columns
from core.features.column import Column
from core.features.pandas_ta import pandas_ta
from core.features.rule import fold
from core.features.table import table
from core.ports import BarColumns
from tests.strategies.recorded import COLUMNS, cut, recorded

HISTORY = cut(recorded("SOLUSDT"), 0, 900)
PARAMETERS = np.array([60.0])


def overbought(values: np.ndarray, parameters: np.ndarray) -> float:
    return float(values[0] - parameters[0]) if values[1] > 1.0 else np.nan


RULE = fold(("rsi_14", "volume_ratio_15"), overbought)


def said(bars: BarColumns, state: np.ndarray) -> np.ndarray:
    return RULE.scan(state, *(getattr(bars, name) for name in COLUMNS), PARAMETERS)


def test_it_says_what_its_columns_say() -> None:
    rows = table(columns(["rsi_14", "volume_ratio_15"]), HISTORY)
    expected = np.where(rows[:, 1] > 1.0, rows[:, 0] - 60.0, np.nan)
    found = said(HISTORY, np.zeros(RULE.state_size))
    np.testing.assert_array_equal(found, expected)
    assert np.isnan(found[: RULE.lookback_bars - 1]).all()
    assert 100 < np.count_nonzero(~np.isnan(found)) < 800


@pytest.mark.parametrize("cuts", [range(1, 900), [1, 2, 14, 15, 16, 17, 40, 500], [0, 0, 899]])
def test_bars_in_pieces_say_the_same_as_bars_at_once(cuts: list[int]) -> None:
    state, whole = np.zeros(RULE.state_size), said(HISTORY, np.zeros(RULE.state_size))
    edges = [0, *cuts, 900]
    pieces = [said(cut(HISTORY, a, b), state) for a, b in pairwise(edges)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


def test_columns_of_one_bar_need_no_memory() -> None:
    rule = fold(("range_bps",), lambda values, _: float(values[0]))
    assert (rule.lookback_bars, rule.state_size) == (1, 1)
    found = rule.scan(np.zeros(1), *(getattr(HISTORY, name) for name in COLUMNS), PARAMETERS)
    np.testing.assert_array_equal(found, table(columns(["range_bps"]), HISTORY)[:, 0])


def test_an_indicator_is_left_to_models() -> None:
    said = "rsi(length=7): a rule answers on the engine's loop, which waits for no indicator; take it in a model"
    (measured,) = columns([pandas_ta("rsi", length=7)])
    for one in (pandas_ta("rsi", length=7), measured):
        with pytest.raises(BadInputError) as error:
            fold((one,), overbought)
        assert str(error.value) == said


def test_a_column_of_ones_own_length_is_taken() -> None:
    own: Column = price_to_ema_bps(50)
    assert fold((own,), overbought).lookback_bars == 600
    assert price_to_ema_bps(200).warm_up_bars == 2000
