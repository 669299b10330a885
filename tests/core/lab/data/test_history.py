from __future__ import annotations

import dataclasses

import numpy as np

from core.domain.market import MINUTE_MS
from core.lab.data.history import COLUMNS, align
from core.ports import BarColumns

FROM_MS = 1_700_000_040_000


def bars(slots: list[int]) -> BarColumns:
    values = np.random.default_rng(4).uniform(90.0, 110.0, (len(COLUMNS), len(slots)))
    return BarColumns("BTCUSDT", MINUTE_MS, FROM_MS + np.array(slots, np.int64) * MINUTE_MS, *values)


def test_a_symbol_without_a_gap_is_taken_as_it_is() -> None:
    whole = bars(list(range(50)))
    history = align([whole], FROM_MS, [], "made", is_synthetic=False)
    for name in COLUMNS:
        assert np.array_equal(getattr(history, name), [getattr(whole, name)])
        assert np.shares_memory(getattr(history, name), getattr(whole, name))


def test_columns_that_are_read_only_are_copied_for_compiled_code() -> None:
    whole = bars(list(range(50)))
    for name in COLUMNS:
        getattr(whole, name).flags.writeable = False
    history = align([whole], FROM_MS, [], "made", is_synthetic=False)
    assert all(getattr(history, name).flags.writeable for name in COLUMNS)


def test_it_is_the_history_that_is_put_together_slot_by_slot() -> None:
    whole, other = bars(list(range(50))), dataclasses.replace(bars([0, 49]), symbol="ETHUSDT")
    alone = align([whole], FROM_MS, [], "made", is_synthetic=False)
    both = align([whole, other], FROM_MS, [], "made", is_synthetic=False)
    for name in COLUMNS:
        assert np.array_equal(getattr(alone, name)[0], getattr(both, name)[0])


def test_a_symbol_with_a_gap_keeps_it() -> None:
    history = align([bars([0, 1, 4])], FROM_MS, [], "made", is_synthetic=False)
    assert np.isnan(history.close[0]).tolist() == [False, False, True, True, False]
