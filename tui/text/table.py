"""Rows of fixed columns as spans of text. Pure functions; no Textual."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tui.text.format import Align, fit, plain_text, wrap

Span = tuple[str, str]
"""A piece of text and the role of its style."""

Row = tuple[Span, ...]
Cell = Span

GAP = "  "


@dataclass(frozen=True, slots=True)
class Column:
    """`rank` is the order of survival: the lowest ranks are placed first, and what does not fit any more is left out.

    Stretching columns share what is left over, each up to `most` cells. What stands in a `whole` one is never cut.
    """

    title: str
    width: int
    align: Align = "right"
    rank: int = 0
    stretch: bool = False
    most: int = 1000
    whole: bool = False


def fitted(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> tuple[Column, ...]:
    """Columns of numbers and units as wide as what stands in them: one that does not fit is left out, never cut."""
    longest = [max((len(row[index][0]) for row in rows), default=0) for index in range(len(columns))]
    return tuple(
        replace(column, width=max(column.width, most)) if column.align == "right" or column.whole else column
        for column, most in zip(columns, longest, strict=True)
    )


def wrap_row(row: Row, width: int) -> list[Row]:
    """The row as it is where it fits, else its words on as many lines as they need."""
    if len(row_text(row)) <= width:
        return [row]
    lines: list[list[Span]] = [[]]
    left = width
    for word, role in [(word, role) for text, role in row for word in text.split()]:
        if lines[-1] and len(word) + 1 > left:
            lines.append([])
            left = width
        lines[-1].append((f" {word}", role))
        left -= len(word) + 1
    return [tuple(line) for line in lines]


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
