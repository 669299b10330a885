"""The keys that lead to each page of the lab, and pressing them with the answers that they ask for."""

from __future__ import annotations

from textual.pilot import Pilot

from tests.patience import looks
from tests.tui import screen
from tui.console.app import QuarterdeckApp

PAGES = {
    "lab": ("9",),
    "lab_form": ("9", "n"),
    "lab_run": ("9", "enter"),
    "lab_trades": ("9", "down", "down", "enter", "enter"),
    "lab_chart": ("9", "down", "down", "enter", "enter", "enter"),
    "lab_compare": ("9", "m", "down", "down", "c"),
}


async def settle(pilot: Pilot[None]) -> str:
    """Wait until the lab has answered and the console has drawn it; gives the screen."""
    app = pilot.app
    assert isinstance(app, QuarterdeckApp)
    await pilot.pause()
    for _ in looks("the answer of the lab"):
        if not app.lab.reads.busy:
            break
        await pilot.pause(0.002)
    app.flush()
    await pilot.pause()
    assert app._flaw == ""
    return screen.text(app)


async def press(pilot: Pilot[None], *keys: str) -> str:
    """Press one key after the other, each with the answers that it asks for; gives the screen."""
    for key in keys:
        await pilot.press(key)
        await settle(pilot)
    return await settle(pilot)
