"""What the screen says of an engine that may or may not open positions."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from core.control.protocol import BlockView, Snapshot
from tests.tui import screen
from tests.tui.fake_control import FakeClock, FakeControl, live_snapshot, meter, snapshot
from tui.console.app import QuarterdeckApp

SIZES = [(40, 10), (80, 24), (120, 40), (200, 50)]
CLEARS = "when streams, requests and clock have been well for 20 s"


def blocked(seq: int = 1) -> Snapshot:
    block = BlockView("day_loss_usdt", "", "at 00:00 UTC")
    return live_snapshot(seq, halts=("day_loss_usdt",), blocks=(block,))


@pytest.mark.parametrize("size", SIZES)
async def test_a_blocked_engine_says_by_what_and_until_when(
    app: QuarterdeckApp, control: FakeControl, size: tuple[int, int]
) -> None:
    control.current = blocked()
    async with screen.running(app, size):
        lines = screen.lines(app)
        assert " BLOCKED " in lines[0]
        assert "RUNNING" not in screen.text(app)
        assert "HALT:" not in screen.text(app)
        notice = lines[-2]
        assert "day loss usdt until 00:00 UTC" in notice


@pytest.mark.parametrize("size", SIZES)
async def test_a_full_book_is_no_alarm(app: QuarterdeckApp, control: FakeControl, size: tuple[int, int]) -> None:
    full = snapshot(halts=("open_positions",))
    meters = tuple(
        meter("open_positions", 5, 5, "", "blocked") if m.name == "open_positions" else m for m in full.meters
    )
    control.current = replace(full, meters=meters)
    async with screen.running(app, size) as pilot:
        await pilot.press("5")
        text = screen.text(app)
        assert " RUNNING " in text
        assert "HALT:" not in text
        assert "BLOCKED" not in text
        if size[0] > 40:
            assert "!1" in text or "alerts 1" in text  # the drawdown's warning
            assert "FULL" in text
            assert "all ok" not in text


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"state": "paused", "halts": ("paused",)}, "PAUSED"),
        ({"state": "halted", "halts": ("halted",)}, "HALTED"),
        ({"connection": "market stream: silent for 12 s"}, "connection BLOCKED"),
        ({"halts": ("stop_refused:BTCUSDT",)}, "stop refused BTCUSDT BLOCKED"),
        ({"state": "recovering"}, "RECOVERING"),
    ],
)
@pytest.mark.parametrize("size", SIZES[1:])
async def test_the_risk_panel_never_says_all_ok_while_something_stands(
    app: QuarterdeckApp, control: FakeControl, changes: dict[str, str], word: str, size: tuple[int, int]
) -> None:
    calm = snapshot(**changes)  # type: ignore[arg-type]
    control.current = replace(calm, meters=tuple(replace(m, level="ok") for m in calm.meters))
    async with screen.running(app, size) as pilot:
        await pilot.press("5")
        text = screen.text(app)
        assert "all ok" not in text
        assert word in text


async def test_the_risk_panel_says_all_ok_with_the_age_of_what_it_measures(
    app: QuarterdeckApp, control: FakeControl
) -> None:
    calm = snapshot()
    control.current = replace(calm, meters=tuple(replace(m, level="ok") for m in calm.meters))
    async with screen.running(app, (80, 24)) as pilot:
        await pilot.press("5")
        assert "all ok, feed 0.4s" in screen.text(app)


async def test_a_pause_under_a_limit_names_both(app: QuarterdeckApp, control: FakeControl) -> None:
    block = BlockView(
        "drawdown", "", "when the operator resumes; the peak then starts anew at the equity of that moment"
    )
    control.current = snapshot(state="paused", halts=("drawdown", "paused"), blocks=(block,))
    async with screen.running(app, (80, 24)):
        assert "PAUSED, R resumes; then BLOCKED by drawdown until R resumes" in screen.lines(app)[-2]


async def test_a_silent_engine_is_stale_and_not_green(
    app: QuarterdeckApp, control: FakeControl, clock: FakeClock
) -> None:
    async with screen.running(app, (40, 10)):
        clock.now_ms += 7_000
        app.flush()
        assert " STALE 7s " in screen.lines(app)[0]
        assert "RUNNING" not in screen.text(app)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("state", ["starting", "recovering"])
async def test_what_is_not_known_yet_is_a_dash(
    app: QuarterdeckApp, control: FakeControl, size: tuple[int, int], state: str
) -> None:
    control.current = snapshot(positions=0, state=state, equity_usdt=10_000.0, balance_usdt=10_000.0)
    async with screen.running(app, size) as pilot:
        await pilot.press("3")
        text = screen.text(app)
        assert state.upper() in text
        assert "10,000.00" not in text
        assert "day -" in text
        assert "No open position" not in text
        assert "open: nothing" not in text
        await pilot.press("5")
        levels = [line for line in screen.lines(app) if " ok " in line or " WARN " in line]
        assert levels == []


async def test_a_meter_without_a_bound_is_drawn(app: QuarterdeckApp, control: FakeControl) -> None:
    calm = snapshot()
    endless = meter("exposure", float("inf"), 150.0, "% of equity", "blocked")
    control.current = replace(calm, meters=(endless, *calm.meters))
    async with screen.running(app, (80, 24)) as pilot:
        await pilot.press("5")
        assert "-/150" in screen.text(app)
