"""Steering a running engine from another process, and what the verbs say without one."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen
from typing import Any

from core.control.client import request
from core.home.folder import Home
from tests.command import kit

Engine = Callable[..., Popen[str]]


def status_of(home: Path) -> dict[str, Any]:
    found = kit.live(home)
    assert found is not None
    return found


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_operator_steers_a_running_engine(traded: Path, engine: Engine) -> None:
    process = engine(traded, speed=12, to="2025-06-06T20:00")
    kit.until(lambda: kit.is_trading(traded), "an engine", process)
    assert mode(traded) == 0o700
    private = [path for path in traded.iterdir() if not path.is_dir()]
    assert {path.name for path in private} >= {"engine.sock", "engine.lock", "quarterdeck.db", "quarterdeck.log"}
    assert {path.name: oct(mode(path)) for path in private if mode(path) != 0o600} == {}

    def steer(*arguments: str) -> kit.Answer:
        return kit.quarterdeck(*arguments, "--home", traded)

    def held() -> list[str]:
        positions = request(Home(traded), "snapshot", {"parts": ["positions"]})["positions"]
        return sorted(position["symbol"] for position in positions)

    assert held() == ["SOLUSDT", "XRPUSDT"]
    unknown = steer("flatten", "NOPEUSDT", "--yes")
    assert unknown.code == 1
    assert "NOPEUSDT" in unknown.err
    assert steer("flatten", "solusdt", "--yes").code == 0
    kit.until(lambda: held() == ["XRPUSDT"], "the end of one position", process)
    assert steer("flatten", "--yes").code == 0
    kit.until(lambda: held() == [], "the end of all positions", process)
    assert status_of(traded)["state"] == "paused"
    assert steer("resume", "--yes").code == 0

    assert steer("pause").code == 0
    paused = kit.read("status", traded)
    assert (paused["running"], paused["state"], paused["halts"]) == (True, "paused", ["paused"])
    for verb in (["resume"], ["flatten"], ["flatten", "SOLUSDT"]):
        refused = steer(*verb)
        assert (refused.code, refused.out) == (1, "")
        assert refused.err == "quarterdeck: not done: there is no terminal to ask on; add --yes\n"
    assert status_of(traded)["state"] == "paused"
    assert steer("resume", "--yes").code == 0
    assert status_of(traded)["state"] == "running"
    assert steer("halt").code == 0
    assert status_of(traded)["state"] == "halted"
    assert steer("resume", "--yes").code == 0

    journalled = kit.rows(traded, "SELECT verb, symbol, operator FROM operator_commands")
    assert [row[:2] for row in journalled if row[1] != "NOPEUSDT"] == [
        ("flatten", "SOLUSDT"),
        ("flatten", "SOLUSDT"),  # the first time as it was asked for, the second time as done
        ("flatten", ""),
        ("flatten", ""),
        ("resume", ""),
        ("pause", ""),
        ("resume", ""),
        ("halt", ""),
        ("resume", ""),
    ]
    assert {row[2].partition(":")[0] for row in journalled} == {"cli"}

    second = kit.finish(engine(traded))
    assert second.code == 3
    assert f"process {process.pid}) already runs here" in second.err
    assert second.err.count("\n") == 1
    process.terminate()
    assert kit.finish(process).code == 0
    kit.assert_released(traded)


def test_steering_needs_an_engine(traded: Path) -> None:
    before = kit.contents(traded)
    for verb in (["pause"], ["resume", "--yes"], ["halt"], ["flatten", "--yes"]):
        answer = kit.quarterdeck(*verb, "--home", traded)
        assert (answer.code, answer.out) == (3, "")
        told = f"quarterdeck: {Home(traded).root}: no engine runs here; start one with `quarterdeck run`"
        assert answer.err.startswith(told)
        assert ("`quarterdeck panic`" in answer.err) is (verb[0] == "flatten")
        assert answer.err.count("\n") == 1
    assert kit.contents(traded) == before


def test_doctor_names_the_strategy_that_the_settings_choose(tmp_path: Path) -> None:
    chosen = tmp_path / "mine.toml"
    chosen.write_text('strategy = "ema_cross"\n')
    answer = kit.quarterdeck("doctor", "--home", tmp_path / "home", "--settings", chosen, "--workers", "--json")
    details = {finding["name"]: finding["detail"] for finding in json.loads(answer.out)}
    assert details["strategy"] == "ema_cross"
    assert details["workers"] == "none needed: ema_cross has no model"
