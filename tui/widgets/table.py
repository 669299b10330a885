"""Rows of fixed columns as spans of text. Pure functions; no Textual."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tui.format import Align, fit, plain_text, wrap

Span = tuple[str, str]
"""A piece of text and the role of its style."""

Row = tuple[Span, ...]
Cell = Span

GAP = "  "


@dataclass(frozen=True, slots=True)
class Column:
    """`rank` is the order of survival: the lowest ranks are placed first, and what does not fit any more is left out.

    Stretching columns share what is left over, each up to `most` cells.
    """

    title: str
    width: int
    align: Align = "right"
    rank: int = 0
    stretch: bool = False
    most: int = 1000


def widths(columns: Sequence[Column], width: int) -> list[int]:
    """The width of each column, 0 for those that do not fit. Gaps of two cells stand between the shown ones."""
    chosen = [0] * len(columns)
    left = width + len(GAP)
    for index in sorted(range(len(columns)), key=lambda i: (columns[i].rank, i)):
        need = columns[index].width + len(GAP)
        if need > left:
            continue
        chosen[index] = columns[index].width
        left -= need
    growing = [i for i, column in enumerate(columns) if column.stretch and chosen[i]]
    while left > 0 and (growing := [i for i in growing if chosen[i] < columns[i].most]):
        for index in growing[:left]:
            chosen[index] += 1
            left -= 1
    return chosen


def table_row(cells: Sequence[Cell], columns: Sequence[Column], sizes: Sequence[int], ellipsis: str) -> Row:
    """One row; its first cell is free for the cursor's mark."""
    spans: list[Span] = [(" ", "plain")]
    first = True
    for (text, role), column, size in zip(cells, columns, sizes, strict=True):
        if not size:
            continue
        if not first:
            spans.append((GAP, "plain"))
        spans.append((fit(text, size, column.align, ellipsis), role))
        first = False
    return tuple(spans)


def header_row(columns: Sequence[Column], sizes: Sequence[int], ellipsis: str) -> Row:
    return table_row([(column.title, "dim") for column in columns], columns, sizes, ellipsis)


def text_row(text: str, role: str = "plain") -> Row:
    return ((" ", "plain"), (plain_text(text), role))


def notice_rows(text: str, width: int) -> tuple[Row, ...]:
    """What stands in a panel that has nothing to show: the reason and the next key."""
    return tuple(text_row(line, "dim") for line in wrap(plain_text(text), width - 2))


def row_text(row: Row) -> str:
    return "".join(text for text, _ in row)
