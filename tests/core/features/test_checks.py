"""The checks find what is planted: a column of each fault, and none in the one without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from core.features import checks
from core.features.column import Column
from core.ports import BarColumns


@dataclass(frozen=True)
class Planted:
    """A column of all closes at once, which keeps to its warm-up where `keeps` says so."""

    of_all: Callable[[BarColumns], np.ndarray]
    keeps: bool = True

    def values(self, bars: BarColumns, whole_bars: np.ndarray, warm_up_bars: int, first: int) -> np.ndarray:
        told = np.array(self.of_all(bars), np.float64)
        if self.keeps:
            told[whole_bars < warm_up_bars] = np.nan
        return told[first:]


def planted(of_all: Callable[[BarColumns], np.ndarray], *, keeps: bool = True, scale_free: bool = True) -> Column:
    return Column("planted", "", "", 5, "", scale_free, Planted(of_all, keeps))


def shifted(values: np.ndarray, bars: int) -> np.ndarray:
    """Each value `bars` later, NaN where there is none."""
    at = np.arange(len(values)) - bars
    inside = (at >= 0) & (at < len(values))
    return np.where(inside, values[np.clip(at, 0, len(values) - 1)], np.nan) if len(values) else values


def back_4(bars: BarColumns) -> np.ndarray:
    return bars.close / shifted(bars.close, 4)


def next_close(bars: BarColumns) -> np.ndarray:
    return shifted(bars.close, -1) / bars.close


def mean_of_all(bars: BarColumns) -> np.ndarray:
    return bars.close / bars.close.mean()


def since_the_start(bars: BarColumns) -> np.ndarray:
    return bars.close / bars.close[0] if len(bars.close) else bars.close


def filled(bars: BarColumns) -> np.ndarray:
    told = back_4(bars)
    return np.where(np.isnan(told), 1.0, told)


def of_volume(bars: BarColumns) -> np.ndarray:
    return back_4(bars) * bars.volume


def constant(bars: BarColumns) -> np.ndarray:
    return np.ones(len(bars.close))


def test_a_sound_column_has_no_fault() -> None:
    assert checks.faults(planted(back_4)) == []


@pytest.mark.parametrize(
    ("check", "column", "said"),
    [
        (checks.says_something, planted(constant), "has no two different values"),
        (checks.cutting_the_future_off_changes_nothing, planted(next_close), "looks ahead"),
        (checks.cutting_the_future_off_changes_nothing, planted(mean_of_all), "looks ahead"),
        (checks.another_future_changes_nothing, planted(next_close), "looks ahead"),
        (checks.another_future_changes_nothing, planted(mean_of_all), "looks ahead"),
        (checks.a_row_alone_equals_its_row_of_the_batch, planted(since_the_start), "differs from the same row of all"),
        (checks.a_row_alone_equals_its_row_of_the_batch, replace(planted(back_4), warm_up_bars=4), "differs"),
        (checks.a_row_alone_equals_its_row_of_the_batch, planted(filled, keeps=False), "fewer"),
        (
            checks.a_row_alone_equals_its_row_of_the_batch,
            replace(planted(back_4, keeps=False), warm_up_bars=9),
            "fewer",
        ),
        (checks.scales_as_it_says, planted(lambda bars: bars.close), "changes when prices are multiplied"),
        (checks.scales_as_it_says, planted(of_volume), "changes when volumes are multiplied"),
        (checks.scales_as_it_says, planted(back_4, scale_free=False), "stays when prices or volumes"),
        (checks.a_hole_is_missing, planted(back_4, keeps=False), "is missing"),
        (checks.a_hole_is_missing, planted(lambda bars: np.nancumsum(bars.close)), "changes"),
    ],
)
def test_a_planted_fault_is_told(check: checks.Check, column: Column, said: str) -> None:
    assert said in check(column)
    assert check(column) in checks.faults(column)
