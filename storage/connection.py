"""An aiosqlite connection that can do a whole transaction in one trip to its thread."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import aiosqlite

T = TypeVar("T")


class Connection(aiosqlite.Connection):
    """Each awaited aiosqlite call is a thread hop of about 80 us, and a task canceled between two of them would
    leave a half transaction open. `call` is one hop for the whole of it: it runs to its end even if the
    waiting task is canceled.
    """

    async def gone(self) -> None:
        """Wait for the thread of a connection that could not be opened: it still answers its loop."""
        await asyncio.to_thread(self._thread.join)

    async def call(self, function: Callable[[sqlite3.Connection], T]) -> T:
        execute: Callable[..., Awaitable[Any]] = self._execute
        answer: T = await execute(function, self._conn)
        return answer
