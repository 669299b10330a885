"""A running engine as those see it who look at it and steer it."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from core.control.events import KEPT_EVENTS, Events
from core.control.protocol import ChartView, CommandResult, Snapshot
from core.control.request import Request, Value
from core.domain.operator import OperatorWish, Verb
from core.engine.engine import Engine
from core.home.log_line import LogLine
from core.home.logbook import Logbook


class EngineControl:
    """`core.control.protocol.Control` over an engine in this process."""

    def __init__(self, engine: Engine, logbook: Logbook) -> None:
        self._engine = engine
        self._logbook = logbook

    def snapshot(self) -> Snapshot | None:
        return self._engine.latest

    def chart(self, symbol: str) -> ChartView | None:
        return self._engine.chart(symbol)

    def updates(self, after: int, at_most: int = KEPT_EVENTS) -> Events:
        return self._engine.events.since(after, at_most)

    def log_lines(self, after: int) -> tuple[int, list[LogLine]]:
        return self._logbook.lines_after(after)

    async def send(self, request: Request) -> CommandResult:
        values = request.values
        wish = OperatorWish(
            Verb(request.operation),
            str(values.get("symbol", "")),
            request.operator,
            include_external=bool(values.get("include_external")),
            for_ms=int(values.get("for_ms", 0)) or None,
            reason=str(values.get("reason", "")),
            trade=str(values.get("trade", "")).strip(),
            share_pct=_exact(values.get("share_pct")),
            price=_exact(values.get("price")),
        )
        return await asyncio.wrap_future(self._engine.submit(wish))


def _exact(told: Value | None) -> Decimal | None:
    """A number as it was written; None where none was given."""
    return None if told is None else Decimal(str(told))
