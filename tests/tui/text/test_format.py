from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.tui.fake_control import NOW_MS
from tui.text import format as fmt


@pytest.mark.parametrize(
    ("value", "digits", "expected"),
    [(12.3, 2, "+12.30"), (-3.2, 2, "-3.20"), (0.0, 2, "0.00"), (-0.001, 2, "0.00"), (12345.678, 1, "+12,345.7")],
)
def test_signed_always_writes_the_sign_except_for_zero(value: float, digits: int, expected: str) -> None:
    assert fmt.signed(value, digits) == expected


@pytest.mark.parametrize(
    ("ms", "expected"),
    [
        (None, "-"),
        (0, "0.0s"),
        (420, "0.4s"),
        (9_940, "9.9s"),
        (9_960, "10s"),
        (99_400, "99s"),
        (99_600, "2m"),
        (3_600_000, "60m"),
        (6_000_000, "2h"),
        (500_000_000, "6d"),
        (-5, "0.0s"),
    ],
)
def test_age_is_short_at_every_size(ms: float | None, expected: str) -> None:
    assert fmt.age(ms) == expected


@given(st.floats(min_value=0, max_value=80_000_000_000))
def test_age_takes_at_most_four_cells(ms: float) -> None:
    assert len(fmt.age(ms)) <= 4


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, "0"), (0.0312, "0.0312"), (0.000001, "0.000001"), (12.0156, "12.0156"), (2906.03, "2,906.03"), (5, "5")],
)
def test_quantity_has_no_trailing_zeros_and_no_exponent(value: float, expected: str) -> None:
    assert fmt.quantity(value) == expected


def test_times_are_utc() -> None:
    assert fmt.utc_full(NOW_MS) == "2026-07-01 12:00:00Z"
    assert fmt.utc_seconds(NOW_MS + 3_000) == "12:00:03Z"
    assert fmt.utc_minutes(NOW_MS) == "12:00"
    assert fmt.utc_day(NOW_MS) == "07-01"


@given(st.text(max_size=60), st.integers(1, 40), st.sampled_from(["left", "right"]))
def test_fit_gives_exactly_the_cells_asked_for(text: str, width: int, align: fmt.Align) -> None:
    assert cell_len(fmt.fit(fmt.plain_text(text), width, align)) == width


def test_fit_marks_lost_text() -> None:
    assert fmt.fit("abcdef", 4) == "abc…"
    assert fmt.fit("ab", 4, "right") == "  ab"


def test_plain_text_has_no_control_characters() -> None:
    assert fmt.plain_text("a\x1b[31m\nb") == r"a\x1b[31m b"


@given(st.lists(st.floats(-1e6, 1e6), max_size=50), st.integers(1, 30))
def test_a_sparkline_fills_its_width(values: list[float], width: int) -> None:
    line = fmt.sparkline(values, width, fmt.UNICODE)
    assert len(line) == width
    assert set(line) <= set(fmt.UNICODE.spark + " ")


def test_a_sparkline_runs_from_lowest_to_highest() -> None:
    assert fmt.sparkline([1, 2, 3], 3, fmt.UNICODE) == "▁▅█"
    assert fmt.sparkline([1, 1], 3, fmt.UNICODE) == " ▄▄"


@pytest.mark.parametrize(
    ("used", "limit", "expected"),
    [(0, 10, "...."), (0.1, 10, "#..."), (5, 10, "##.."), (9.9, 10, "###."), (10, 10, "####"), (50, 10, "####")],
)
def test_a_gauge_is_full_only_at_its_limit(used: float, limit: float, expected: str) -> None:
    assert fmt.gauge(used, limit, 4, fmt.ASCII) == expected


def test_sides_have_one_vocabulary() -> None:
    assert [fmt.side_word(side) for side in ("buy", "long", "SELL", "short")] == ["LONG", "LONG", "SHORT", "SHORT"]
    assert fmt.side_sign("sell") == -1


def test_the_ascii_glyphs_are_ascii() -> None:
    for name in fmt.ASCII.__slots__:
        assert getattr(fmt.ASCII, name).isascii(), name


@given(st.text("abc ", max_size=80), st.integers(3, 20))
def test_wrapped_lines_fit_and_keep_the_words(text: str, width: int) -> None:
    wrapped = fmt.wrap(text, width)
    assert all(0 < len(line) <= width for line in wrapped)
    if all(len(word) <= width for word in text.split()):
        assert " ".join(wrapped).split() == text.split()
