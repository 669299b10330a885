"""The write lease asked for from the console. No Textual."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core.control.protocol import Seat
from core.control.request import Claim
from core.domain.errors import QuarterdeckError
from tui.console.safety import SafetyDesk
from tui.text.table import text_row

KIND = "take over"


async def ask(seat: Seat, desk: SafetyDesk, start: Callable[[Any], None]) -> None:
    """Claim it for this console; where another one has it, after a yes. `start` runs a coroutine beside all."""
    holder = await _claim(seat, desk, "free")
    if holder not in ("", seat.name):
        lost = text_row(f"{holder} may then only look on, and do what makes risk smaller.")
        title = f"TAKE OVER the write lease from {holder}?"
        desk.ask(KIND, title, (lost,), lambda: start(_claim(seat, desk, "over")))


async def _claim(seat: Seat, desk: SafetyDesk, claim: Claim) -> str:
    """Who holds it then; "" where that cannot be known."""
    try:
        holder = await seat.claim(claim)
    except QuarterdeckError as error:
        desk.tell(f"write lease REFUSED: {error}", "bad")
        return ""
    if holder == seat.name:
        desk.tell("this console holds the write lease", "good")
    return holder
