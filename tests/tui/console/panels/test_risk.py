"""The risk panel says of what is locked until when and why, and of what cannot be measured that it is not known."""

from __future__ import annotations

from msgspec.structs import replace

from core.control.protocol import BlockView
from tests.tui import screen
from tests.tui.fake_control import FakeControl, meter, snapshot
from tui.console.app import QuarterdeckApp

SIZE = (160, 50)


async def test_a_limit_that_cannot_be_measured_is_not_well(app: QuarterdeckApp, control: FakeControl) -> None:
    meters = (meter("funding_quiet BTCUSDT", 0.0, 1.0, "settlements", "unknown"),)
    control.current = replace(snapshot(), meters=meters)
    async with screen.running(app, SIZE) as pilot:
        await pilot.press("5")
        app.flush()
        await pilot.pause()
        (row,) = [line for line in screen.lines(app) if "funding quiet BTCUSDT" in line and "/1" in line]
        told = row.partition("funding quiet BTCUSDT")[2].partition("│")[0]
        assert told.split() == ["-/1", "settlements", "-"]


async def test_a_lock_stands_with_its_reason_and_its_end(app: QuarterdeckApp, control: FakeControl) -> None:
    shown = snapshot()
    ends = "when the operator unlocks the symbol, or its time is over"
    blocks = (BlockView("lock", "BTCUSDT", ends, "until 2026-11-28T14:00Z; listing"),)
    control.current = replace(shown, status=replace(shown.status, halts=("lock:BTCUSDT",), blocks=blocks))
    async with screen.running(app, SIZE) as pilot:
        await pilot.press("5")
        app.flush()
        await pilot.pause()
        text = screen.text(app)
        assert "lock BTCUSDT" in text
        assert "until 2026-11-28T14:00Z; listing" in text
        assert "RUNNING" in text
