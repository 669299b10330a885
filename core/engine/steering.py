"""An operator's commands in an engine: taken between two steps, answered, and those that must wait kept."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from core.clock import EngineClock
from core.control.arming import labelled
from core.control.protocol import CommandResult, RunState
from core.control.readiness import BEGINNING
from core.domain.operator import OperatorCommand, OperatorWish, Verb
from core.domain.records import OperatorRecord, Record
from core.engine.parts import RealTime
from core.engine.stepper import Stepper
from core.engine.wishes import KEPT, is_new, kept, refusal, standing_wishes
from core.trader.trader import Trader

log = logging.getLogger("quarterdeck.engine")

T = TypeVar("T")


class Steering:
    """`state` is the engine's; `changed` is called when a command was carried out, before it is answered. `real_time`
    is None for a recorded market."""

    def __init__(
        self,
        mode: str,
        trader: Trader,
        stepper: Stepper,
        clock: EngineClock,
        real_time: RealTime | None,
        state: Callable[[], RunState],
        changed: Callable[[], None],
    ) -> None:
        self._mode = mode
        self._trader = trader
        self._stepper = stepper
        self._clock = clock
        self._real_time = real_time
        self._state = state
        self._changed = changed
        self._acts = 0
        self._acting: set[asyncio.Future[Any]] = set()
        self._recollected, self._settled = asyncio.Event(), asyncio.Event()
        self._wishes: list[OperatorCommand] = []

    async def command(self, wish: OperatorWish) -> CommandResult:
        """Carry it out between two steps, although whoever asked gives up meanwhile."""
        return await asyncio.shield(self._begin(self._act(wish)))

    def observe(self, records: Iterable[Record]) -> None:
        """What was committed: ids go on behind the commands in it."""
        self._acts += sum(1 for record in records if isinstance(record, OperatorRecord))

    def recall(self, records: Sequence[Record]) -> None:
        """The wishes that a journal kept."""
        self._wishes = standing_wishes(records)

    def recollected(self) -> None:
        """The trader was told its journal."""
        self._recollected.set()

    async def settled(self) -> None:
        """Books were compared: carry out what was asked for meanwhile; what others hold is closed beside the market."""
        self._settled.set()
        while self._wishes:
            wish = replace(self._wishes.pop(0), time_ms=self._clock.now_ms())
            await self._stepper.step([wish], wish.time_ms)
            if wish.include_external:
                self._begin(self._close_others(wish.symbol))

    def _begin(self, act: Coroutine[Any, Any, T]) -> asyncio.Future[T]:
        acting = asyncio.ensure_future(act)
        self._acting.add(acting)
        acting.add_done_callback(self._acted)
        return acting

    def _acted(self, acting: asyncio.Future[Any]) -> None:
        self._acting.discard(acting)
        if not acting.cancelled() and (error := acting.exception()) is not None:
            log.error("an operator's command failed: %s", error)

    async def _act(self, wish: OperatorWish) -> CommandResult:
        if self._state() in BEGINNING:
            # Before its journal is told, a trader knows nothing that it could act on.
            await self._recollected.wait()
        now_ms = self._clock.now_ms()
        command_id = f"op-{now_ms}-{self._acts}"
        if refused := refusal(wish.verb, self._state()):
            return CommandResult(command_id, accepted=False, message=refused)
        command = wish.taken(command_id, now_ms)
        here = command.symbol in ("", *self._trader.state.symbols)
        waits = command.verb is Verb.FLATTEN and not self._settled.is_set() and here
        result = await (self._keep(command) if waits else self._carry_out(command))
        self._changed()
        message = labelled(self._mode, result)
        return CommandResult(command_id, accepted=not result.startswith("refused"), message=message)

    async def _carry_out(self, command: OperatorCommand) -> str:
        records = await self._stepper.step([command], command.time_ms)
        result = next(record.result for record in records if isinstance(record, OperatorRecord))
        if command.verb in (Verb.FLATTEN, Verb.CLOSE) and (held := self._exits_wait()):
            result += f"; {held}"
        if command.include_external and command.verb is Verb.FLATTEN and not result.startswith("refused"):
            result += f"; {await self._close_others(command.symbol)}"
        return result

    async def _close_others(self, symbol: str) -> str:
        real_time = self._real_time
        return "nobody else trades here" if real_time is None else await real_time.flatten_external(symbol)

    async def _keep(self, command: OperatorCommand) -> str:
        if is_new(command, self._wishes):
            self._wishes.append(command)
            await self._stepper.step((), command.time_ms, extra=[kept(command)])
        return KEPT

    def _exits_wait(self) -> str:
        real_time, books = self._real_time, self._trader.state.books()
        return real_time.holds() if real_time is not None and any(s.open_exit() for s in books) else ""
