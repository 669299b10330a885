"""Every word of the console can be seen, whatever colours the terminal has and whether any are wanted."""

from __future__ import annotations

import re

import pytest

from tests.tui.colours import codes, seen
from tests.tui.fake_control import FakeClock, FakeControl, live_snapshot
from tests.tui.screen import running, text
from tui.console.app import QuarterdeckApp

TERMINALS = {
    "NO_COLOR": {"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": "1"},
    "16": {"TERM": "xterm", "COLORTERM": ""},
    "256": {"TERM": "screen-256color", "COLORTERM": ""},
    "true colour": {"TERM": "xterm-256color", "COLORTERM": "truecolor"},
}
LEGIBLE = 3.0
PAGES = ("1", "3", "4", "5", "7", "8", "9", "question_mark", "F")


def _console(
    control: FakeControl, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, terminal: str, *, naked: bool = False
) -> QuarterdeckApp:
    for name, value in TERMINALS[terminal].items():
        monkeypatch.setenv(name, value)
    if naked:
        control.current = live_snapshot(naked_ms=3_400, halts=("day_loss_usdt",), connection="silent for 12 s")
    return QuarterdeckApp(control, clock_ms=clock, version="0.1.0", flush_hz=0.001)


def _dark(app: QuarterdeckApp) -> list[str]:
    """The letters and digits that cannot be told from their ground, with both colours."""
    return [
        f"{cell.char} {cell.text} on {cell.ground}"
        for row in seen(app)
        for cell in row
        if cell.char.isalnum() and cell.contrast < LEGIBLE
    ]


@pytest.mark.parametrize("terminal", TERMINALS)
@pytest.mark.parametrize("size", [(40, 10), (80, 24), (120, 40)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_every_letter_can_be_seen(
    control: FakeControl, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], terminal: str
) -> None:
    app = _console(control, clock, monkeypatch, terminal, naked=True)
    async with running(app, size) as pilot:
        for key in PAGES:
            await pilot.press(key)
            assert "LIVE" in text(app)
            assert _dark(app) == [], key


@pytest.mark.parametrize("terminal", TERMINALS)
async def test_every_theme_that_can_be_chosen_can_be_read(
    control: FakeControl, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, terminal: str
) -> None:
    app = _console(control, clock, monkeypatch, terminal, naked=True)
    async with running(app, (120, 40)) as pilot:
        first = app.theme
        while True:
            await pilot.press("t")
            assert _dark(app) == [], app.theme
            if app.theme == first:
                break


async def test_no_colour_means_none(control: FakeControl, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    app = _console(control, clock, monkeypatch, "NO_COLOR", naked=True)
    async with running(app, (120, 40)) as pilot:
        for key in ("1", "t", "F"):
            await pilot.press(key)
            sent = re.findall(r"\x1b\[([0-9;]*)m", codes(app))
            assert {code for codes in sent for code in codes.split(";")} <= {"", "0", "1", "2", "4", "7", "39", "49"}


async def test_without_colours_what_matters_stands_out(
    control: FakeControl, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = _console(control, clock, monkeypatch, "NO_COLOR", naked=True)
    async with running(app, (120, 40)) as pilot:
        await pilot.press("3")
        rows = seen(app)
        for word in ("LIVE", "NO STOP", "UNPROTECTED"):
            found = next(
                row[start : start + len(word)]
                for row in rows
                if (start := "".join(cell.char for cell in row).find(word)) >= 0
            )
            assert all(cell.reverse and cell.text != cell.ground for cell in found), word


async def test_a_key_for_themes_says_that_there_are_none_without_colours(
    control: FakeControl, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = _console(control, clock, monkeypatch, "NO_COLOR")
    async with running(app, (120, 40)) as pilot:
        await pilot.press("t")
        assert "theme: none, NO_COLOR is set" in text(app)
