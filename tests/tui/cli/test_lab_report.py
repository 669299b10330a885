from __future__ import annotations

import numpy as np
import pytest

from tests.core.backtest.sample_report import LABELLED, STATISTICS, curve_of, sample_report
from tui.cli.lab_report import summary

HOURS = [{"hour": hour, "trades": hour, "net_usdt": hour - 5.5} for hour in range(30)]


def lines_of(text: str, heading: str) -> list[str]:
    """The paragraph below `heading`."""
    lines = text.splitlines()
    start = lines.index(heading) + 1
    return lines[start : lines.index("", start)]


@pytest.mark.parametrize("width", [40, 80, 81, 100, 133, 220])
@pytest.mark.parametrize("unicode", [True, False])
def test_no_line_is_wider_than_the_terminal(width: int, unicode: bool) -> None:
    wide = [{f"a_rather_long_column_{index}_usdt": 1.0 for index in range(30)}]
    report = sample_report(
        breakdowns={"hour": HOURS, "wide": wide}, symbols=tuple(f"COIN{index}USDT" for index in range(40)),
        statistics=STATISTICS | {"a_name_that_nobody_thought_of_and_that_is_longer_than_a_column_usdt": 1e12},
    )  # fmt: skip
    text = summary(report, width, unicode)
    assert max(map(len, text.splitlines())) <= max(width, 80)
    assert "COIN39USDT" in text
    assert "a name that nobody thought of and that is longer than a column" in text


def test_the_picture_takes_the_width_there_is() -> None:
    for width in (80, 120):
        assert max(map(len, lines_of(summary(sample_report(), width), "Equity, USDT"))) == width


def test_labels_come_first_and_last() -> None:
    text = summary(sample_report(**LABELLED))
    labels = [
        "!!! SYNTHETIC DATA: not performance",
        "!!! IN-SAMPLE: parameters or model were chosen on this data",
        "!!! PARTIAL: stopped at 2025-01-05 00:00 UTC",
    ]
    assert text.splitlines()[:3] == labels
    assert text.splitlines()[-3:] == labels
    assert "!!!" not in summary(sample_report())


def test_it_says_where_the_run_comes_from() -> None:
    text = summary(sample_report())
    for line in (
        "strategy      ema_cross",
        "engine        sweep",
        "symbols       BTCUSDT, ETHUSDT",
        "period        2025-01-01 00:00 UTC to 2025-01-05 00:00 UTC, 1m bars",
        "source        recorded: a test",
        "data hash     5f1c2ab4",
        "code version  200bb22",
        "seed          7",
        "trials        1,250",
    ):
        assert line in text.splitlines()
    assert "costs         on: fees " in text


def test_every_figure_is_there_with_its_unit_and_the_undefined_as_a_dash() -> None:
    text = " ".join(summary(sample_report()).split())
    for words in (
        "opening equity 10,000.00 USDT", "total return 12.35 %", "Sharpe 1.234", "Sharpe, interval from -0.310",
        "its length 3 d 4 h", "turnover 310.50 a year", "expectancy, a trade 2.10 bps", "fees 34.50 USDT",
        "deflated Sharpe 2.1e-06", "overfit probability -", "track record needed 612.40 d", "Other ulcer index 3.30 %",
    ):  # fmt: skip
        assert words in text


def test_tables_say_what_they_leave_out() -> None:
    text = summary(sample_report(breakdowns={"hour": HOURS, "wide": [{f"column_{i}": 1.0 for i in range(30)}]}))
    assert "and 6 more rows" in lines_of(text, "By hour")
    left = " ".join(lines_of(text, "By wide"))
    assert "not shown for want of width: column" in left
    assert all(f"column {index}" in left for index in range(30))


def test_the_run_stands_beside_its_references() -> None:
    equity = np.array([11_000.0, 9_900.0, 10_500.0])
    report = sample_report(slots=3, trades=0, result={"curve": curve_of(equity), "final_usdt": 10_500.0})
    rows = lines_of(summary(report), "Against")
    assert rows[1].split() == ["this", "run", "10,500.00", "5.00", "10.00"]
    assert rows[3].split() == ["doing", "nothing", "10,000.00", "0.00", "0.00"]


def test_plain_terminals_get_ascii() -> None:
    text = summary(sample_report(strategy="na\u00efve", source="\u65e5\u672c"), unicode=False)
    assert text.isascii()
    assert "*" in text
    assert r"na\xefve" in text


def test_foreign_text_cannot_move_the_cursor() -> None:
    text = summary(sample_report(strategy="a\x1b[2Jb", source="x\ry", breakdowns={"s": [{"k\x1b": "v\x07"}]}))
    assert not [char for char in text if not char.isprintable() and char != "\n"]


def test_a_run_without_slots_says_so() -> None:
    text = summary(sample_report(slots=0, trades=0, complete=False, breakdowns={}))
    assert "No slot was traded, so there is no equity to draw." in text
    assert "PARTIAL: stopped at 2025-01-01 00:00 UTC" in text


def test_figures_of_a_year_come_with_a_caution_until_the_run_is_long_enough() -> None:
    told = "are stretched from 4.00 days"
    report = sample_report()
    assert told in " ".join(summary(report).split())
    assert "stretched" not in summary(sample_report(interval_ms=24 * 60_000))
