"""Of several consoles one writes: what the others are told, and how they come to write."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from core.control.operations import OPERATIONS
from core.control.request import Claim
from core.domain.errors import RefusedError
from tests.tui import screen
from tests.tui.fake_control import FakeClock, FakeControl, snapshot
from tui.console.app import QuarterdeckApp

SIZE = (120, 40)


@pytest.fixture
def control() -> FakeControl:
    """Paused, and another console holds the write lease."""
    fake = FakeControl(replace(snapshot(state="paused"), writer="ann#1"))
    fake.name = "bob#2"
    return fake


@pytest.fixture
def app(control: FakeControl, clock: FakeClock) -> QuarterdeckApp:
    return QuarterdeckApp(control, clock_ms=clock, version="0.1.0", flush_hz=0.001)


async def test_who_does_not_hold_it_does_what_makes_risk_smaller_and_hears_why_nothing_else(
    app: QuarterdeckApp, control: FakeControl
) -> None:
    async with screen.running(app, SIZE) as pilot:
        await pilot.press("R")
        assert app.desk.notice is not None
        assert "ann#1 holds the write lease" in app.desk.notice.text
        assert app.desk.question is None
        await pilot.press("K", "K")
        await pilot.press("F")
        assert app.desk.question is not None
        await pilot.press("n")
    assert control.commands == ["halt"]


async def test_it_is_taken_over_after_a_yes_alone(
    app: QuarterdeckApp, control: FakeControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims: list[Claim] = []

    async def claim(claim: Claim) -> str:
        claims.append(claim)
        return "bob#2" if claim == "over" else "ann#1"

    monkeypatch.setattr(control, "claim", claim)
    async with screen.running(app, SIZE) as pilot:
        await pilot.press("W")
        await pilot.pause()
        app.flush()
        await pilot.pause()
        assert "TAKE OVER the write lease from ann#1?" in screen.text(app)
        await pilot.press("n")
        assert claims == ["free"]
        await pilot.press("W")
        await pilot.pause()
        await pilot.press("y")
        await pilot.pause()
        assert claims == ["free", "free", "over"]
        assert app.desk.notice is not None
        assert "this console holds the write lease" in app.desk.notice.text


async def test_where_nobody_holds_it_one_key_takes_it(app: QuarterdeckApp, control: FakeControl) -> None:
    async with screen.running(app, SIZE) as pilot:
        await pilot.press("W")
        await pilot.pause()
        assert control.claims == ["free"]
        assert app.desk.question is None


async def test_a_console_that_only_looks_on_is_told_so(
    app: QuarterdeckApp, control: FakeControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def claim(_: Claim) -> str:
        raise RefusedError("this console was attached with --read-only")

    monkeypatch.setattr(control, "claim", claim)
    async with screen.running(app, SIZE) as pilot:
        await pilot.press("W")
        await pilot.pause()
        assert app.desk.question is None
        assert app.desk.notice is not None
        assert "REFUSED: this console was attached with --read-only" in app.desk.notice.text


async def test_who_only_looks_on_sees_who_writes(app: QuarterdeckApp, control: FakeControl) -> None:
    control.current = replace(snapshot(), writer="ann#1")
    async with screen.running(app, SIZE):
        app.flush()
        assert "ann#1 holds the write lease; here P, K, F, L, C work all the same, W takes it over" in screen.text(app)
        control.current = replace(snapshot(2), writer="bob#2")
        app.flush()
        assert "holds the write lease" not in screen.text(app)
    assert {act for act, operation in OPERATIONS.items() if operation.reduces} >= {"pause", "halt", "flatten"}


async def test_a_connection_that_is_gone_is_told_with_the_age_of_what_is_shown(
    app: QuarterdeckApp, control: FakeControl, clock: FakeClock
) -> None:
    control.current = snapshot()
    async with screen.running(app, SIZE):
        app.flush()
        assert "STALE" not in screen.text(app)
        control.problem = "/home/x: no engine runs here"
        clock.now_ms += 2_000
        app.flush()
        shown = screen.text(app)
        assert "STALE 2s" in shown
        assert "every number here is at least 2s old; /home/x: no engine runs here" in shown
        control.problem, control.current = "", snapshot(2)
        app.flush()
        assert "STALE" not in screen.text(app)
