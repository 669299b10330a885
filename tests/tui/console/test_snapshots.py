"""Pictures of the console.

After a wanted change: `pytest tests/tui/console/test_snapshots.py --snapshot-update`, and look.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest
from textual.pilot import Pilot

from core.domain.progress import Progress
from tests.tui.fake_control import FakeClock, FakeControl, live_snapshot, snapshot
from tests.tui.fake_lab import FakeLab, FakeStarts, access
from tests.tui.lab_keys import PAGES, press
from tests.tui.live_start import LiveRoot, live_app
from tests.tui.screen import until
from tui.console.app import QuarterdeckApp
from tui.console.registry import REGISTRY
from tui.console.theme import ANSI

PICTURES = Path(__file__).parent / "__snapshots__" / "test_snapshots"
Compare = Callable[..., bool]


def test_every_panel_is_in_a_picture() -> None:
    """But a page of others' panels, and the help, whose text is that of the keys."""
    texts = [unescape(re.sub(r"<[^>]+>", "", path.read_text())).replace("\xa0", " ") for path in PICTURES.glob("*.svg")]
    titles = {entry.name: REGISTRY.title(entry.name) for entry in REGISTRY.entries if not entry.main}
    assert {name for name, title in titles.items() if not any(title in text for text in texts)} == {"help"}


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_overview(snap_compare: Compare, app: QuarterdeckApp, size: tuple[int, int]) -> None:
    assert snap_compare(app, terminal_size=size)


@pytest.mark.parametrize("key", ["4", "6"], ids=["signals", "chart"])
def test_panel(snap_compare: Compare, app: QuarterdeckApp, key: str) -> None:
    assert snap_compare(app, terminal_size=(120, 40), press=[key])


def test_sixteen_colours(snap_compare: Compare, control: FakeControl, clock: FakeClock) -> None:
    app = QuarterdeckApp(control, clock_ms=clock, version="0.1.0", flush_hz=0.001, theme=ANSI)
    assert snap_compare(app, terminal_size=(80, 24), press=["5"])


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("page", PAGES)
def test_lab(snap_compare: Compare, control: FakeControl, clock: FakeClock, page: str, size: tuple[int, int]) -> None:
    lab, starts = FakeLab(), FakeStarts()
    app = QuarterdeckApp(control, clock_ms=clock, version="0.1.0", flush_hz=0.001, lab=access(lab, starts))

    async def look(pilot: Pilot[None]) -> None:
        await press(pilot, *PAGES[page])

    assert snap_compare(app, terminal_size=size, run_before=look)


def test_lab_run_under_way(snap_compare: Compare, control: FakeControl, clock: FakeClock) -> None:
    starts = FakeStarts()
    app = QuarterdeckApp(control, clock_ms=clock, version="0.1.0", flush_hz=0.001, lab=access(FakeLab(), starts))

    async def start(pilot: Pilot[None]) -> None:
        await press(pilot, "9", "n", "s")
        starts.runs[0].now = Progress(0, 2880, "slots")
        app.flush()
        clock.now_ms += 9_000
        control.current = snapshot(2)
        starts.runs[0].now = Progress(1234, 2880, "slots")
        await press(pilot, "x")

    assert snap_compare(app, terminal_size=(80, 24), run_before=start)


def test_confirm_bar_of_flatten(snap_compare: Compare, app: QuarterdeckApp) -> None:
    assert snap_compare(app, terminal_size=(80, 24), press=["F"])


SIZES = [(80, 24), (120, 40), (200, 50)]


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_live(snap_compare: Compare, app: QuarterdeckApp, control: FakeControl, size: tuple[int, int]) -> None:
    control.current = live_snapshot()
    assert snap_compare(app, terminal_size=size)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_live_without_a_stop(
    snap_compare: Compare, app: QuarterdeckApp, control: FakeControl, size: tuple[int, int]
) -> None:
    control.current = live_snapshot(naked_ms=3_400)
    assert snap_compare(app, terminal_size=size, press=["3"])


def test_live_in_sixteen_colours(snap_compare: Compare, control: FakeControl, clock: FakeClock) -> None:
    control.current = live_snapshot(connection="market stream: silent for 12 s")
    app = QuarterdeckApp(control, clock_ms=clock, version="0.1.0", flush_hz=0.001, theme=ANSI)
    assert snap_compare(app, terminal_size=(80, 24))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_live_start(snap_compare: Compare, clock: FakeClock, size: tuple[int, int]) -> None:
    app = live_app(LiveRoot(), clock)

    async def look(pilot: Pilot[None]) -> None:
        await press(pilot, *"nope", "enter")
        await until(app, pilot, "REFUSED")

    assert snap_compare(app, terminal_size=size, run_before=look)


def test_confirm_bar_of_a_live_flatten(snap_compare: Compare, app: QuarterdeckApp, control: FakeControl) -> None:
    control.current = live_snapshot()
    assert snap_compare(app, terminal_size=(80, 24), press=["F", "e"])


def test_small_and_halted(snap_compare: Compare, app: QuarterdeckApp, control: FakeControl) -> None:
    control.current = snapshot(state="halted", halts=("day loss 300 of 300 USDT: clears by itself at 00:00 UTC",))
    assert snap_compare(app, terminal_size=(60, 20))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_testnet(snap_compare: Compare, app: QuarterdeckApp, control: FakeControl, size: tuple[int, int]) -> None:
    control.current = live_snapshot(mode="testnet", source="binanceusdm test account")
    assert snap_compare(app, terminal_size=size)


def test_confirm_bar_of_a_testnet_flatten(snap_compare: Compare, app: QuarterdeckApp, control: FakeControl) -> None:
    control.current = live_snapshot(mode="testnet", source="binanceusdm test account")
    assert snap_compare(app, terminal_size=(80, 24), press=["F"])
