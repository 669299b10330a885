import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from core.domain.errors import QuarterdeckError
from core.home.folder import Home
from tests.core.control.control_samples import T0_MS, FakeControl
from tests.tui.cli.fakes import FakeRuntime, Quarterdeck, RunningEngine
from tui.cli import cli, options


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    return home


@pytest.fixture
def kept(home: Home) -> Home:
    """A home in which an engine has run."""
    home.database.touch()
    return home


@pytest.fixture
def runtime() -> FakeRuntime:
    return FakeRuntime()


@pytest.fixture
def engine(kept: Home) -> Iterator[RunningEngine]:
    engine = RunningEngine(kept)
    engine.start()
    yield engine
    engine.stop()


@pytest.fixture
def quarterdeck(home: Home, runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch) -> Quarterdeck:
    monkeypatch.setenv("QUARTERDECK_HOME", str(home.root))

    def call(*arguments: str, answer: str | None = None) -> Result:
        return CliRunner().invoke(cli, list(arguments), obj=runtime, input=answer)

    return call


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person sits here."""
    monkeypatch.setattr(options, "sys", SimpleNamespace(**dict.fromkeys(("stdin", "stdout", "stderr"), _Terminal())))


class _Terminal:
    def isatty(self) -> bool:
        return True


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch) -> list[FakeControl]:
    """Stands in for the screen: connects, shows what kept it from that, and ends with exit code 0."""
    seen: list[Any] = []

    def run_console(
        control: None,
        *,
        connect: Callable[[], Awaitable[Any]],
        clock_ms: Callable[[], int],
        version: str,
        lab: Any,
        let_go: Callable[[], None],
        mode: str,
        live: None,
    ) -> int:
        assert mode == "demo"
        assert live is None
        assert callable(let_go)
        assert callable(lab.start)
        assert control is None
        assert clock_ms() > T0_MS
        assert version

        async def show() -> None:
            with contextlib.suppress(QuarterdeckError):
                seen.append(await connect())

        asyncio.run(show())
        return 0

    monkeypatch.setitem(sys.modules, "tui.console.launch", SimpleNamespace(run_console=run_console))
    return seen
