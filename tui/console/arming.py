"""The question before a live start: which account is meant. The console asks; whoever has the key compares."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from core.domain.errors import ConfirmationError, RefusedError
from tui.console.registry import HOME
from tui.text.asked import Asked

if TYPE_CHECKING:
    from core.control.protocol import Seat

PAGE = "arming"

RISK = "Leverage can lose all that is in the account, and fast. There is no warranty of any kind: the risk is yours."
"""What is said before a live start."""


@dataclass(frozen=True, slots=True)
class LiveStart:
    """What a live start would trade, as (name, text), and how it is begun.

    `connect` gets what was typed. It raises ConfirmationError where that is not the account's tag, and is then called
    again with what is typed next.
    """

    facts: tuple[tuple[str, str], ...]
    connect: Callable[[str], Awaitable[Seat]]


class Pages(Protocol):
    def go(self, page: str) -> None: ...


class Console(Protocol):
    """What the question needs of the console around it."""

    @property
    def deck(self) -> Pages: ...

    def open_prompt(self, asked: Asked) -> None: ...

    def start(self, job: Any) -> None: ...

    def flush(self) -> None: ...

    def exit(self, *, return_code: int) -> None: ...

    async def attach(self, connect: Callable[[], Awaitable[Seat]]) -> None: ...


class ArmingDesk:
    """Asks for the tag until it is right, something else keeps the engine from starting, or the operator leaves."""

    def __init__(self, app: Console, start: LiveStart) -> None:
        self._app = app
        self._connect = start.connect
        self.facts = start.facts
        self.refused = ""
        self.checking = False
        self.waiting = "LIVE is not started: type the account tag, esc leaves"

    def ask(self) -> None:
        self.checking = False
        self._app.deck.go(PAGE)
        self._app.open_prompt(Asked("account tag", "", self._typed, hint="enter start LIVE", urgent=False))

    def _typed(self, text: str | None) -> None:
        if text is None:
            self._app.exit(return_code=RefusedError.exit_code)
            return
        self.checking = True
        self._app.flush()
        self._app.start(self._try(text.strip()))

    async def _try(self, tag: str) -> None:
        try:
            await self._app.attach(lambda: self._connect(tag))
        except ConfirmationError as error:
            self.refused = str(error)
            self.ask()
        else:
            self.waiting = ""
            self._app.deck.go(HOME)
            self._app.flush()
