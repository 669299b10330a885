"""Each planted fault is found by the check that is for it, and a sound strategy passes that check."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from decimal import Decimal

import numpy as np
import pytest

from core.lab.checks import causality, execution
from core.lab.checks.causality import (
    check_dataset,
    check_dataset_warm_up,
    check_rule,
    check_rule_warm_up,
    check_split,
)
from core.lab.checks.execution import check_costs, check_fills
from core.lab.checks.verdict import Status, Verdict
from core.lab.data.history import History
from core.lab.run.event_driven import run_event_driven
from core.lab.run.result import FillColumns
from core.learning.dataset import OpenLearner
from core.ports import BarColumns
from core.settings.schema import CostSettings
from core.strategy.declaration import Rule, Strategy
from core.strategy.rules import RuleDesk
from core.trader.trader import Trader
from core.venues.adapter import SimulatedVenueAdapter
from tests.core.lab.checks import planted
from tests.core.lab.markets import instrument, make_parts, names, random_history, random_values, strategy
from tests.declared import ONE
from tests.strategies.recorded import cut, recorded

LOOKBACK = 120


@pytest.fixture(scope="module")
def window() -> BarColumns:
    return cut(recorded("BTCUSDT"), 0, 1_500)


@pytest.fixture(scope="module")
def history() -> History:
    return random_history(np.random.default_rng(3), 2, 600, gaps=False)


def values_of(scan: Callable[..., object]) -> causality.RuleValues:
    chosen = strategy(source=Rule(scan, 2, (0.0,)))
    return lambda bars: RuleDesk(chosen, [bars.symbol], 0).values(bars)


def found(verdicts: list[Verdict], check: str) -> Verdict:
    (verdict,) = (verdict for verdict in verdicts if verdict.check == check)
    return verdict


def trade(
    history: History,
    venue_of: Callable[[SimulatedVenueAdapter], SimulatedVenueAdapter] = lambda venue: venue,
    chosen: Strategy | None = None,
    fee_bps: str = "5",
) -> FillColumns:
    known = {
        name: instrument(name, taker_fee_bps=Decimal(fee_bps), maker_fee_bps=Decimal(fee_bps)) for name in names(2)
    }
    trader, venue = make_parts(chosen or strategy(), names(2), {}, known)
    assert isinstance(trader, Trader)
    values = random_values(np.random.default_rng(5), 2, len(history), share=0.2)
    fills = run_event_driven(history, trader, venue_of(venue), values=values).fills
    assert fills is not None
    assert len(fills) > 20
    return fills


# A look-ahead feature


def test_a_feature_that_sees_the_next_bar_is_found(window: BarColumns) -> None:
    verdict = found(check_dataset(planted.SeesTomorrow(), window), causality.LOOK_AHEAD)
    assert verdict.status is Status.FAULT
    assert "momentum" in verdict.detail
    assert "range" not in verdict.detail


def test_features_that_need_the_next_bar_are_found(window: BarColumns) -> None:
    verdict = found(check_dataset(planted.NeedsTomorrow(), window), causality.LOOK_AHEAD)
    assert verdict.status is Status.FAULT
    assert "bar" in verdict.detail


def test_a_rule_that_sees_the_next_bar_is_found(window: BarColumns) -> None:
    verdict = check_rule(values_of(planted.rule_that_sees_ahead), ONE, window)
    assert (verdict.check, verdict.status) == (causality.LOOK_AHEAD, Status.FAULT)


def test_what_looks_back_only_passes(window: BarColumns) -> None:
    verdicts = check_dataset(planted.SoundLearner(), window)
    assert [verdict.status for verdict in verdicts] == [Status.CLEAN, Status.CLEAN]
    assert check_rule(values_of(planted.sound_rule), ONE, window).status is Status.CLEAN


# A scaler fitted on all data


def test_a_scaler_over_the_whole_window_is_found_and_named_as_one(window: BarColumns) -> None:
    verdicts = check_dataset(planted.ScaledOverAll(), window)
    verdict = found(verdicts, causality.SCALING)
    assert verdict.status is Status.FAULT
    assert "momentum, range" in verdict.detail
    assert [v.check for v in verdicts] == [causality.SCALING]


def test_rows_that_were_scaled_on_the_way_are_found(window: BarColumns) -> None:
    verdict = found(check_dataset(planted.RowsScaledOverAll(), window), causality.SCALING)
    assert verdict.status is Status.FAULT
    assert "momentum, range" in verdict.detail


# An unpurged label


def test_labels_that_reach_into_validation_are_found(window: BarColumns) -> None:
    verdict = check_split(planted.NotPurged(), window)
    assert verdict.status is Status.FAULT
    assert verdict.detail.startswith("4 training labels end after validation begins")
    assert check_split(planted.SoundLearner(), window).status is Status.CLEAN


# A start-dependent indicator


def test_a_feature_that_remembers_its_first_bar_is_found(window: BarColumns) -> None:
    verdict = check_dataset_warm_up(planted.CountsFromTheStart(), window)
    assert (verdict.status, verdict.detail.split(":")[0]) == (Status.FAULT, "range")
    assert check_dataset_warm_up(planted.SoundLearner(), window).status is Status.CLEAN


def test_a_rule_that_never_forgets_is_found(window: BarColumns) -> None:
    assert check_rule_warm_up(values_of(planted.rule_that_never_forgets), ONE, window, LOOKBACK).status is Status.FAULT
    assert check_rule_warm_up(values_of(planted.sound_rule), ONE, window, LOOKBACK).status is Status.CLEAN


def test_a_warm_up_that_is_too_short_is_found(window: BarColumns) -> None:
    assert check_rule_warm_up(values_of(planted.sound_rule), ONE, window, 5).status is Status.FAULT


# Same-close fills


def test_fills_at_the_close_that_was_decided_on_are_found(history: History) -> None:
    fills = trade(history, lambda venue: planted.SameCloseVenue(venue.venue))
    verdict = check_fills(fills, history)
    assert (verdict.check, verdict.status) == (execution.FILLS, Status.FAULT)


def test_fills_after_the_decision_pass(history: History) -> None:
    assert check_fills(trade(history), history).status is Status.CLEAN


@pytest.mark.parametrize("role", ["liquidation", "hole"])
def test_what_the_venue_closes_of_its_own_accord_is_no_decision(history: History, role: str) -> None:
    fills = trade(history)
    own = np.arange(len(fills)) == int(np.flatnonzero(fills.is_market)[-1])
    closed_ms = fills.time_ms - fills.time_ms % history.interval_ms + history.interval_ms
    theirs = dataclasses.replace(
        fills,
        role=np.where(own, role, fills.role),
        decided_ms=np.where(own, closed_ms, fills.decided_ms),
        time_ms=np.where(own, closed_ms, fills.time_ms),
    )
    assert check_fills(theirs, history).status is Status.CLEAN


def test_fills_outside_the_bars_range_are_found(history: History) -> None:
    fills = trade(history)
    generous = dataclasses.replace(fills, price=np.where(fills.side > 0, 0.9, 1.1) * fills.price)
    assert check_fills(generous, history).status is Status.FAULT


# Missing costs


def test_a_venue_that_takes_no_fee_is_found(history: History) -> None:
    fills = trade(history, fee_bps="0")
    verdict = check_costs(fills, history, CostSettings())
    assert verdict.status is Status.FAULT
    assert "paid less than the fee" in verdict.detail


@pytest.mark.parametrize("changes", [{"taker_fee_bps": Decimal(0)}, {"slippage_bps": 0.0, "impact_bps": 0.0}])
def test_settings_without_costs_are_found(history: History, changes: dict[str, object]) -> None:
    costs = CostSettings().model_copy(update=changes)
    assert check_costs(trade(history), history, costs).status is Status.FAULT


def test_a_taker_who_gains_by_slippage_is_found(history: History) -> None:
    fills = trade(history)
    first = np.flatnonzero(fills.is_market & (fills.time_ms % history.interval_ms > 0))
    price = fills.price.copy()
    price[first] *= 1.0 - 0.0005 * fills.side[first]
    assert check_costs(dataclasses.replace(fills, price=price), history, CostSettings()).status is Status.FAULT


def test_fees_and_slippage_pass(history: History) -> None:
    verdict = check_costs(trade(history), history, CostSettings())
    assert verdict.status is Status.CLEAN, verdict.detail


def test_the_planted_learners_are_open_learners() -> None:
    assert isinstance(planted.SoundLearner(), OpenLearner)
