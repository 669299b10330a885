"""A Control over the socket of an engine that runs in another process."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from types import TracebackType
from typing import Any, TypeVar

from core.control.charts import from_ms_for, joined
from core.control.client import MAX_REPLY_BYTES, PROTOCOL_VERSION, no_engine, result_of, socket_path
from core.control.codec import encode_line, read
from core.control.deltas import applied
from core.control.events import KEPT_EVENTS, EventLog, Events
from core.control.operations import OPERATIONS
from core.control.protocol import ChartView, CommandResult, Snapshot
from core.control.request import Request
from core.control.socket import COMMAND_TIMEOUT_S, WRITE_TIMEOUT_S
from core.control.wire import Answer, ChartReply, LogReply, Updates
from core.domain.errors import UnavailableError
from core.home.folder import Home
from core.home.log_line import LogLine

T = TypeVar("T")

_LOOKS_AWAY = 8
"""After so many refreshes without one being looked at a chart is fetched no more."""


class SocketControl:
    """A Control over the socket of a running engine, as an async context.

    `refresh` fetches the newest snapshot, log lines and the chart that is looked at; `snapshot`, `log_lines` and
    `chart` give what was fetched last.
    """

    def __init__(self, home: Home, kept_lines: int = 20_000) -> None:
        self._home = home
        self._snapshot: Snapshot | None = None
        self._chart: ChartView | None = None
        self._looked_at = ""
        self._unseen = 0
        self._events = EventLog()
        self._lines: deque[LogLine] = deque(maxlen=kept_lines)
        self._fetched = 0
        self._cursor = 0
        self._asked = 0
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> SocketControl:
        try:
            self._reader, self._writer = await asyncio.open_unix_connection(
                str(await asyncio.to_thread(socket_path, self._home)), limit=MAX_REPLY_BYTES
            )
        except OSError as error:
            raise no_engine(self._home) from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()

    def snapshot(self) -> Snapshot | None:
        return self._snapshot

    def chart(self, symbol: str) -> ChartView | None:
        self._looked_at, self._unseen = symbol, 0
        return self._chart if self._chart is not None and self._chart.symbol == symbol else None

    def log_lines(self, after: int) -> tuple[int, list[LogLine]]:
        oldest = self._fetched - len(self._lines)
        start = min(max(after, oldest), self._fetched)
        return self._fetched, list(self._lines)[start - oldest :]

    def updates(self, after: int, at_most: int = KEPT_EVENTS) -> Events:
        return self._events.since(after, at_most)

    async def refresh(self) -> None:
        """Raises UnavailableError when the engine has gone or does not answer."""
        await self._refresh_snapshot()
        await self._refresh_chart()
        reply = await self._ask(LogReply, "logs", {"after": self._cursor})
        self._lines.extend(reply.lines)
        self._fetched += len(reply.lines)
        self._cursor = reply.next

    async def _refresh_snapshot(self) -> None:
        """A change that does not fit what is known here leads to the whole."""
        known = self._snapshot
        updates = await self._fetch_updates(known.seq if known is not None else 0)
        if updates.delta is not None and known is not None:
            with suppress(ValueError):
                self._snapshot = applied(known, updates.delta)
                return
        if updates.delta is not None:
            updates = await self._fetch_updates(0)
        if updates.snapshot is not None:
            self._snapshot = updates.snapshot

    async def _fetch_updates(self, snapshot: int) -> Updates:
        updates = await self._ask(Updates, "updates", {"after": self._events.last, "snapshot": snapshot})
        self._events.take(updates.events)
        return updates

    async def _refresh_chart(self) -> None:
        """An old chart must not be there before the new one when it is looked at again."""
        self._unseen += 1
        if self._unseen > _LOOKS_AWAY:
            self._looked_at = ""
        symbol, known = self._looked_at, self._chart
        if known is not None and known.symbol != symbol:
            known = None
        self._chart = await self._fetch_chart(symbol, known) if symbol else None

    async def _fetch_chart(self, symbol: str, known: ChartView | None) -> ChartView | None:
        part = await self._ask(ChartReply, "chart", {"symbol": symbol, "from_ms": from_ms_for(known)})
        if part.chart is None:
            return None
        whole = joined(known, part.chart)
        return whole if whole is not None or known is None else await self._fetch_chart(symbol, None)

    async def send(self, request: Request) -> CommandResult:
        params = {"verb": request.operation, "operator": request.operator, **request.values}
        reduces = OPERATIONS[request.operation].reduces
        return await self._ask(CommandResult, "command", params, any_version=reduces)

    async def _ask(self, kind: type[T], method: str, params: dict[str, Any], *, any_version: bool = False) -> T:
        """Raises UnavailableError, or what the engine answered with."""
        async with self._turn:
            self._asked += 1
            message = {"id": self._asked, "version": PROTOCOL_VERSION, "method": method, "params": params}
            self._writer.write(encode_line(message))
            try:
                async with asyncio.timeout(COMMAND_TIMEOUT_S + WRITE_TIMEOUT_S):
                    reply = await self._reader.readline()
            except (OSError, ValueError, TimeoutError) as error:
                # A late reply would be taken for the next one's.
                self._writer.close()
                raise UnavailableError(f"{self._home.root}: the engine has gone or does not answer") from error
        answer = read(Answer, reply)
        if answer.error is not None or (answer.version != PROTOCOL_VERSION and not any_version):
            result_of(reply, any_version=any_version)
        return read(kind, bytes(answer.result))
