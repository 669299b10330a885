"""One console's place at an engine: it looks at it like any other, and writes where it holds the lease."""

from __future__ import annotations

import logging

from core.control.events import KEPT_EVENTS, Events
from core.control.lease import WriteLease, refusal
from core.control.operations import OPERATIONS
from core.control.protocol import ChartView, CommandResult, Control, Snapshot
from core.control.request import Claim, Request
from core.home.log_line import LogLine

log = logging.getLogger("quarterdeck.control")


class LeasedSeat:
    """Implements `core.control.protocol.Seat` where the engine is. `name` is nobody else's there."""

    def __init__(self, control: Control, lease: WriteLease, name: str) -> None:
        self._control = control
        self._lease = lease
        self.name = name
        self.problem = ""

    def snapshot(self) -> Snapshot | None:
        self.heard()
        return self._control.snapshot()

    def chart(self, symbol: str) -> ChartView | None:
        return self._control.chart(symbol)

    def updates(self, after: int, at_most: int = KEPT_EVENTS) -> Events:
        return self._control.updates(after, at_most)

    def log_lines(self, after: int) -> tuple[int, list[LogLine]]:
        return self._control.log_lines(after)

    def against(self, act: str) -> str:
        return refusal(OPERATIONS[act], self._lease.writer(), self.name)

    async def send(self, request: Request) -> CommandResult:
        """What may make risk larger takes the lease where nobody has it."""
        operation = OPERATIONS[request.operation]
        if not operation.reduces and (why := refusal(operation, self._lease.claim(self.name, "free"), self.name)):
            return CommandResult("", accepted=False, message=why)
        return await self._control.send(request)

    async def claim(self, claim: Claim) -> str:
        before = self._lease.writer()
        holder = self._lease.claim(self.name, claim)
        if before not in ("", holder) and holder:
            log.info("%s took the write lease over from %s", holder, before)
        return holder

    def heard(self) -> None:
        self._lease.heard(self.name)

    def leave(self) -> None:
        """The lease ends with the console that holds it."""
        self._lease.give_back(self.name)
