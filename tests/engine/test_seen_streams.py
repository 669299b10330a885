"""A rule that is given imported streams: the same in demo, restarted demo, backtest and sweep, and silent where one is
missing."""

from __future__ import annotations

import json

import pytest

from tests.docs.pages import run
from tests.engine.seen_streams import FROM_MS, MINUTE_MS, SILENT, T0, TO_MS

CODE = """
import numpy as np
from core.domain.forecast import Output
from core.strategy.declaration import Part, Rule, Strategy

SEEN = 2 + 5 + 3


def scan(state, opens, highs, lows, closes, volumes, seen, parameters):
    assert seen.shape == (len(closes), SEEN)
    values = np.empty(len(closes))
    for i in range(len(closes)):
        interest, bar_close, minute = seen[i, 0], seen[i, 5], seen[i, 7]
        values[i] = 1e4 * (closes[i] / bar_close - 1.0) + (interest - state[0]) + minute / 1e3
        if interest == interest:
            state[0] = interest
    return values


def decide(values, cost_bps, parameters):
    return (1 if values[0] > 30.0 else -1 if values[0] < -30.0 else 0), 0.5


def build(settings):
    part = Part(
        (Output("crowd", "score"),), 20, Rule(scan, 1, ()), inputs=("open_interest.5m", "bars.15m", "time")
    )
    return Strategy("crowded", (part,), decide, stop_pct=0.3, target_pct=0.4, cooldown_ms=0)
"""
TOML = """
[build-system]
requires = ["setuptools>=75"]
build-backend = "setuptools.build_meta"
[project]
name = "crowded"
version = "1.0"
[project.entry-points."quarterdeck.strategies"]
crowded = "crowded:build"
[tool.setuptools]
py-modules = ["crowded"]
"""
MAKE = "from setuptools import build_meta; build_meta.prepare_metadata_for_build_wheel('.')"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    where = tmp_path_factory.mktemp("crowded")
    (where / "crowded.py").write_text(CODE)
    (where / "pyproject.toml").write_text(TOML)
    made = run(where, "-c", MAKE)
    assert made.returncode == 0, made.stderr
    found = run(where, "-m", "tests.engine.seen_streams", str(where / "home"))
    assert found.returncode == 0, found.stdout[-2000:] + found.stderr[-4000:]
    return dict(json.loads(found.stdout.splitlines()[-1]))


def test_it_says_the_same_in_demo_restarted_demo_and_lab(told: dict[str, list[object]]) -> None:
    demo, interrupted, lab = told["forecasts"]
    assert demo == interrupted == lab
    assert told["trades"] > 5  # type: ignore[operator]
    assert told["verified"] == [True, True]
    assert told["checks"][0] == "clean"


def test_where_an_input_is_missing_nothing_is_forecast(told: dict[str, list[list[list[int]]]]) -> None:
    """A row of five minutes counts until the one after the next begins and five minutes more."""
    stale_ms = T0 + (SILENT[0] - 5 + 15) * MINUTE_MS
    again_ms = T0 + (SILENT[-1] + 5 + 5) * MINUTE_MS
    closes = {row[0] for row in told["forecasts"][0]}
    expected = set(range(FROM_MS + MINUTE_MS, TO_MS + 1, MINUTE_MS))
    assert expected - closes == set(range(stale_ms + MINUTE_MS, again_ms, MINUTE_MS))


def test_which_and_since_when_is_told(told: dict[str, list[str]]) -> None:
    missing = [line for line in told["log"] if "no forecast of AUSDT: open_interest.5m is missing since" in line]
    assert len(missing) == 1
    assert "missing since 2025-06-05 03:30 UTC" in missing[0]
    assert any("AUSDT is forecast again" in line for line in told["log"])
    (label,) = (label for label in told["labels"] if "MISSING INPUTS" in label)
    assert "AUSDT at 114 of 540 bars, first of open_interest.5m" in label


def test_a_run_over_a_market_without_a_stream_is_refused(told: dict[str, str]) -> None:
    assert told["refused"].startswith("crowded needs open_interest.5m of AUSDT, and none is stored of 2025-06-05")
    assert "import it with: quarterdeck data import FILE" in told["refused"]
    assert "\n" not in told["refused"]
