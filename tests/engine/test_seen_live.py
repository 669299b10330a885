"""Funding, a 15-minute bar and open interest as inputs have equal values live, in demo, lab and training."""

from __future__ import annotations

import json

import pytest

from core.domain.market import MINUTE_MS
from tests.docs.pages import run
from tests.engine.seen_live import MINUTES, RATES
from tests.engine.test_seen_streams import MAKE, TOML

CODE = """
import numpy as np
from core.domain.forecast import Output
from core.strategy.declaration import Part, Rule, Strategy

INPUTS = ("funding", "bars.15m", "open_interest.5m")


def scan(state, opens, highs, lows, closes, volumes, seen, parameters):
    own = 1e4 * (closes / opens - 1.0)
    return own + 1e3 * seen[:, 0] + 1e2 * (closes / seen[:, 4] - 1.0) + seen[:, 7] / 1e9


def decide(values, cost_bps, parameters):
    return (1 if values[0] > 25.0 else -1 if values[0] < -25.0 else 0), 0.5


def build(settings):
    part = Part((Output("crowd", "score"),), 20, Rule(scan, 1, ()), inputs=INPUTS)
    return Strategy("crowded", (part,), decide, stop_pct=1.0, target_pct=1.5, cooldown_ms=0, reverses=True)
"""

Rows = list[list[float]]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Rows]]:
    where = tmp_path_factory.mktemp("crowded")
    (where / "crowded.py").write_text(CODE)
    (where / "pyproject.toml").write_text(TOML)
    made = run(where, "-c", MAKE)
    assert made.returncode == 0, made.stderr
    found = run(where, "-m", "tests.engine.seen_live", str(where))
    assert found.returncode == 0, found.stdout[-2000:] + found.stderr[-4000:]
    return dict(json.loads(found.stdout.splitlines()[-1]))


@pytest.mark.parametrize("symbol", sorted(RATES))
def test_what_it_says_live_it_says_in_demo_and_lab(told: dict[str, dict[str, Rows]], symbol: str) -> None:
    live, demo, lab = ({int(row[0]): row[1] for row in told[way][symbol]} for way in ("live", "demo", "lab"))
    assert demo == lab
    assert live == {at: value for at, value in lab.items() if at in live}
    # The kill takes the bars that nobody decided on.
    assert len(lab) - len(live) <= 4
    assert len(live) > MINUTES - 25
    assert told["trades"]


@pytest.mark.parametrize("symbol", sorted(RATES))
def test_a_training_is_given_what_the_lab_gives_one(told: dict[str, dict[str, Rows]], symbol: str) -> None:
    live, lab = ({int(row[0]): row[1:] for row in told[way][symbol]} for way in ("live training", "lab training"))
    both = sorted(live.keys() & lab.keys())
    assert len(both) >= MINUTES - 2
    assert [live[at] for at in both] == [lab[at] for at in both]
    funding = [live[at][1] for at in both]
    assert set(funding) == {None, float(RATES[symbol])}
    # A rate counts from a minute after its settlement on, at the latest.
    first_ms = both[funding.index(float(RATES[symbol]))]
    assert first_ms % (480 * MINUTE_MS) == MINUTE_MS
    whole = [at for at in both if None not in live[at]]
    assert len(whole) > MINUTES - 25
    assert len({live[at][6] for at in whole}) > 3
    assert len({live[at][7] for at in whole}) > 5
