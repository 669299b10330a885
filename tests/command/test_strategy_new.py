"""`quarterdeck strategy new`, by the real command: what it makes is found, passes its tests and trades."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command import kit
from tests.docs.pages import METADATA, run

MAIN = "from quarterdeck import main; main()"
DAY = ("--market", "recorded", "--symbol", "BTCUSDT", "--from", "2025-06-05", "--to", "2025-06-06")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The new distribution, with the metadata that an installation adds."""
    into = tmp_path_factory.mktemp("own")
    answer = kit.quarterdeck("strategy", "new", "night_owl", "--into", into)
    assert answer.code == 0, answer
    found = run(into / "night-owl", "-c", METADATA)
    assert found.returncode == 0, found.stderr
    return into / "night-owl"


def test_its_own_tests_pass(made: Path) -> None:
    found = run(made, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert found.returncode == 0, found.stdout + found.stderr
    assert "4 passed" in found.stdout


def test_it_trades_and_no_check_finds_a_fault(made: Path) -> None:
    home = ("--home", "home", "--json")
    found = run(made, "-c", MAIN, "backtest", "night_owl", *DAY, *home)
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["trades"] > 0
    checked = run(made, "-c", MAIN, "check", "night_owl", *DAY, *home)
    assert json.loads(checked.stdout)["faults"] == 0, checked.stdout + checked.stderr


def test_its_search_space_can_be_swept(made: Path) -> None:
    found = run(made, "-c", MAIN, "sweep", "night_owl", *DAY, "--trials", "3", "--home", "home", "--json")
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["trials"] == 3


def test_a_demo_trades_it(made: Path) -> None:
    (made / "mine.toml").write_text('strategy = "night_owl"\n[market]\nsymbols = ["BTCUSDT"]\n[night_owl]\nbars = 40\n')
    began = ("--settings", "mine.toml", "--home", "demo-home")
    period = ("--speed", "max", "--from", "2025-06-05", "--to", "2025-06-05T06:00")
    found = run(made, "-c", MAIN, "run", "--headless", *began, *period)
    assert found.returncode == 0, found.stderr
    told = run(made, "-c", MAIN, "signals", "--home", "demo-home", "--json")
    rows = json.loads(told.stdout)
    assert {row["strategy"] for row in rows} == {"night_owl"}
    assert any(row["action"] == "enter" for row in rows)
