"""Panel 4 says what was compared with what, and no bps of what has none."""

from __future__ import annotations

from msgspec.structs import replace

from tests.tui import screen
from tests.tui.fake_control import FakeControl, signal, snapshot
from tui.console.app import QuarterdeckApp


async def test_a_time_stop_shows_minutes_and_no_bps(app: QuarterdeckApp, control: FakeControl) -> None:
    left = replace(
        signal(0, "ETHUSDT", -1, "exit", "flatten"),
        value_bps=None,
        threshold_bps=None,
        confidence=None,
        compared="held 30 min, limit 30 min",
    )
    control.current = replace(snapshot(), signals=(left,))
    async with screen.running(app, (120, 40)) as pilot:
        await pilot.press("4")
        app.flush()
        await pilot.pause()
        assert app._flaw == ""
        lines = screen.lines(app)
    (row,) = (line for line in lines if "ETHUSDT" in line and "exit" in line)
    assert "bp" not in row
    assert "None" not in row
    assert any("Why ETHUSDT" in line and "held 30 min, limit 30 min" in line for line in lines)
