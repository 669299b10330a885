from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from core.domain.forecast import Because, Output
from core.domain.trading import ExitReason
from core.settings.schema import Settings
from core.strategy.decision import Decider
from strategies.scalper.declaration import build
from strategies.scalper.signals import decide

STRATEGY = build(Settings())


def test_the_default_declaration_is_the_published_strategy() -> None:
    assert STRATEGY.outputs == (Output("forecast", "bps"), Output("p_sign", "probability"))
    assert (STRATEGY.stop_pct, STRATEGY.target_pct) == (1.0, 3.0)
    assert STRATEGY.cooldown_ms == 3 * 60_000
    assert STRATEGY.part.horizon_ms == 10 * 60_000
    assert (STRATEGY.part.lifecycle.window_ms, STRATEGY.part.lifecycle.retrain_ms) == (48 * 3_600_000, 15 * 60_000)


@pytest.mark.parametrize(
    ("cost_bps", "needed_bps", "note"),
    [
        (0.0, 8.0, "smallest edge"),
        (7.0, 8.0, "smallest edge"),
        (7.5, 8.5, "round trip cost and 1 bps more"),
        (11.0, 12.0, "round trip cost and 1 bps more"),
    ],
)
def test_what_is_needed_pays_the_round_trip_and_never_falls_below_the_smallest_edge(
    cost_bps: float, needed_bps: float, note: str
) -> None:
    decider = Decider(STRATEGY, cost_bps)
    for sign in (1, -1):
        just = decider.decide(np.array([sign * needed_bps, 0.6]))
        assert (just.direction, just.confidence) == (0, 0.6)
        beyond = decider.decide(np.array([sign * (needed_bps + 0.25), 0.7]))
        assert (beyond.direction, beyond.confidence) == (sign, 0.7)
        assert beyond.because == (Because("forecast", sign * (needed_bps + 0.25), sign * needed_bps, "bps", note),)


def test_settings_reach_the_declaration() -> None:
    chosen = {"min_edge_bps": 20, "reversal_bps": 2, "window_hours": 13, "keep_versions": 4, "cooldown_minutes": 0}
    strategy = build(Settings.model_validate({"scalper": chosen}))
    assert strategy.parameters == (20.0, 1.0)
    assert strategy.exits[0].parameter == 2.0
    assert (strategy.part.lifecycle.window_ms, strategy.part.lifecycle.keep_versions) == (13 * 3_600_000, 4)
    assert strategy.cooldown_ms == 0
    assert strategy.part.model != STRATEGY.part.model


@pytest.mark.parametrize(
    ("value_bps", "direction"), [(12.1, 1), (12.0, 0), (0.0, 0), (-12.0, 0), (-12.1, -1), (float("nan"), 0)]
)
def test_only_a_forecast_beyond_what_is_needed_is_a_signal(value_bps: float, direction: int) -> None:
    assert Decider(STRATEGY, 11.0).direction(np.array([value_bps, 0.6])) == (direction, 0.6)


@pytest.mark.parametrize(
    ("side_sign", "value_bps", "leave"),
    [(1, -4.6, True), (1, -4.5, False), (1, 20.0, False), (-1, 4.6, True), (-1, 4.5, False), (-1, -20.0, False)],
)
def test_a_position_is_left_when_the_forecast_turns(side_sign: int, value_bps: float, leave: bool) -> None:
    (rule,) = STRATEGY.exits
    assert rule.reason is ExitReason.REVERSAL
    assert rule.function(side_sign, 100.0, 100.0, np.array([value_bps, 0.6]), 60_000, rule.parameter) is leave


compiled_decide = njit(decide)


@given(st.floats(), st.floats(0.0, 100.0), st.floats(0.0, 100.0))
@settings(deadline=None)
def test_decide_compiles_to_the_same_answers(value_bps: float, cost_bps: float, edge_bps: float) -> None:
    given = (np.array([value_bps, 0.6]), cost_bps, np.array([8.0, edge_bps]))
    assert compiled_decide(*given) == decide(*given)
