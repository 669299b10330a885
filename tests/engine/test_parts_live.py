"""A model from outside with three probabilities, and an analyst: equal trades live, in the demo and the lab."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import installed, run
from tests.engine.test_seen_streams import MAKE

ANALYST = """
from core.domain.forecast import Because, Output
from core.domain.market import MINUTE_MS
from core.domain.trading import ExitReason
from core.arithmetic.exits import time_stop
from core.strategy.declaration import Analyst, ExitRule, Part, Strategy


async def ask(window):
    move = 1e4 * (window.close[-1] / window.close[-3] - 1.0)
    return [1.0 / (1.0 + 2.718281828459045 ** (-move / 10.0))]


def decide(values, cost_bps, parameters):
    return (1 if values[0] > 0.75 else -1 if values[0] < 0.25 else 0), values[0]


def because(values, cost_bps, parameters, direction):
    return (Because("mood", values[0], 0.75 if values[0] >= 0.5 else 0.25, "probability"),)


def build(settings):
    news = Part((Output("mood", "probability"),), 3, Analyst(lambda: ask), name="news", max_age_ms=12_000)
    exits = (ExitRule(ExitReason.TIME, time_stop, 8.0 * MINUTE_MS),)
    return Strategy("hears", (news,), decide, 0.4, 0.8, 0, exits, because=because)
"""
TOML = """
[build-system]
requires = ["setuptools>=75"]
build-backend = "setuptools.build_meta"
[project]
name = "hears"
version = "1.0"
[project.entry-points."quarterdeck.strategies"]
hears = "hears:build"
[tool.setuptools]
py-modules = ["hears"]
"""
Told = dict[str, Any]


def told_of(where: Path, name: str, more: str = "") -> Told:
    found = run(where, "-m", "tests.engine.parts_live", name, str(where), more)
    assert found.returncode == 0, found.stdout[-2000:] + found.stderr[-4000:]
    return dict(json.loads(found.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def tri_model(tmp_path_factory: pytest.TempPathFactory) -> Told:
    where = installed(tmp_path_factory.mktemp("tri-model"), "tri_model", "models.md")
    return told_of(where, "tri_model", "[tri_model]\nneeded = 0.45")


@pytest.fixture(scope="module")
def hears(tmp_path_factory: pytest.TempPathFactory) -> Told:
    where = tmp_path_factory.mktemp("hears")
    (where / "hears.py").write_text(ANALYST)
    (where / "pyproject.toml").write_text(TOML)
    made = run(where, "-c", MAKE)
    assert made.returncode == 0, made.stderr
    return told_of(where, "hears")


def assert_same_trades(told: Told) -> None:
    """Which, how much, from when to when and why, and at prices that a book's steps within a minute may lie apart."""
    live, demo, lab = (told["trades"][way] for way in ("live", "demo", "lab"))
    assert demo == lab
    assert [row[:6] for row in live] == [row[:6] for row in demo]
    assert len(live) > 5
    for ours, theirs in zip(live, demo, strict=True):
        assert ours[6:] == pytest.approx(theirs[6:], rel=1e-3)


def assert_same_forecasts(told: Told) -> None:
    live, demo, lab = (told["forecasts"][way] for way in ("live", "demo", "lab"))
    assert live == demo
    for symbol, rows in live.items():
        assert len(rows) > 100
        assert [[at, *values] for at, _, *values in rows] == lab[symbol]
        assert {after_ms for _, after_ms, *_ in rows} == {100}


def test_a_model_from_outside_trades_the_same_live_in_demo_and_lab(tri_model: Told) -> None:
    assert_same_forecasts(tri_model)
    assert_same_trades(tri_model)
    assert tri_model["trained"]["live"] == tri_model["trained"]["demo"]
    assert len(tri_model["trained"]["live"]) > 4
    assert tri_model["replayed"]


def test_its_probabilities_are_named_live_as_in_the_demo(tri_model: Told) -> None:
    live, demo = tri_model["signals"]["live"], tri_model["signals"]["demo"]
    assert live == demo
    for text in live:
        assert re.fullmatch(r"(BTC|ETH)USDT: p_(up|down) 0\.\d+, needed 0\.45\d*; p_flat 0\.\d\d", text)


def test_an_analyst_is_heard_live_and_trades_the_same_in_demo_and_lab(hears: Told) -> None:
    assert_same_forecasts(hears)
    assert_same_trades(hears)
    assert hears["signals"]["live"] == hears["signals"]["demo"]
    assert hears["replayed"]
