"""Questions to the lab, asked in threads: the console never waits, and only the newest question of a kind counts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from core.domain.errors import QuarterdeckError

Spawn = Callable[[Coroutine[Any, Any, None]], None]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Question:
    ask: Callable[[], Any]
    take: Callable[[Any], None]


class Reads:
    """At most one question of each kind is under way; of those that come meanwhile only the last is asked then.

    `spawn` runs a coroutine on the console's loop; `changed` is called after every answer. `errors` holds one line a
    kind, until the next answer of that kind.
    """

    def __init__(self, spawn: Spawn, changed: Callable[[], None]) -> None:
        self._spawn = spawn
        self._changed = changed
        self._under_way: set[str] = set()
        self._next: dict[str, _Question] = {}
        self.errors: dict[str, str] = {}

    def ask(self, kind: str, ask: Callable[[], Any], take: Callable[[Any], None]) -> None:
        """Call `ask` in a thread and `take` with its answer on the loop, unless a newer question has come by then."""
        self._next[kind] = _Question(ask, take)
        if kind not in self._under_way:
            self._under_way.add(kind)
            self._spawn(self._work(kind))

    @property
    def busy(self) -> bool:
        return bool(self._under_way)

    def waiting(self, kind: str) -> bool:
        return kind in self._under_way

    async def _work(self, kind: str) -> None:
        try:
            while (question := self._next.pop(kind, None)) is not None:
                await self._answer(kind, question)
        finally:
            self._under_way.discard(kind)
            self._changed()

    async def _answer(self, kind: str, question: _Question) -> None:
        try:
            found = await asyncio.to_thread(question.ask)
            self.errors.pop(kind, None)
            if kind not in self._next:
                question.take(found)
        except QuarterdeckError as error:
            self.errors[kind] = str(error)
        except Exception as error:
            logger.exception("the lab could not answer")
            self.errors[kind] = f"{type(error).__name__}: {error}"
