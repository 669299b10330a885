from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from core.domain.trading import ExitReason
from core.settings.schema import Settings
from strategies.scalper.declaration import build
from strategies.scalper.features import FEATURE_NAMES
from strategies.scalper.signals import decide

STRATEGY = build(Settings())


def test_the_default_declaration_is_the_published_strategy() -> None:
    assert STRATEGY.feature_names == FEATURE_NAMES
    assert (STRATEGY.stop_pct, STRATEGY.target_pct) == (1.0, 3.0)
    assert STRATEGY.cooldown_ms == 3 * 60_000
    assert STRATEGY.horizon_ms == 10 * 60_000
    assert (STRATEGY.lifecycle.window_ms, STRATEGY.lifecycle.retrain_ms) == (48 * 3_600_000, 15 * 60_000)


@pytest.mark.parametrize(("cost_bps", "threshold_bps"), [(0.0, 8.0), (7.0, 8.0), (7.5, 8.5), (11.0, 12.0)])
def test_the_threshold_pays_the_round_trip_and_never_falls_below_the_smallest_edge(
    cost_bps: float, threshold_bps: float
) -> None:
    assert STRATEGY.threshold_bps(cost_bps) == threshold_bps


def test_settings_reach_the_declaration() -> None:
    chosen = {"min_edge_bps": 20, "reversal_bps": 2, "window_hours": 13, "keep_versions": 4, "cooldown_minutes": 0}
    strategy = build(Settings.model_validate({"scalper": chosen}))
    assert strategy.threshold_bps(11.0) == 20.0
    assert strategy.exits[0].parameter == 2.0
    assert (strategy.lifecycle.window_ms, strategy.lifecycle.keep_versions) == (13 * 3_600_000, 4)
    assert strategy.cooldown_ms == 0
    assert strategy.model != STRATEGY.model


@pytest.mark.parametrize(
    ("value_bps", "direction"), [(12.1, 1), (12.0, 0), (0.0, 0), (-12.0, 0), (-12.1, -1), (float("nan"), 0)]
)
def test_only_a_forecast_beyond_the_threshold_is_a_signal(value_bps: float, direction: int) -> None:
    assert STRATEGY.decide(value_bps, 12.0) == direction


@pytest.mark.parametrize(
    ("side_sign", "value_bps", "leave"),
    [(1, -4.6, True), (1, -4.5, False), (1, 20.0, False), (-1, 4.6, True), (-1, 4.5, False), (-1, -20.0, False)],
)
def test_a_position_is_left_when_the_forecast_turns(side_sign: int, value_bps: float, leave: bool) -> None:
    (rule,) = STRATEGY.exits
    assert rule.reason is ExitReason.REVERSAL
    assert rule.function(side_sign, 100.0, 100.0, value_bps, 60_000, rule.parameter) is leave


compiled_decide = njit(decide)


@given(st.floats(), st.floats(0.0, 100.0))
@settings(deadline=None)
def test_decide_compiles_to_the_same_answers(value_bps: float, threshold_bps: float) -> None:
    assert compiled_decide(value_bps, threshold_bps) == decide(value_bps, threshold_bps)
