"""Code from elsewhere in the lab: what looks ahead says so in every form, and what changes is another version."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.lab.requests import EXPORT_FORMS
from core.strategy.code_version import code_version
from tests.command.in_process import command, told
from tests.strategies.packages import distribution

DAY = ("--market", "recorded", "--symbol", "SOLUSDT", "--from", "2025-06-06", "--to", "2025-06-07")
RULE = """
import numpy as np

from core.domain.forecast import Output
from core.domain.trading import ExitReason
from core.strategy.declaration import ExitRule, Part, Rule, Strategy

AHEAD = {ahead}


def scan(state, opens, highs, lows, closes, volumes, parameters):
    values = np.full(len(closes), np.nan)
    if AHEAD:
        values[:-AHEAD] = 1e4 * (closes[AHEAD:] / closes[:-AHEAD] - 1.0)
    else:
        values[:] = 1e4 * (closes / opens - 1.0)
    values[np.abs(values) < 20.0] = np.nan
    return values


def decide(values, cost_bps, parameters):
    return 1 if values[0] > parameters[0] else -1 if values[0] < -parameters[0] else 0, 0.5


def profit_lock(side_sign, entry_price, price, values, held_ms, parameter):
    return held_ms >= 600_000 and side_sign * (price - entry_price) > 0.0


def near(values, volatility_pct, parameters):
    return 0.3, 0.6


def half(equity_usdt, price, stop_pct, confidence, volatility_pct, open_trades, parameters):
    return 0.5


def build(settings):
    return Strategy(
        name="{name}", parts=(Part((Output("ahead", "bps"),), 10, Rule(scan, 1, ())),), decide=decide,
        stop_pct=settings.tables.get("{name}", {{}}).get("stop_pct", 1.0), target_pct=2.0, cooldown_ms=0,
        {own} reverses=True, parameters=(12.0,),
    )
