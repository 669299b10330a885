"""`attach` before it takes the terminal, and what it hands the console."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from core.control import client
from core.domain.errors import RefusedError
from core.home.folder import Home
from tests.tui.cli.fakes import Quarterdeck, RunningEngine

pytestmark = pytest.mark.usefixtures("terminal")


@pytest.fixture(autouse=True)
def _term(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.fixture
def seats(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What a console of one picture was given; it ends as one that is left."""
    seats: list[Any] = []

    def run_console(control: None, **given: Any) -> int:
        assert control is None
        assert given["engine_here"] is False
        connect: Callable[[], Awaitable[Any]] = given["connect"]
        left: Callable[[], Awaitable[None]] = given["left"]

        async def show() -> None:
            seat = await connect()
            seats.append(seat)
            await seat.refresh()
            await left()
            await seat.hang_up()

        asyncio.run(show())
        return 0

    monkeypatch.setitem(sys.modules, "tui.console.launch", SimpleNamespace(run_console=run_console))
    return seats


def test_the_console_has_the_engine_of_the_home_and_leaves_it(
    quarterdeck: Quarterdeck, engine: RunningEngine, seats: list[Any], kept: Home
) -> None:
    result = quarterdeck("attach")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"the console has left; the engine in {kept.root} goes on\n"
    assert seats[0].snapshot() == replace(engine.control.current, writer=seats[0].name)
    assert seats[0].name.startswith("console:")


def test_one_that_only_looks_on_may_do_what_makes_risk_smaller_alone(
    quarterdeck: Quarterdeck, engine: RunningEngine, seats: list[Any]
) -> None:
    assert quarterdeck("attach", "--read-only").exit_code == 0
    assert "--read-only" in seats[0].against("resume")
    assert seats[0].against("halt") == ""


def test_without_an_engine_it_is_said_and_nothing_is_drawn(
    quarterdeck: Quarterdeck, kept: Home, seats: list[Any]
) -> None:
    result = quarterdeck("attach")
    assert (result.exit_code, seats) == (3, [])
    assert result.stderr == f"quarterdeck: {kept.root}: no engine runs here; start one with `quarterdeck run`\n"


def test_an_engine_of_another_version_is_told_in_one_line(
    quarterdeck: Quarterdeck, engine: RunningEngine, seats: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "PROTOCOL_VERSION", 99)
    result = quarterdeck("attach")
    assert (result.exit_code, seats) == (RefusedError.exit_code, [])
    assert result.stderr.count("\n") == 1
    assert "run both from the same version of Quarterdeck" in result.stderr


def test_a_terminal_that_is_none_is_told_with_what_works_there(
    quarterdeck: Quarterdeck, engine: RunningEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    result = quarterdeck("attach")
    assert result.exit_code == 2
    assert "quarterdeck status" in result.stderr
