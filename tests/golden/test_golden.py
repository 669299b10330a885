"""Demo, event-driven backtest, sweep and live trading give what they gave, line for line.

Where a change is meant to decide otherwise: `pytest tests/golden --golden-update`, and the diff says what it changed.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from quarterdeck import QuarterdeckRuntime
from tests.engine import modes
from tests.engine.test_parity import EMA_CROSS, FROM_MS, HOUR_MS, SCALPER
from tests.golden import live, telling

FILES = Path(__file__).parent / "files"


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--golden-update"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    QuarterdeckRuntime().lab(tmp_path / "home").market("recorded")
    return tmp_path / "home"


@pytest.mark.parametrize("exit_mode", ["bracket", "reverse"])
def test_a_rule_in_demo_and_lab(home: Path, exit_mode: str, update: bool) -> None:
    (home / "settings.toml").write_text(EMA_CROSS.format(exit=exit_mode))
    period = (FROM_MS, FROM_MS + 12 * HOUR_MS)
    modes.demo(home, *period)
    _, event_driven = modes.backtest(home, "ema_cross", "event-driven", *period)
    _, swept = modes.backtest(home, "ema_cross", "sweep", *period)
    hold(f"ema_cross-{exit_mode}-demo", telling.of_journal(modes.journalled(home)), update)
    hold(f"ema_cross-{exit_mode}-event-driven", telling.of_run(event_driven), update)
    hold(f"ema_cross-{exit_mode}-sweep", telling.of_run(swept), update)


def test_a_model_in_demo_and_lab(home: Path, update: bool) -> None:
    (home / "settings.toml").write_text(SCALPER.format(retrain_minutes=60))
    period = (FROM_MS, FROM_MS + 3 * HOUR_MS)
    modes.demo(home, *period)
    run_id, event_driven = modes.backtest(home, "scalper", "event-driven", *period)
    _, swept = modes.backtest(home, "scalper", "sweep", *period, run_id)
    hold("scalper-demo", telling.of_journal(modes.journalled(home)), update)
    hold("scalper-event-driven", telling.of_run(event_driven), update)
    hold("scalper-sweep", telling.of_run(swept), update)


@pytest.mark.parametrize("strategy", sorted(live.KEYS))
def test_live(strategy: str, update: bool) -> None:
    hold(f"{strategy}-live", live.journal_of(strategy, 5), update)


def hold(name: str, lines: Iterable[str], update: bool) -> None:
    path, told = FILES / f"{name}.txt", "".join(f"{line}\n" for line in lines)
    if update:
        path.parent.mkdir(exist_ok=True)
        path.write_text(told)
    assert told == path.read_text(), f"{path.name} is not what this code gives"
