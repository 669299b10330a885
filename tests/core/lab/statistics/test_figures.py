from __future__ import annotations

import math

import numpy as np
import pytest

from core.lab.statistics.basis import RANKS
from core.lab.statistics.figures import GROUPS, cell_text, column_title, grouped, in_order, row_title
from tests.core.lab.sample_report import STATISTICS


def shown(figures: dict[str, float | None]) -> dict[str, str]:
    return {item.key: item.text for _, items in grouped(figures) for item in items}


def test_no_two_figures_share_a_name() -> None:
    labels = [label for _, group in GROUPS for label in group.values()]
    assert len(labels) == len(set(labels))
    keys = [key for _, group in GROUPS for key in group]
    assert len(keys) == len(set(keys))
    titles = [row_title(key) for key in keys]
    assert len(titles) == len(set(titles))


def test_of_too_few_days_it_says_what_a_figure_needs() -> None:
    short = {"return_days": 3.0, "sharpe": None, "dsr": None, "pbo": None, "profit_factor": None}
    assert shown(short) == {
        "return_days": "3 d",
        **dict.fromkeys(("sharpe", "dsr", "pbo"), "needs 30 days, has 3"),
        "profit_factor": "-",
    }
    assert shown(short | {"return_days": 30.0})["sharpe"] == "-"
    assert shown({"sharpe": None}) == {"sharpe": "-"}


def test_what_only_sorts_is_not_shown() -> None:
    sorting = dict.fromkeys(RANKS.values(), 0.4)
    assert grouped(sorting) == ()
    assert in_order([*sorting, "sharpe"]) == ["sharpe"]


def test_every_figure_is_shown_once_and_the_unknown_come_last() -> None:
    groups = grouped(STATISTICS)
    keys = [item.key for _, items in groups for item in items]
    assert sorted(keys) == sorted(STATISTICS)
    assert groups[-1][0] == "Other"
    assert [(item.label, item.text) for item in groups[-1][1]] == [("ulcer index", "3.30 %")]


@pytest.mark.parametrize("value", [None, math.nan, math.inf, np.float64("nan")])
def test_an_undefined_figure_is_a_dash_without_a_unit(value: float | None) -> None:
    assert shown({"cagr_pct": value, "sharpe": value, "max_drawdown_ms": value}) == {
        "cagr_pct": "-", "sharpe": "-", "max_drawdown_ms": "-",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("total_return_pct", 12.3456, "12.35 %"),
        ("total_return_pct", -0.0, "0.00 %"),
        ("expectancy_usdt", 0.0004, "0.0004 USDT"),
        ("fees_usdt", 1234.5, "1,234.50 USDT"),
        ("sharpe", 2.0, "2.000"),
        ("trials", 10_000, "10,000"),
        ("trades", 755.0, "755"),
        ("turnover_per_day", 3.5, "3.50 a day"),
        ("return_days", 9.0, "9 d"),
        ("max_drawdown_ms", 3 * 86_400_000 + 4 * 3_600_000 + 59_000, "3 d 4 h"),
        ("held_ms", 65_000, "1 min 5 s"),
        ("held_ms", 0, "0 s"),
        ("held_ms", 86_400_000 + 5_000, "1 d"),
        ("worst_day_time_ms", 1_735_689_600_000, "2025-01-01 00:00 UTC"),
        ("days", 69.44, "69.44 d"),
        ("some_new_thing_bps", 4.5, "4.50 bps"),
        ("some_count", np.int64(12_345), "12,345"),
    ],
)
def test_the_unit_is_read_from_the_name(key: str, value: float, text: str) -> None:
    assert shown({key: value}) == {key: text}


def test_a_cell_leaves_its_unit_to_the_head_of_its_column() -> None:
    assert (column_title("net_usdt"), cell_text("net_usdt", -3.456)) == ("net USDT", "-3.46")
    assert (column_title("exit_reason"), cell_text("exit_reason", "stop")) == ("exit reason", "stop")
    assert cell_text("is_open", False) == "no"
