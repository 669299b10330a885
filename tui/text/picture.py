"""A series as a picture of text lines: braille dots, or stars where a terminal takes ASCII only. No colours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Dots = NDArray[np.bool_]

_BRAILLE = 0x2800
_BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
"""The bit of each dot of a braille cell, four rows by two columns (Unicode, block 2800)."""


def line_picture(values: Floats, width: int, height: int, unicode: bool = True) -> list[str]:
    """`values` as a line: `height` lines of `width` cells, the highest value in the first line, the lowest in the last.

    Each column of dots reaches from the lowest to the highest of its values, so no extreme is lost.
    """
    rows, columns = _dots(width, height, unicode)
    low, high = _extremes(values, columns)
    bottom, top = np.nanmin(low), np.nanmax(high)
    upper, lower = (_row(edge, bottom, top, rows) for edge in (high, low))
    # A column begins where the one before ended, else a steep line falls to pieces.
    there = ~np.isnan(upper[1:])
    upper[1:][there], lower[1:][there] = (
        np.fmin(upper[1:], lower[:-1])[there],
        np.fmax(lower[1:], upper[:-1])[there],
    )
    return _text(_filled(upper, lower, rows), unicode)


def hanging_picture(values: Floats, width: int, height: int, unicode: bool = True) -> list[str]:
    """`values`, none above zero, as an area that hangs from zero; the lowest reaches the last line."""
    rows, columns = _dots(width, height, unicode)
    low, _ = _extremes(values, columns)
    depth = min(float(np.nanmin(low)), 0.0)
    if depth == 0.0:
        return _text(np.zeros((rows, columns), bool), unicode)
    lower = _row(low, depth, 0.0, rows)
    lower[low == 0.0] = np.nan
    return _text(_filled(np.zeros(columns), lower, rows), unicode)


def account_picture(
    equity: Floats, drawdown: Floats, width: int, equity_lines: int, drawdown_lines: int, unicode: bool = True
) -> Iterator[str]:
    """Equity above drawdown with their titles and axes, no line longer than `width`.

    `drawdown` is in percent, zero or negative. Not all of `equity` may be NaN.
    """
    marks = _marks(equity, drawdown)
    indent = max(map(len, marks))
    room = width - indent - 2
    yield "Equity, USDT"
    yield from _framed(line_picture(equity, room, equity_lines, unicode), marks[:2], indent, unicode)
    yield "Drawdown, %"
    yield from _framed(hanging_picture(drawdown, room, drawdown_lines, unicode), marks[2:], indent, unicode)


def ends_row(first: str, last: str, equity: Floats, drawdown: Floats, width: int) -> str:
    """The line under `account_picture`: where its time begins and ends."""
    indent = max(map(len, _marks(equity, drawdown))) + 2
    return " " * indent + first + last.rjust(width - indent - len(first))


def _marks(equity: Floats, drawdown: Floats) -> list[str]:
    """The highest and lowest value of both pictures, as they stand at the axes."""
    values = (np.nanmax(equity), np.nanmin(equity), 0.0, np.nanmin(drawdown) + 0.0)
    return [f"{value:,.2f}" for value in values]


def _framed(lines: Sequence[str], marks: Sequence[str], indent: int, unicode: bool) -> Iterator[str]:
    """A picture with an axis, its highest value at the first line and its lowest at the last."""
    tick, axis = ("\u2524", "\u2502") if unicode else ("+", "|")
    for index, line in enumerate(lines):
        mark = {0: marks[0], len(lines) - 1: marks[1]}.get(index, "")
        yield f"{mark:>{indent}} {tick if mark else axis}{line}".rstrip()


def _dots(width: int, height: int, unicode: bool) -> tuple[int, int]:
    return (height * 4, width * 2) if unicode else (height, width)


def _extremes(values: Floats, columns: int) -> tuple[Floats, Floats]:
    """The lowest and highest value of each column; few values are drawn as steps."""
    starts = np.arange(columns) * len(values) // columns
    return np.fmin.reduceat(values, starts), np.fmax.reduceat(values, starts)


def _row(values: Floats, bottom: float, top: float, rows: int) -> Floats:
    """The row of dots, 0 at the top; a flat line lies in the middle."""
    if top == bottom:
        return np.where(np.isnan(values), np.nan, rows // 2)
    return np.round((top - values) / (top - bottom) * (rows - 1))


def _filled(upper: Floats, lower: Floats, rows: int) -> Dots:
    """True from row `upper` to row `lower` of each column; nothing where one of them is NaN."""
    row = np.arange(rows)[:, None]
    return (row >= upper) & (row <= lower)


def _text(dots: Dots, unicode: bool) -> list[str]:
    if not unicode:
        return ["".join("*" if dot else " " for dot in line) for line in dots.tolist()]
    height, width = dots.shape[0] // 4, dots.shape[1] // 2
    cells = dots.reshape(height, 4, width, 2).transpose(0, 2, 1, 3)
    codes = (cells * _BITS).sum(axis=(2, 3))
    # The blank of the block is no space: some fonts draw it as empty circles.
    return ["".join(chr(_BRAILLE + code) if code else " " for code in line) for line in codes.tolist()]
