from __future__ import annotations

import numpy as np
import pytest

from core.arithmetic.days import DAY_MS
from tests.core.lab.sample_report import LABELLED, STATISTICS, curve_of, sample_report
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


def test_it_begins_with_the_verdict_and_labels_stand_below_and_last() -> None:
    text = summary(sample_report(**LABELLED), 200)
    verdict, _, text = text.partition("\n\n")
    assert " ".join(verdict.split()) == sample_report(**LABELLED).verdict()
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
        "opening equity 10,000.00 USDT", "total return 12.35 %", "Sharpe 1.234", "Sharpe, 95 % from -0.310",
        "its length 3 d 4 h", "turnover 3.50 a day", "mean net of its notional 2.10 bps", "fees 34.50 USDT",
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


def test_it_says_what_ratios_stand_on_and_where_they_are_stretched() -> None:
    def told(days: float) -> str:
        return " ".join(summary(sample_report(statistics=STATISTICS | {"return_days": days})).split())

    basis = "Ratios are of whole UTC days, the riskless rate is 0, a year has 365 days; the interval holds 95 %"
    assert all(basis in told(days) for days in (9.0, 60.0, 365.0))
    assert ["stretched from" in told(days) for days in (9.0, 60.0, 89.0, 90.0)] == [False, True, True, False]


def test_tables_of_trades_say_that_open_positions_are_not_in_them() -> None:
    told = "Figures and tables of trades are of closed ones; 2 positions were left open."
    assert told in " ".join(summary(sample_report(statistics=STATISTICS | {"open_positions": 2.0})).split())
    assert "of closed ones" not in summary(sample_report(statistics=STATISTICS | {"open_positions": 0.0}))


def test_which_trials_a_ratio_is_deflated_over_stands_beside_their_number() -> None:
    report = sample_report(slots=60, interval_ms=DAY_MS, statistics=STATISTICS | {"alike_trials": 18.0})
    text = " ".join(summary(report).split())
    assert "1,250; the deflated ratio is over 18 of ema_cross on BTCUSDT, ETHUSDT, 1d bars, 30 to 120 days" in text


def test_a_run_that_a_limit_ended_says_so_at_both_ends() -> None:
    report = sample_report(statistics=STATISTICS | {"limit_ended_at_ms": 1_735_700_000_000.0})
    label = "!!! ENDED BY A LIMIT: drawdown at 2025-01-01 02:53 UTC; measured to the end of"
    assert summary(report).count(label) == 2


def test_what_an_earlier_version_kept_is_not_judged_by_the_figures_of_now() -> None:
    old = {key: value for key, value in STATISTICS.items() if key in ("trades", "total_return_pct", "fees_usdt")}
    text = " ".join(summary(sample_report(statistics=old)).split())
    assert text.startswith("Not judged: an earlier version kept this")
    assert "Its ratios and probabilities meant something else and are not shown" in text
