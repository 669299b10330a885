"""A console's seat at an engine that runs in another process, over its socket."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, TypeVar

from msgspec.structs import replace

from core.control.charts import from_ms_for, joined
from core.control.client import MAX_REPLY_BYTES, PROTOCOL_VERSION, no_engine, result_of, socket_path
from core.control.codec import encode_line, read
from core.control.deltas import applied
from core.control.events import KEPT_EVENTS, EventLog, Events, counted_on
from core.control.lease import refusal
from core.control.operations import OPERATIONS
from core.control.protocol import ChartView, CommandResult, Snapshot
from core.control.request import Claim, Request
from core.control.socket import COMMAND_TIMEOUT_S, WRITE_TIMEOUT_S
from core.control.wire import Answer, Attached, ChartReply, LogReply, Updates
from core.domain.errors import QuarterdeckError, RefusedError, UnavailableError
from core.home.folder import Home
from core.home.log_line import LogLine

T = TypeVar("T")
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

REFRESH_S, RETRY_S = 0.25, 1.0
"""How often an engine is asked what is new, and one that has gone whether it is there again."""

ANSWER_S = COMMAND_TIMEOUT_S + WRITE_TIMEOUT_S

_LOOKS_ON = "this console was attached with --read-only"
_LOOKS_AWAY = 8
"""After so many refreshes without one being looked at a chart is fetched no more."""


class SocketSeat:
    """Implements `core.control.protocol.Seat`. An async context: it is connected inside.

    `refresh` fetches the newest snapshot, log lines and the chart that is looked at; `snapshot`, `log_lines` and
    `chart` give what was fetched last. One that `looks_on` never asks for the write lease.
    """

    def __init__(self, home: Home, operator: str = "console", looks_on: bool = False, kept_lines: int = 20_000) -> None:
        self._home = home
        self._operator = operator
        self._looks_on = looks_on
        self.name = ""
        self.problem = ""
        self._run = 0
        self._snapshot: Snapshot | None = None
        self._base: Snapshot | None = None
        """What the engine's next change is told from: a snapshot of this very run of it."""
        self._told: Attached | None = None
        """Of the lease, what is newer than the snapshots of before it."""
        self._chart: ChartView | None = None
        self._looked_at = ""
        self._unseen = 0
        self._events = EventLog()
        self._events_before = 0
        """So many events of earlier runs come before the first of this one."""
        self._lines: deque[LogLine] = deque(maxlen=kept_lines)
        self._fetched = 0
        self._cursor = 0
        self._asked = 0
        self._turn = asyncio.Lock()
        self._streams: Streams | None = None

    async def __aenter__(self) -> SocketSeat:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.hang_up()

    async def connect(self) -> None:
        """Raises UnavailableError where no engine runs, RefusedError where it is of another version."""
        self._streams = await self._open()
        attached = await self._attach("none" if self._looks_on else "free")
        self.name = attached.name
        if attached.run != self._run:
            self._run = attached.run
            self._base = None
            self._cursor = 0
            self._events_before = self._events.last

    async def hang_up(self) -> None:
        streams, self._streams = self._streams, None
        if streams is not None:
            await _close(streams)

    async def follow(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Refresh for as long as this is awaited. What fails is the `problem` until it is well again, and what was
        fetched last stays: its age shows that it stands still."""
        while True:
            try:
                if self._streams is None:
                    await self.connect()
                await self.refresh()
                self.problem = ""
            except QuarterdeckError as error:
                self.problem = str(error)
                await self.hang_up()
            await sleep(RETRY_S if self.problem else REFRESH_S)

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
        known = self._base
        updates = await self._fetch_updates(known.seq if known is not None else 0)
        if updates.delta is not None and known is not None:
            with suppress(ValueError):
                self._take(applied(known, updates.delta))
                return
        if updates.delta is not None:
            updates = await self._fetch_updates(0)
        if updates.snapshot is not None:
            self._take(updates.snapshot)

    def _take(self, snapshot: Snapshot) -> None:
        """With the holder of the lease that was told since it was made, where one was."""
        self._snapshot = self._base = snapshot
        told = self._told
        if told is not None and snapshot.seq <= told.seq + 1 and snapshot.writer != told.writer:
            self._snapshot = replace(snapshot, writer=told.writer)

    async def _fetch_updates(self, snapshot: int) -> Updates:
        before = self._events_before
        updates = await self._ask(Updates, "updates", {"after": self._events.last - before, "snapshot": snapshot})
        self._events.take(counted_on(updates.events, before))
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

    def against(self, act: str) -> str:
        if self._looks_on and not OPERATIONS[act].reduces:
            return f"{act}: {_LOOKS_ON}"
        return refusal(OPERATIONS[act], self._snapshot.writer if self._snapshot is not None else "", self.name)

    async def send(self, request: Request) -> CommandResult:
        """What makes risk smaller goes its own way: it waits behind no other answer and needs no lease."""
        operation = OPERATIONS[request.operation]
        params = {"verb": operation.id, "operator": self._operator, **request.values}
        if self._looks_on and not operation.reduces:
            return CommandResult("", accepted=False, message=self.against(operation.id))
        if not operation.reduces:
            return await self._ask(CommandResult, "command", params)
        streams = await self._open()
        try:
            return read(CommandResult, await self._exchange(streams, "command", params, any_version=True))
        finally:
            await _close(streams)

    async def claim(self, claim: Claim) -> str:
        if self._looks_on:
            raise RefusedError(_LOOKS_ON)
        told = await self._attach(claim)
        if self._base is not None:
            self._take(self._base)
        return told.writer

    async def _attach(self, claim: Claim) -> Attached:
        self._told = await self._ask(Attached, "attach", {"operator": self._operator, "lease": claim})
        return self._told

    async def _open(self) -> Streams:
        path = await asyncio.to_thread(socket_path, self._home)
        try:
            return await asyncio.open_unix_connection(str(path), limit=MAX_REPLY_BYTES)
        except OSError as error:
            raise no_engine(self._home) from error

    async def _ask(self, kind: type[T], method: str, params: dict[str, Any]) -> T:
        """Raises UnavailableError, or what the engine answered with."""
        async with self._turn:
            if self._streams is None:
                raise no_engine(self._home)
            return read(kind, await self._exchange(self._streams, method, params))

    async def _exchange(
        self, streams: Streams, method: str, params: dict[str, Any], *, any_version: bool = False
    ) -> bytes:
        """The result, as JSON."""
        reader, writer = streams
        self._asked += 1
        writer.write(encode_line({"id": self._asked, "version": PROTOCOL_VERSION, "method": method, "params": params}))
        try:
            async with asyncio.timeout(ANSWER_S):
                reply = await reader.readline()
        except (OSError, ValueError, TimeoutError) as error:
            # A late reply would be taken for the next one's.
            writer.close()
            raise self._gone() from error
        if not reply.endswith(b"\n"):
            raise self._gone()
        answer = read(Answer, reply)
        if answer.error is not None or (answer.version != PROTOCOL_VERSION and not any_version):
            result_of(reply, any_version=any_version)
        return bytes(answer.result)

    def _gone(self) -> UnavailableError:
        return UnavailableError(f"{self._home.root}: the engine has gone or does not answer")


async def _close(streams: Streams) -> None:
    _, writer = streams
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
