"""The summary of a run for a terminal, as plain text: labels, where it comes from, figures, pictures, tables."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

import numpy as np

from core.lab.report.data import Report, Rows, all_figures, all_tables, notes, provenance_pairs
from core.lab.statistics.figures import Figure, cell_text, column_title, grouped, utc_minute
from core.lab.statistics.series import drawdown_pct
from tui.cli.output import Column, table
from tui.text.format import plain_text
from tui.text.picture import account_picture, ends_row

LEAST_WIDTH = 80
EQUITY_LINES, DRAWDOWN_LINES = 9, 4
MOST_ROWS = 24
_FIGURE_WIDTH, _GAP = 38, 4
_EARLY = {"trades": 1, "net_usdt": 2, "win_rate_pct": 3, "expectancy_bps": 4}
"""Columns that are wanted first, where there is no room for all."""


def summary(report: Report, width: int = LEAST_WIDTH, unicode: bool = True, run_id: str = "") -> str:
    """The whole summary, no line longer than `width` characters (80 or more); ASCII only unless `unicode`.

    It begins with the verdict. The labels stand below that and at the end, since the first lines of a long summary
    scroll away.
    """
    width = max(width, LEAST_WIDTH)
    parts = [
        textwrap.wrap(plain_text(report.verdict()), width),
        _labels(report, width),
        _text_rows((*((("run", run_id),) if run_id else ()), *provenance_pairs(report)), width),
        *(_figures(title, items, width) for title, items in grouped(all_figures(report))),
        (line for note in notes(report) for line in textwrap.wrap(note, width)),
        _pictures(report, width, unicode),
        *(_table(name, rows, width) for name, rows in all_tables(report).items()),
        _labels(report, width),
    ]
    text = "\n\n".join("\n".join(lines) for lines in map(list, parts) if lines)
    return text if unicode else text.encode("ascii", "backslashreplace").decode()


def _labels(report: Report, width: int) -> Iterator[str]:
    for label in report.labels():
        yield from textwrap.wrap(plain_text(label), width, initial_indent="!!! ", subsequent_indent="    ")


def _text_rows(rows: Sequence[tuple[str, str]], width: int) -> Iterator[str]:
    """Names and texts; a long text goes on below itself."""
    indent = max(len(name) for name, _ in rows) + 2
    for name, text in rows:
        lines = textwrap.wrap(plain_text(text), width - indent) or ["-"]
        yield name.ljust(indent) + lines[0]
        yield from (" " * indent + line for line in lines[1:])


def _figures(title: str, items: Sequence[Figure], width: int) -> Iterator[str]:
    """As many columns as there is room for, read downwards; a figure too wide for one gets a line of its own."""
    yield title
    wide = [item for item in items if len(item.label) + len(item.text) + 2 > _FIGURE_WIDTH]
    narrow = [item for item in items if item not in wide]
    columns = (width + _GAP) // (_FIGURE_WIDTH + _GAP)
    height = -(-len(narrow) // columns)
    for row in range(height):
        cells = (f"{item.label}{item.text:>{_FIGURE_WIDTH - len(item.label)}}" for item in narrow[row::height])
        yield (" " * _GAP).join(cells)
    yield from _text_rows([(item.label, item.text) for item in wide], width) if wide else ()


def _pictures(report: Report, width: int, unicode: bool) -> Iterator[str]:
    curve, initial = report.result.curve, report.result.initial_usdt
    equity = curve.equity_usdt
    if not np.isfinite(equity).any():
        yield "No slot was traded, so there is no equity to draw."
        return
    depth = drawdown_pct(equity, initial)
    yield from account_picture(equity, depth, width, EQUITY_LINES, DRAWDOWN_LINES, unicode)
    first, last = utc_minute(int(curve.time_ms[0])), utc_minute(int(curve.time_ms[-1]))
    yield ends_row(first, last, equity, depth, width)


def _table(name: str, rows: Rows, width: int) -> Iterator[str]:
    """The rows and columns that there is room for; what is left out is named."""
    found = dict.fromkeys(key for row in rows for key in row)
    keys = sorted(found, key=lambda key: _EARLY.get(key, 0 if key == next(iter(found)) else len(_EARLY) + 1))
    texts = [{key: plain_text(cell_text(key, row.get(key))) for key in keys} for row in rows[:MOST_ROWS]]
    columns = [_column(key, rows) for key in keys]
    kept = len(columns)
    while max(map(len, lines := table(texts, columns[:kept]).splitlines())) > width and kept > 1:
        kept -= 1
    yield name[:1].upper() + name[1:]
    yield from (line[:width] for line in lines)
    if left := [column.title for column in columns[kept:]]:
        yield from textwrap.wrap(f"not shown for want of width: {', '.join(left)}", width)
    if len(rows) > MOST_ROWS:
        yield f"and {len(rows) - MOST_ROWS} more rows"


def _column(key: str, rows: Rows) -> Column:
    return Column(key, plain_text(column_title(key)), right=not any(isinstance(row.get(key), str) for row in rows))
