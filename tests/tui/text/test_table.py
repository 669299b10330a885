from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tui.text.table import Column, header_row, row_text, table_row, widths

COLUMNS = (
    Column("name", 6, "left", 0),
    Column("low", 5, rank=2),
    Column("grow", 4, rank=1, stretch=True, most=9),
)


def test_columns_go_by_rank_when_the_width_shrinks() -> None:
    assert widths(COLUMNS, 19) == [6, 5, 4]
    assert widths(COLUMNS, 18) == [6, 0, 9]
    assert widths(COLUMNS, 6) == [6, 0, 0]


def test_a_stretching_column_stops_at_its_most() -> None:
    assert widths(COLUMNS, 100) == [6, 5, 9]


@given(st.integers(0, 60))
def test_a_row_never_exceeds_its_width(width: int) -> None:
    sizes = widths(COLUMNS, width)
    row = table_row([("a long name", "plain"), ("12.5", "up"), ("x" * 30, "dim")], COLUMNS, sizes, "…")
    assert len(row_text(row)) <= max(1, width + 1)
    assert len(row_text(header_row(COLUMNS, sizes, "…"))) == len(row_text(row))


def test_numbers_stand_right_and_words_left() -> None:
    row = table_row([("ab", "plain"), ("1", "plain"), ("z", "plain")], COLUMNS, [6, 5, 4], "…")
    assert row_text(row) == " ab          1     z"
