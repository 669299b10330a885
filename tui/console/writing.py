"""What goes from the console to the engine: acts, and the wish for the write lease. No Textual."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from core.control.operations import Operation
from core.control.protocol import Seat
from core.control.request import Claim, Request, Values
from core.domain.errors import QuarterdeckError
from tui.console.safety import SafetyDesk
from tui.text.table import text_row

KIND = "take over"

logger = logging.getLogger(__name__)


async def send(seat: Seat | None, operation: Operation, values: Values, desk: SafetyDesk) -> None:
    """Whatever comes of it, `desk` is told."""
    if seat is None:
        desk.answered(operation, False, "no engine is attached")
        return
    try:
        result = await seat.send(Request(operation.id, values))
    except QuarterdeckError as error:
        desk.answered(operation, False, str(error))
    except Exception as error:
        logger.exception("%s could not be sent", operation.id)
        desk.answered(operation, False, f"{type(error).__name__}: {error}")
    else:
        desk.answered(operation, result.accepted, result.message)


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
