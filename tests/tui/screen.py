"""A console on a screen of a given size, and what stands on it as text."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from textual.pilot import Pilot

from tests.patience import looks
from tui.console.app import QuarterdeckApp


@asynccontextmanager
async def running(app: QuarterdeckApp, size: tuple[int, int]) -> AsyncIterator[Pilot[None]]:
    """A console that has drawn its first picture."""
    async with app.run_test(size=size) as pilot:
        while not app.deck.ready:
            await pilot.pause()
        await pilot.pause()
        yield pilot


async def until(app: QuarterdeckApp, pilot: Pilot[None], shown: str) -> None:
    """Let the console work until `shown` stands on the screen: a task of its own may need more than one turn."""
    try:
        await _comes(pilot, lambda: shown in text(app), repr(shown))
    except AssertionError as error:
        raise AssertionError(f"{error}; the screen shows:\n{text(app)}") from None


async def until_true(pilot: Pilot[None], look: Callable[[], bool]) -> None:
    """Let the console work until `look` sees what it looks for."""
    await _comes(pilot, look, "what the test looks for")


async def _comes(pilot: Pilot[None], look: Callable[[], bool], what: str) -> None:
    for _ in looks(what):
        if look():
            return
        await pilot.pause()


def lines(app: QuarterdeckApp) -> list[str]:
    """The whole screen, every line as wide as the terminal."""
    return [strip.text for strip in app.deck._compositor.render_strips()]


def text(app: QuarterdeckApp) -> str:
    return "\n".join(lines(app))
