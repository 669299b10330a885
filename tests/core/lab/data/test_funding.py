"""Settlements that are missing: what they cost, who pays it, and that every form says so."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from core.domain.market import MINUTE_MS, FundingRate
from core.lab.data.funding import assumed_label, assumed_rates, funding_in_run
from core.lab.data.history import History, MissingFunding, align, make_history
from core.lab.report.html_page import html_report
from core.lab.report.tables import comment_lines, json_text
from core.lab.run.event_driven import run_event_driven
from core.lab.run.fixed_predictions import known_values
from core.lab.run.result import RunResult
from core.lab.statistics.reference import buy_and_hold
from core.lab.sweep import sweep
from core.lab.sweep.prepared import prepare
from core.ports import BarColumns
from core.settings.schema import CostSettings
from tests.core.lab.markets import DAY0_MS, instrument, make_parts, strategy
from tests.core.lab.sample_report import sample_report
from tui.cli.lab_report import summary

HOUR_MS = 60 * MINUTE_MS
CALM = {"stop_pct": 5.0, "target_pct": 50.0, "cooldown_ms": 0}


def market(missing: list[MissingFunding], funding: list[FundingRate] | None = None, n: int = 600) -> History:
    price = np.full((1, n), 100.0)
    columns = [price, price + 0.01, price - 0.01, price, np.full((1, n), 1e6)]
    times = DAY0_MS + MINUTE_MS * np.arange(n, dtype=np.int64)
    return make_history(("S0",), MINUTE_MS, times, columns, 0, funding or [], "made", False, missing_funding=missing)


def lacking(slot: int, hours: int = 8, mark: str = "100") -> MissingFunding:
    return MissingFunding("S0", DAY0_MS + slot * MINUTE_MS, hours * HOUR_MS, Decimal(mark))


def both(history: History, direction: float, bps: str = "1") -> tuple[RunResult, RunResult]:
    """Held from slot 11 on, by the event-driven engine and by the sweep."""
    values = {"S0": np.full((len(history), 1), np.nan)}
    values["S0"][10] = 30.0 * direction
    sections = {"costs": {"assumed_funding_bps": bps}}
    trader, venue = make_parts(strategy(**CALM), ["S0"], sections)
    event = run_event_driven(history, trader, venue, values=values)
    prepared = prepare(history, {"S0": instrument("S0")}, Decimal(bps))
    swept = sweep.run(prepared, trader.settings, trader.strategy, known_values(values, history, trader.strategy))
    return event, swept


@pytest.mark.parametrize("direction", [1.0, -1.0])
def test_a_missing_settlement_is_charged_against_whatever_is_held(direction: float) -> None:
    history = market([lacking(5), lacking(100), lacking(200, 4), lacking(300, 1)])
    free = replace(history, missing_funding=())
    for result, without in zip(both(history, direction), both(free, direction), strict=True):
        notional = float(result.curve.gross_usdt[-1])
        assert result.assumed_settlements == 3  # At the first nothing was held.
        assert result.assumed_usdt == pytest.approx(-notional * 1e-4 * (1 + 0.5 + 0.125))
        assert result.final_usdt - without.final_usdt == pytest.approx(result.assumed_usdt, abs=1e-9)
    event, swept = both(history, direction)
    assert (event.assumed_settlements, event.assumed_usdt) == (swept.assumed_settlements, swept.assumed_usdt)
    assert event.final_usdt == swept.final_usdt


def test_where_nothing_is_assumed_they_are_counted_all_the_same() -> None:
    for result in both(market([lacking(100), lacking(200)]), 1.0, "0"):
        assert (result.assumed_settlements, result.assumed_usdt) == (2, 0.0)


def test_what_was_settled_is_paid_as_told_and_received_too() -> None:
    told = FundingRate("S0", DAY0_MS + 100 * MINUTE_MS + 3, Decimal("0.0005"), Decimal(100))
    for result in both(market([], [told]), -1.0):
        assert (result.assumed_settlements, result.assumed_usdt) == (0, 0.0)
        assert result.final_usdt > both(market([]), -1.0)[0].final_usdt


def test_rates_go_by_the_interval_and_in_order() -> None:
    told = FundingRate("S0", DAY0_MS + 150 * MINUTE_MS, Decimal("0.0001"), Decimal(100))
    history = market([lacking(100, 4), lacking(200, 1)], [told])
    assert [rate.rate for rate in assumed_rates(history, Decimal(2))] == [Decimal("0.0001"), Decimal("0.000025")]
    found = funding_in_run(history, Decimal(2))
    assert [(rate.time_ms - DAY0_MS) // MINUTE_MS for rate in found] == [100, 150, 200]
    assert [rate.is_assumed for rate in found] == [True, False, True]


def test_a_cut_keeps_its_own_and_the_hash_tells_them_apart() -> None:
    history = market([lacking(100), lacking(200)])
    cut = history.between(DAY0_MS + 150 * MINUTE_MS, DAY0_MS + 400 * MINUTE_MS, 10)
    assert cut.missing_funding == (lacking(200),)
    assert market([]).data_hash != history.data_hash


def test_a_missing_settlement_is_priced_by_the_candles() -> None:
    times = DAY0_MS + MINUTE_MS * np.array([0, 1, 2, 5, 6], np.int64)
    opens = np.array([10.0, 11.0, 12.0, 15.0, 16.0])
    bars = BarColumns("S0", MINUTE_MS, times, opens, opens + 1, opens, opens + 0.5, np.ones(5))
    asked = [("S0", DAY0_MS + slot * MINUTE_MS, HOUR_MS) for slot in (1, 3, 7)]
    found = align([bars], DAY0_MS, [], "made", False, unsettled=asked).missing_funding
    assert [gap.mark_price for gap in found] == [Decimal("11.0"), Decimal("12.5"), Decimal("16.5")]


def test_holding_pays_what_is_assumed_too() -> None:
    history = market([lacking(100)])
    free, paying = (buy_and_hold(history, 1_000.0, 0.0, 0.0, bps) for bps in (Decimal(0), Decimal(1)))
    assert free.equity_usdt[-1] - paying.equity_usdt[-1] == pytest.approx(0.1)


def test_a_search_says_what_its_trials_may_be_charged() -> None:
    (label,) = assumed_label(market([lacking(100), lacking(200)]), Decimal("1.50"))
    assert label.startswith("FUNDING ASSUMED: the data of the period lack 2 settlements; where one falls on a position")
    assert "1.5 bps every 8 h" in label
    assert assumed_label(market([lacking(100)]), Decimal(0)) == ()
    assert assumed_label(market([]), Decimal(1)) == ()


def test_every_form_of_a_result_says_that_funding_was_assumed() -> None:
    report = sample_report(result={"assumed_settlements": 3, "assumed_usdt": -1.5})
    label = "FUNDING ASSUMED: 3 settlements on positions missing in the data; 1.50 USDT were charged for it"
    cost = "(3 settlements on positions missing, -1.50 USDT assumed for them)"
    assert label in report.labels()
    assert "FUNDING ASSUMED" in report.short_labels()
    assert json.loads(json_text(report))["labels"] == list(report.labels())
    for text in (comment_lines(report), html_report(report), " ".join(summary(report).replace("!!!", "").split())):
        assert label in text
        assert cost in text


def test_where_the_user_assumes_nothing_the_cost_line_alone_says_so() -> None:
    report = sample_report(result={"assumed_settlements": 1, "assumed_usdt": 0.0})
    assert not [label for label in report.labels() if label.startswith("FUNDING")]
    assert "(1 settlement on positions missing, nothing assumed for them)" in " ".join(summary(report).split())
    assert "missing" not in comment_lines(sample_report())


def test_one_bps_is_what_is_assumed_where_nothing_is_said() -> None:
    assert CostSettings().assumed_funding_bps == 1
