from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

import pytest

from core.home.folder import Home
from core.lab.requests import BacktestRequest
from quarterdeck import QuarterdeckRuntime
from storage.database import open_database
from storage.recorded import open_recorded
from tests.command import kit
from tests.command.kit import Answer

FROM_MS = 1_749_081_600_000  # 2025-06-05T00:00Z


@dataclass(frozen=True, slots=True)
class Run:
    """A run that nothing disturbed."""

    home: Path
    answer: Answer


@pytest.fixture(scope="session", autouse=True)
def _compiled(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What numba compiles is on disk before a command is waited for: on a fresh checkout that takes half a minute."""
    day = (FROM_MS, FROM_MS + 86_400_000)
    request = BacktestRequest("ema_cross", None, ("BTCUSDT",), *day, market="recorded")
    lab = QuarterdeckRuntime().lab(tmp_path_factory.mktemp("compiled"))
    assert lab.backtest(request, lambda _: None, lambda: False)["trades"] > 0


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Two runs of seed 7 and a shorter one of seed 8, each on a home of its own that was not there before."""
    base = tmp_path_factory.mktemp("runs")
    wishes = {"first": (7, kit.TO), "again": (7, kit.TO), "other": (8, "2025-06-06T12:34")}
    started = {
        name: kit.headless(base / name, "--seed", seed, "--from", kit.FROM, to=end)
        for name, (seed, end) in wishes.items()
    }
    return {name: Run(base / name, kit.finish(process)) for name, process in started.items()}


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the recorded market and no account: what a start would otherwise spend its time on."""
    home = Home(tmp_path_factory.mktemp("market") / "home")
    home.create()
    open_database(home.database)
    open_recorded(home.recorded, kit.ROOT / "data", now_ms=FROM_MS)
    return home.root


@pytest.fixture
def fresh(market: Path, tmp_path: Path) -> Path:
    """A home that never traded."""
    return Path(shutil.copytree(market, tmp_path / "home"))


@pytest.fixture
def traded(runs: dict[str, Run], tmp_path: Path) -> Path:
    """A home with models and open positions, stopped at TO."""
    return Path(shutil.copytree(runs["first"].home, tmp_path / "home"))


@pytest.fixture
def engine() -> Iterator[Callable[..., Popen[str]]]:
    """Starts headless engines that do not outlive the test."""
    started: list[Popen[str]] = []

    def launch(home: Path, *arguments: object, **options: str) -> Popen[str]:
        started.append(kit.headless(home, *arguments, **options))
        return started[-1]

    yield launch
    for process in started:
        kit.end(process)
