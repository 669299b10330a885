"""A model that learns from what another model and a rule behind it said, each known some seconds late: the same in
demo, interrupted demo and lab."""

from __future__ import annotations

import json

import pytest

from tests.docs.pages import run
from tests.engine.part_runs import MINUTE_MS

DECLARATION = """
from core.domain.forecast import Output
from core.domain.market import MINUTE_MS
from core.strategy.declaration import Lifecycle, ModelSpec, Part, Rule, Strategy

TIMES = Lifecycle(window_ms=120 * MINUTE_MS, retrain_ms=30 * MINUTE_MS)


def scan(state, opens, highs, lows, closes, volumes, seen, parameters):
    values = seen[:, 0].copy()
    for i in range(len(closes)):
        state[0] = 0.9 * state[0] + seen[i, 0]
        values[i] = state[0]
    return values


def decide(values, cost_bps, parameters):
    return (1 if values[1] > 0.5 else -1 if values[1] < -0.5 else 0), 0.5


def build(settings):
    return Strategy(
        "stairs",
        (
            Part(
                (Output("ahead", "bps"),),
                16,
                ModelSpec("stairs_model", "[]"),
                TIMES,
                5 * MINUTE_MS,
                "base",
                latency_ms=2_000,
            ),
            Part((Output("run", "score"),), 1, Rule(scan, 1, ()), name="run", inputs=("base",)),
            Part(
                (Output("edge", "bps"),),
                16,
                ModelSpec("stairs_model", '["run.run", "base.ahead", "time.minute_of_day"]'),
                TIMES,
                5 * MINUTE_MS,
                "edge",
                inputs=("run", "time", "base"),
                latency_ms=3_000,
            ),
        ),
        decide,
        stop_pct=0.3,
        target_pct=0.4,
        cooldown_ms=0,
        decides_on=("run", "edge"),
    )
"""
MODEL = """
import json

import numpy as np

from core.features.catalogue import columns
from core.features.table import table
from core.learning.protocol import Fit, SavedModel

OWN = ("ret_1m_bps", "ret_5m_bps")


class Linear:
    def __init__(self, seen, weights):
        self.seen, self.weights = seen, np.array(weights)

    def predict(self, window):
        row = rows(self.seen, window)[-1]
        return None if np.isnan(row).any() else [float(row @ self.weights)]

    def explain(self, window, top):
        return ()

    def save(self):
        return SavedModel({"weights.json": json.dumps(self.weights.tolist()).encode()}, {})


def rows(seen, window):
    told = [window.seen.column(name) for name in seen]
    return np.column_stack([np.ones(len(window.close)), table(columns(OWN), window), *told])


class Learner:
    def __init__(self, seen):
        self.seen = seen
        self.feature_names = (*OWN, *seen)

    def fit(self, window, seed):
        known = rows(self.seen, window)[:-5]
        returns_bps = 1e4 * (window.close[5:] / window.close[:-5] - 1.0)
        whole = ~np.isnan(known).any(axis=1)
        if whole.sum() < 40:
            return Fit(None, False, f"{whole.sum()} rows")
        known, returns_bps = known[whole], returns_bps[whole]
        weights = np.linalg.solve(known.T @ known + np.eye(known.shape[1]), known.T @ returns_bps)
        return Fit(Linear(self.seen, weights), True, "")

    def load(self, saved):
        return Linear(self.seen, json.loads(saved.files["weights.json"]))

    def warm_up(self):
        pass


def create_learner(seen):
    return Learner(tuple(seen))
"""
TOML = """
[build-system]
requires = ["setuptools>=75"]
build-backend = "setuptools.build_meta"
[project]
name = "stairs"
version = "1.0"
[project.entry-points."quarterdeck.strategies"]
stairs = "stairs:build"
[tool.setuptools]
py-modules = ["stairs", "stairs_model"]
"""
MAKE = "from setuptools import build_meta; build_meta.prepare_metadata_for_build_wheel('.')"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    where = tmp_path_factory.mktemp("stairs")
    for name, text in (("stairs.py", DECLARATION), ("stairs_model.py", MODEL), ("pyproject.toml", TOML)):
        (where / name).write_text(text)
    made = run(where, "-c", MAKE)
    assert made.returncode == 0, made.stderr
    found = run(where, "-m", "tests.engine.part_runs", "stairs", str(where / "home"))
    assert found.returncode == 0, found.stdout[-2000:] + found.stderr[-4000:]
    return dict(json.loads(found.stdout.splitlines()[-1]))


def test_it_says_the_same_in_demo_interrupted_demo_and_lab(told: dict[str, object]) -> None:
    assert told["trades"] > 3  # type: ignore[operator]
    assert told["parts"] == ["base", "edge", "run"]
    assert told["whole"] == told["interrupted"]
    assert told["decided_on"] == told["lab"]
    assert told["trained"] == told["trained_again"]
    assert told["verified"] == [True, True]


def test_a_part_that_learns_from_forecasts_begins_once_there_are_enough_of_them(told: dict[str, list[str]]) -> None:
    trained = [version.split(":")[0] for version in told["trained"]]
    assert trained.index("edge") > trained.index("base")
    said: dict[str, list[list[int]]] = told["whole"]  # type: ignore[assignment]
    first = {name: rows[0][0] for name, rows in said.items()}
    assert first["base SOLUSDT"] == first["run SOLUSDT"]
    assert first["edge SOLUSDT"] > first["base SOLUSDT"] + 40 * MINUTE_MS
    made_ms = {name.split()[0]: rows[0][1] - rows[0][0] for name, rows in said.items()}
    assert made_ms == {"base": 2_000, "run": 2_000, "edge": 5_000}
