"""What must hold of every column, asked of any one: of the house's, of an indicator, of a strategy's own.

Each check tries a column on a made market and returns one line that says what does not hold, or "".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.features.column import Column
from core.features.probe import FIELDS, WEATHERS, made_market, part, scaled
from core.features.table import table
from core.ports import BarColumns

Check = Callable[[Column], str]

SEED = 20_260_101
BARS = 160
"""So many bars of the market have a value."""
SCALE_RTOL = 1e-9
SCALES = (("prices", 8.0, 1.0), ("prices", 3.7, 1.0), ("volumes", 1.0, 8.0), ("volumes", 1.0, 0.3))
"""What is multiplied: prices by, volumes by."""


def faults(column: Column) -> list[str]:
    """What does not hold of `column`; empty where all does."""
    return [said for check in CHECKS if (said := check(column))]


def says_something(column: Column) -> str:
    told = _told(column, _market(column))
    if len(np.unique(told[~np.isnan(told)])) < 2:
        return f"{column.name}: has no two different values on a made market"
    return ""


def cutting_the_future_off_changes_nothing(column: Column) -> str:
    bars = _market(column)
    whole = _told(column, bars)
    for end in _ends(column):
        if not _same(_told(column, part(bars, slice(0, end))), whole[:end]):
            return f"{column.name}: looks ahead: its values change when the bars behind them are cut off"
    return ""


def another_future_changes_nothing(column: Column) -> str:
    bars = _market(column)
    whole = _told(column, bars)
    for end in _ends(column):
        order = np.concatenate([np.arange(end), end + np.random.default_rng(SEED).permutation(len(bars.close) - end)])
        other = replace(part(bars, order), open_time_ms=bars.open_time_ms)
        if not _same(_told(column, _scaled_from(other, end, 3.0))[:end], whole[:end]):
            return f"{column.name}: looks ahead: its values change with the bars behind them"
    return ""


def a_row_alone_equals_its_row_of_the_batch(column: Column) -> str:
    """Which also says that nothing before the warm-up weighs, and that a value needs the whole of it."""
    bars = _market(column)
    whole = _told(column, bars)
    need = column.warm_up_bars
    for last in range(need - 1, len(bars.close), 7):
        window = part(bars, slice(last + 1 - need, last + 1))
        for alone in (window, part(bars, slice(0, last + 1))):
            if not _same(table([column], alone, len(alone.close) - 1)[:, 0], whole[last : last + 1]):
                return f"{column.name}: a row of the last {need} bars differs from the same row of all"
        if not np.isnan(_told(column, part(window, slice(1, None)))).all():
            return f"{column.name}: has a value of fewer than its {need} bars of warm-up"
    return ""


def scales_as_it_says(column: Column) -> str:
    bars = _market(column)
    whole = _told(column, bars)
    moved = [kind for kind, price, volume in SCALES if not _close(_told(column, scaled(bars, price, volume)), whole)]
    if column.is_scale_free and moved:
        return f"{column.name}: is said to be scale-free and changes when {moved[0]} are multiplied"
    if not column.is_scale_free and not moved:
        return f"{column.name}: is not said to be scale-free and stays when prices or volumes are multiplied"
    return ""


def a_hole_is_missing(column: Column) -> str:
    """A bar that is not there, or of which one number is not, leaves no value until the warm-up is full again."""
    need = column.warm_up_bars
    bars = made_market(2 * need + BARS, SEED, WEATHERS[1])
    hole = need + BARS // 2
    whole = _told(column, bars)
    for name in FIELDS:
        told = _told(column, _with_nan(bars, name, hole))
        if not np.isnan(told[hole : hole + need]).all():
            return f"{column.name}: has a value where {name} of a bar that it is told from is missing"
        if not (_same(told[:hole], whole[:hole]) and _same(told[hole + need :], whole[hole + need :])):
            return f"{column.name}: changes where all bars that it is told from are there"
    told = _told(column, part(bars, np.delete(np.arange(len(bars.close)), hole)))
    if not np.isnan(told[hole : hole + need - 1]).all():
        return f"{column.name}: has a value where a bar that it is told from is missing"
    if not _same(told[hole + need - 1 :], whole[hole + need :]):
        return f"{column.name}: changes behind a hole, where all bars that it is told from are there"
    return ""


CHECKS: tuple[Check, ...] = (
    says_something,
    cutting_the_future_off_changes_nothing,
    another_future_changes_nothing,
    a_row_alone_equals_its_row_of_the_batch,
    scales_as_it_says,
    a_hole_is_missing,
)


def _scaled_from(bars: BarColumns, first: int, price: float) -> BarColumns:
    """The bars with prices and volumes of those from `first` on multiplied."""
    later = scaled(bars, price, price)
    fields: dict[str, Any] = {
        name: np.concatenate([getattr(bars, name)[:first], getattr(later, name)[first:]]) for name in FIELDS
    }
    return replace(bars, **fields)


def _market(column: Column) -> BarColumns:
    return made_market(column.warm_up_bars + BARS, SEED, WEATHERS[2])


def _ends(column: Column) -> tuple[int, ...]:
    need = column.warm_up_bars
    return (need, need + BARS // 3, need + BARS // 2 + 1, need + BARS - 1)


def _told(column: Column, bars: BarColumns) -> NDArray[np.float64]:
    return table([column], bars)[:, 0]


def _with_nan(bars: BarColumns, name: str, at: int) -> BarColumns:
    spoilt = getattr(bars, name).copy()
    spoilt[at] = np.nan
    fields: dict[str, Any] = {name: spoilt}
    return replace(bars, **fields)


def _same(left: NDArray[np.float64], right: NDArray[np.float64]) -> bool:
    return np.array_equal(left, right, equal_nan=True)


def _close(left: NDArray[np.float64], right: NDArray[np.float64]) -> bool:
    size = float(np.nanmedian(np.abs(right)))
    return bool(np.allclose(left, right, rtol=SCALE_RTOL, atol=SCALE_RTOL * size, equal_nan=True))
