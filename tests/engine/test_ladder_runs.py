"""A strategy whose trades have several targets by a bracket of their own, and are reduced, added to and trailed: the
same in demo, interrupted demo and lab, and proved from its journal."""

from __future__ import annotations

import json

import pytest

from tests.docs.pages import run
from tests.engine.test_part_chain import MAKE

DECLARATION = """
import numpy as np

from core.domain.forecast import Output
from core.position.kit.trailing import trailing
from core.position.policy import ADD, HOLD, REDUCE, ExitPolicy
from core.strategy.declaration import Part, Rule, Strategy


def scan(state, opens, highs, lows, closes, volumes, parameters):
    values = np.empty((len(closes), 2))
    for i in range(len(closes)):
        range_pct = 100.0 * (highs[i] - lows[i]) / closes[i]
        state[1] = range_pct if state[0] == 0.0 else 0.9 * state[1] + 0.1 * range_pct
        values[i, 0] = 0.0 if state[0] == 0.0 else 1e4 * (closes[i] / state[0] - 1.0)
        values[i, 1] = state[1]
        state[0] = closes[i]
    return values


def decide(values, cost_bps, parameters):
    return (1 if values[0] > 4.0 else -1 if values[0] < -4.0 else 0), 0.5


def bracket(values, volatility_pct, parameters):
    width = max(volatility_pct, 0.05)
    third = np.nan if volatility_pct > 0.2 else 4.0 * width
    return max(3.0 * width, 0.2), ((width, 0.3), (2.0 * width, 0.3), (third, 0.2))


def reduce(state, held, bar, values, parameters):
    ahead_pct = 100.0 * held.sign * (bar.close / held.entry_price - 1.0)
    return (REDUCE, 0.4) if ahead_pct < -0.1 else (HOLD, 0.0)


def more(state, held, bar, values, parameters):
    ahead_pct = 100.0 * held.sign * (bar.close / held.entry_price - 1.0)
    return (ADD, 0.5) if ahead_pct > 0.03 and held.opened_qty < 1.9 * held.qty else (HOLD, 0.0)


def build(settings):
    # Known late, so that no sweep is asked of it.
    part = Part((Output("move", "bps"), Output("range", "pct")), 5, Rule(scan, 2, ()), latency_ms=500)
    return Strategy(
        "rungs",
        (part,),
        decide,
        stop_pct=0.3,
        target_pct=1.0,
        cooldown_ms=0,
        bracket=bracket,
        volatility="range",
        policies=(
            ExitPolicy("part off", reduce, says=(REDUCE,)),
            ExitPolicy("more of it", more, says=(ADD,)),
            trailing(0.3, 0.1),
        ),
    )
"""
TOML = """
[build-system]
requires = ["setuptools>=75"]
build-backend = "setuptools.build_meta"
[project]
name = "rungs"
version = "1.0"
[project.entry-points."quarterdeck.strategies"]
rungs = "rungs:build"
[tool.setuptools]
py-modules = ["rungs"]
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    where = tmp_path_factory.mktemp("rungs")
    for name, text in (("rungs.py", DECLARATION), ("pyproject.toml", TOML)):
        (where / name).write_text(text)
    made = run(where, "-c", MAKE)
    assert made.returncode == 0, made.stderr
    found = run(where, "-m", "tests.engine.part_runs", "rungs", str(where / "home"))
    assert found.returncode == 0, found.stdout[-2000:] + found.stderr[-4000:]
    return dict(json.loads(found.stdout.splitlines()[-1]))


def test_demo_interrupted_demo_and_event_driven_run_trade_the_same(told: dict[str, object]) -> None:
    """What is compared trade by trade stands in `part_runs`."""
    assert told["trades"] > 10  # type: ignore[operator]
    assert told["verified"] == [True, True]


def test_all_that_a_trade_can_do_happens_in_it(told: dict[str, list[list[object]]]) -> None:
    filled = {(role, place) for role, place in told["filled"]}
    assert filled >= {("target", 0), ("target", 1), ("entry", 0), ("entry", 1), ("reduce", 0), ("stop", 0)}
