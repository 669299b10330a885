"""A console on a fake engine and a fake clock, and its screen as text."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from tests.tui.fake_control import FakeClock, FakeControl, log_lines, snapshot
from tui.console.app import QuarterdeckApp


@pytest.fixture(autouse=True)
def _same_terminal_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The theme and colours of the machine that runs the tests must not matter."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pilot looks every 20 ms whether the app is idle; this console is idle sooner. For its messages to be handled it
    waits 30 s of the clock, which a busy machine may need: without a limit here."""
    monkeypatch.setattr("textual._wait.SLEEP_GRANULARITY", 0.004)
    monkeypatch.setattr("textual._wait.SLEEP_IDLE", 0.0004)
    monkeypatch.setattr(Pilot._wait_for_screen, "__defaults__", (None,))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def control() -> FakeControl:
    fake = FakeControl(snapshot())
    fake.lines = log_lines(60)
    return fake


@pytest.fixture
def app(control: FakeControl, clock: FakeClock) -> QuarterdeckApp:
    """Its timer never fires by itself in a test: a test flushes when it wants to see something."""
    return QuarterdeckApp(control, clock_ms=clock, version="0.1.0", flush_hz=0.001)