"""
OWN = {
    "exit profit_lock": "exits=(ExitRule(ExitReason.REVERSAL, profit_lock, 0.0),),",
    "bracket": "bracket=near,",
    "sizing": "sizing=half,",
}


def on_path(path: Path, name: str, *, ahead: int, own: str = "") -> Path:
    rule = RULE.format(ahead=ahead, name=name, own=own)
    return distribution(path, name, f"{name} = {name}_rule:build", {f"{name}_rule": rule})


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "site"
    path.mkdir()
    monkeypatch.syspath_prepend(str(path))
    return path


@pytest.mark.parametrize("ahead", [1, 5])
def test_a_rule_that_peeks_is_labelled_in_every_form(site: Path, tmp_path: Path, ahead: int) -> None:
    name = f"peeks{ahead}"
    on_path(site, name, ahead=ahead)
    home = tmp_path / "home"
    row = told(command(home, "backtest", name, *DAY, "--json"))
    assert row["labels"][0].startswith("LOOK-AHEAD: SOLUSDT: of the bar at 2025-06-06")
    text = command(home, "backtest", name, *DAY, "--engine", "sweep").stdout
    assert "LOOK-AHEAD" in text
    assert "LOOK-AHEAD" in command(home, "runs").stdout
    sweep = told(command(home, "sweep", name, *DAY, "--grid", "stop_pct=0.5,1", "--jobs", "1", "--json"))
    assert sweep["labels"][0].startswith("LOOK-AHEAD")
    walked = told(command(home, "walkforward", name, *DAY, "--train", "6h", "--test", "6h", "--json"))
    assert walked["labels"][0].startswith("LOOK-AHEAD")
    taken = told(command(home, "backtest", name, *DAY, "--predictions", "r0001", "--json"))
    assert taken["labels"] == row["labels"]
    for form in EXPORT_FORMS:
        target = tmp_path / f"{name}-{form}"
        answer = command(home, "runs", "export", "r0001", "--form", form, "--to", target)
        assert answer.exit_code == 0, answer.output
        files = [target] if target.is_file() else [path for path in target.rglob("*") if path.is_file()]
        assert any(b"LOOK-AHEAD" in path.read_bytes() for path in files), form


def test_a_rule_that_does_not_peek_has_no_label(site: Path, tmp_path: Path) -> None:
    on_path(site, "honest", ahead=0)
    row = told(command(tmp_path / "home", "backtest", "honest", *DAY, "--json"))
    assert (row["labels"], row["trades"] > 0) == ([], True)


def test_a_check_that_finds_a_fault_marks_the_runs_of_that_code(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path(site, "sly", ahead=5)
    home = tmp_path / "home"
    # As by a version that did not look.
    with monkeypatch.context() as patch:
        patch.setattr("core.lab.checks.truncation.quick_fault", lambda *_: "")
        assert told(command(home, "backtest", "sly", *DAY, "--json"))["labels"] == []
        assert told(command(home, "backtest", "ema_cross", *DAY, "--json"))["labels"] == []
    answer = command(home, "check", "sly", *DAY, "--only", "look-ahead", "--json")
    assert answer.exit_code == 1
    assert json.loads(answer.stdout)["marked_runs"] == 1
    marked, other = json.loads(command(home, "runs", "--json").stdout)
    assert marked["labels"][0].startswith("LOOK-AHEAD: ")
    assert other["labels"] == []
    report = command(home, "runs", "show", "r0001").stdout
    assert "LOOK-AHEAD" in report
    assert "marked: " not in command(home, "check", "sly", *DAY, "--only", "look-ahead").stdout


def test_the_code_version_covers_code_from_elsewhere(site: Path) -> None:
    on_path(site, "moved", ahead=0)
    before = code_version("moved")
    assert before.startswith(f"{code_version('ema_cross')}.")
    (site / "moved_rule.py").write_text(RULE.format(ahead=5, name="moved", own=""))
    assert code_version("moved") != before
    assert code_version("moved").partition(".")[0] == before.partition(".")[0]


def test_a_package_counts_whole(site: Path) -> None:
    package = site / "whole"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "inner.py").write_text("A = 1\n")
    distribution(site, "whole", "whole = whole.declaration:build")
    before = code_version("whole")
    (package / "inner.py").write_text("A = 2\n")
    assert code_version("whole") != before


@pytest.mark.parametrize("verb", [["sweep"], ["walkforward", "--train", "6h", "--test", "6h"]])
def test_a_grid_that_is_too_large_is_refused_before_anything_is_looked_up(tmp_path: Path, verb: list[str]) -> None:
    grid = [part for key in ("fast_bars", "slow_bars", "stop_pct") for part in ("--grid", f"{key}=1:101:1")]
    answer = command(tmp_path / "home", verb[0], "ema_cross", *verb[1:], *grid)
    assert answer.exit_code == 2
    assert "1,030,301 combinations" in answer.stderr
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("own", OWN)
def test_what_the_sweep_cannot_run_is_refused_in_a_line_before_anything_is_counted(
    site: Path, tmp_path: Path, own: str
) -> None:
    name = f"own_{own.partition(' ')[0]}"
    on_path(site, name, ahead=0, own=OWN[own])
    home = tmp_path / "home"
    for verb in (
        ("sweep", name, *DAY, "--grid", "stop_pct=0.5,1", "--jobs", "1"),
        ("walkforward", name, *DAY, "--train", "6h", "--test", "6h", "--grid", "stop_pct=0.5,1", "--jobs", "1"),
        ("backtest", name, *DAY, "--engine", "sweep"),
    ):
        answer = command(home, *verb, "--json")
        assert answer.exit_code == 2, verb[0]
        (line,) = answer.stderr.strip().splitlines()
        assert f"strategy {name}: the sweep cannot run " in line
        assert own in line
        assert "quarterdeck backtest" in line
        assert command(home, "runs", "--json").stdout.strip() == "[]", verb[0]
    row = told(command(home, "backtest", name, *DAY, "--json"))
    assert (row["trials"], row["trades"] > 0) == (1, True)
