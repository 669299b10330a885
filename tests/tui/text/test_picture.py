from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tui.text.picture import hanging_picture, line_picture

series = st.integers(1, 300).flatmap(lambda n: arrays(np.float64, n, elements=st.floats(-1e5, 1e5)))
sizes = st.tuples(st.integers(1, 60), st.integers(1, 12))


def dots(lines: list[str]) -> np.ndarray:
    """The picture as a grid of dots, four rows and two columns to a cell."""
    grid = np.zeros((len(lines) * 4, len(lines[0]) * 2), bool)
    places = {
        0x01: (0, 0),
        0x02: (1, 0),
        0x04: (2, 0),
        0x40: (3, 0),
        0x08: (0, 1),
        0x10: (1, 1),
        0x20: (2, 1),
        0x80: (3, 1),
    }
    for row, line in enumerate(lines):
        for column, char in enumerate(line):
            code = 0 if char == " " else ord(char) - 0x2800
            for bit, (down, right) in places.items():
                grid[row * 4 + down, column * 2 + right] = bool(code & bit)
    return grid


@given(series, sizes, st.booleans())
def test_a_picture_has_the_size_asked_for(values: np.ndarray, size: tuple[int, int], unicode: bool) -> None:
    width, height = size
    for lines in (line_picture(values, width, height, unicode), hanging_picture(-abs(values), width, height, unicode)):
        assert [len(line) for line in lines] == [width] * height
        assert all(char in " *" or (unicode and 0x2800 < ord(char) <= 0x28FF) for line in lines for char in line)


@given(series, sizes)
def test_a_line_is_unbroken_and_touches_both_edges(values: np.ndarray, size: tuple[int, int]) -> None:
    grid = dots(line_picture(values, *size))
    assert grid.any(axis=0).all()
    if values.max() > values.min():
        assert grid[0].any()
        assert grid[-1].any()
    for column in range(grid.shape[1]):
        rows = np.flatnonzero(grid[:, column])
        assert rows[-1] - rows[0] == len(rows) - 1
        if column:
            before = np.flatnonzero(grid[:, column - 1])
            assert rows[0] <= before[-1] + 1
            assert before[0] <= rows[-1] + 1


def test_one_high_slot_among_very_many_is_seen() -> None:
    values = np.zeros(500_000)
    values[123_456] = 1.0
    grid = dots(line_picture(values, 70, 8))
    assert np.flatnonzero(grid[0]).tolist() == [123_456 * 140 // 500_000]


def test_a_flat_line_lies_in_the_middle() -> None:
    assert line_picture(np.full(10, 5.0), 3, 3, unicode=False) == ["   ", "***", "   "]


def test_a_rise_goes_up_to_the_right() -> None:
    assert line_picture(np.array([1.0, 2.0, 3.0]), 3, 3, unicode=False) == ["  *", " **", "** "]


def test_a_drawdown_hangs_from_the_top_where_there_is_one() -> None:
    assert hanging_picture(np.array([0.0, -5.0, -10.0, 0.0]), 4, 3, unicode=False) == [" ** ", " ** ", "  * "]


def test_no_drawdown_is_an_empty_picture() -> None:
    assert hanging_picture(np.zeros(4), 4, 2, unicode=False) == ["    ", "    "]


@pytest.mark.parametrize("unicode", [True, False])
def test_an_undefined_stretch_is_a_gap(unicode: bool) -> None:
    values = np.array([1.0, 2.0, np.nan, np.nan, 2.0, 1.0])
    line = line_picture(values, 6, 1, unicode)[0]
    assert [char == " " for char in line] == [False, False, True, True, False, False]
