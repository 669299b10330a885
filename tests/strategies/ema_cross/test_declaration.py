from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from core.domain.errors import SettingsError
from core.settings.schema import Settings, parse_settings
from core.strategy.decision import Decider
from strategies.ema_cross.declaration import build, decide
from tests.strategies.recorded import recorded


def test_the_default_declaration() -> None:
    strategy = build(Settings())
    assert (strategy.name, strategy.stop_pct, strategy.target_pct, strategy.cooldown_ms) == ("ema_cross", 1.0, 3.0, 0)
    assert strategy.part.rule is not None
    assert strategy.part.rule.parameters == (12.0, 26.0, 30.0)
    assert (strategy.exits, strategy.reverses) == ((), False)
    assert (strategy.part.model, strategy.part.lifecycle) == (None, None)


def test_settings_reach_the_declaration() -> None:
    chosen = {
        "fast_bars": 3,
        "slow_bars": 9,
        "first_signal_bar": 5,
        "exit": "reverse",
        "stop_pct": 0.5,
        "target_pct": 2,
        "cooldown_minutes": 7,
    }
    strategy = build(Settings.model_validate({"ema_cross": chosen}))
    assert strategy.part.rule is not None
    assert strategy.part.rule.parameters == (3.0, 9.0, 5.0)
    assert strategy.reverses
    assert (strategy.stop_pct, strategy.target_pct, strategy.cooldown_ms) == (0.5, 2.0, 7 * 60_000)


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"ema_cross": {"fast_bars": 26}}, "ema_cross.fast_bars must be below ema_cross.slow_bars"),
        ({"ema_cross": {"fast_bars": 0}}, "ema_cross.fast_bars: Input should be greater than or equal to 1, got 0"),
        ({"ema_cross": {"exit": "revers"}}, "ema_cross.exit: Input should be 'bracket' or 'reverse', got 'revers'"),
        ({"ema_cross": {"fast_bar": 3}}, "ema_cross.fast_bar: unknown key; did you mean fast_bars?"),
        (
            {"strategy": "ema_cross", "ema_cross": {"stop_pct": 6}},
            "ema_cross.stop_pct must lie between limits.min_stop",
        ),
    ],
)
def test_settings_that_cannot_be(chosen: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=r"^mine\.toml: ") as caught:
        parse_settings(chosen, "mine.toml")
    assert said in str(caught.value)


def test_the_stop_of_a_strategy_that_is_not_traded_may_be_anywhere() -> None:
    assert parse_settings({"ema_cross": {"stop_pct": 6}}, "mine.toml").tables["ema_cross"]["stop_pct"] == 6
    assert (
        parse_settings({"strategy": "ema_cross", "scalper": {"stop_pct": 6}}, "mine.toml").tables["scalper"]["stop_pct"]
        == 6
    )


@pytest.mark.parametrize("slow_bars", [2, 26, 200])
def test_after_the_look_back_the_start_of_the_history_does_not_matter(slow_bars: int) -> None:
    strategy = build(Settings.model_validate({"ema_cross": {"fast_bars": 1, "slow_bars": slow_bars}}))
    assert strategy.part.rule is not None
    rule, closes = strategy.part.rule, recorded("ETHUSDT").close

    def values(part: np.ndarray) -> np.ndarray:
        return rule.scan(np.zeros(rule.state_size), part, part, part, part, part, np.array(rule.parameters))

    whole = values(closes)
    for start in (1, 777, 5000):
        skipped = start + strategy.part.lookback_bars
        late = values(closes[start:])[strategy.part.lookback_bars :]
        assert np.isfinite(late).any()
        np.testing.assert_allclose(late, whole[skipped:], rtol=1e-6, atol=1e-9)


@given(st.floats(allow_nan=True), st.floats(0.0, 100.0))
@settings(deadline=None)
def test_decide_compiles_to_the_same_answers(value_bps: float, cost_bps: float) -> None:
    given = (np.array([value_bps]), cost_bps, np.zeros(0))
    assert compiled_decide(*given) == decide(*given)


compiled_decide = njit(decide)


@pytest.mark.parametrize(("value_bps", "direction"), [(1e-12, 1), (-1e-12, -1), (0.0, 0), (float("nan"), 0)])
def test_every_cross_is_traded(value_bps: float, direction: int) -> None:
    assert Decider(build(Settings()), 11.0).direction(np.array([value_bps])) == (direction, 0.5)


def test_the_declaration_alone_imports_no_compiler() -> None:
    code = "import sys, strategies.ema_cross.declaration, core.strategy.loading; print('numba' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
