"""A running engine's Unix socket: JSON lines in, JSON lines out, for whatever holds a Control.

Request {"id", "version", "method", "params"}; reply {"id", "version", "result"} or {"id", "version", "error": {"kind",
"message"}}. `core.control.wire` has the methods and what they take. Only the owner of the home can connect.

Nobody can keep others out: who says nothing is sent away, who asks too fast waits, and beyond MAX_CLIENTS what makes
risk smaller is still taken. A client that attaches has a seat until it goes; of one that does not, each command takes a
seat of its own.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from core.clock import monotonic_ns, monotonic_s
from core.control import wire
from core.control.charts import part_of
from core.control.client import PROTOCOL_VERSION
from core.control.codec import encode
from core.control.lease import WriteLease
from core.control.operations import OPERATIONS
from core.control.protocol import CommandResult, Control
from core.control.rate import Pace
from core.control.schema import schema
from core.control.seat import LeasedSeat
from core.control.serving import Snapshots
from core.control.wire import (
    PARTS,
    REDUCING,
    Attached,
    AttachParams,
    ChartParams,
    ChartReply,
    LogParams,
    LogReply,
    SchemaParams,
    SnapshotParams,
    UpdateParams,
)
from core.domain.errors import BadInputError, QuarterdeckError, UnavailableError
from core.home.folder import Home, open_own, private_folder

MAX_REQUEST_BYTES = 64 * 1024
MAX_CLIENTS = 16
MAX_LOG_LINES = 2_000
WRITE_TIMEOUT_S = 10.0
COMMAND_TIMEOUT_S = 30.0
IDLE_S = 120.0
"""So long a client may say nothing."""

LAST_ANSWER_S = 0.5
"""So long an engine that ends waits for its last answers."""

RESERVED_CLIENTS, RESERVED_S = 32, 2.0
"""Places beyond MAX_CLIENTS to say one command that makes risk smaller, and how soon it must be said."""

READS_A_SECOND, READS_AT_ONCE = 25.0, 50
"""Of one client; what comes faster waits."""

COMMANDS_A_SECOND, COMMANDS_AT_ONCE = 2.0, 10
"""Of one verb, of all clients together: each is a row of the journal. What comes faster is refused."""

_VERSION = b',"version":%d' % PROTOCOL_VERSION
_NOBODY = b"null"
"""The id of an answer to what has none that can be read."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Peer:
    """A client; its seat, once it has attached."""

    seat: LeasedSeat | None = None


class ControlServer:
    """Serves one Control on the socket of one home, as an async context. The caller holds the home's engine lock.
    `lease` is the engine's where others beside the clients of this socket may hold it."""

    def __init__(
        self,
        control: Control,
        home: Home,
        now_s: Callable[[], float] = monotonic_s,
        lease: WriteLease | None = None,
    ) -> None:
        self._control = control
        self._now_s = now_s
        self._lease = lease or WriteLease(now_s)
        self._run = monotonic_ns()
        self._seats = 0
        self._commands = {verb: Pace(COMMANDS_A_SECOND, COMMANDS_AT_ONCE, now_s) for verb in OPERATIONS}
        self._snapshots = Snapshots()
        self._home = home
        self._path = home.socket
        self._clients: set[asyncio.Task[None]] = set()
        self._silent: dict[asyncio.Task[None], None] = {}
        self._in_hand: set[asyncio.Future[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> ControlServer:
        listener = await asyncio.to_thread(_bind, self._home, self._path)
        self._server = await asyncio.start_unix_server(self._accept, sock=listener, limit=MAX_REQUEST_BYTES)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        if self._in_hand:
            # What ended the engine is the answer to who asked for the last of its steps.
            await asyncio.wait(self._in_hand, timeout=LAST_ANSWER_S)
        for task in tuple(self._clients):
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        self._path.unlink(missing_ok=True)
        self._home.socket_note.unlink(missing_ok=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        try:
            if len(self._clients) > MAX_CLIENTS:
                await self._serve_urgent(reader, writer)
            else:
                await self._serve(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            # Only the closing server cancels, and before Python 3.12 a stream's cancelled task is logged as an error.
            _log.debug("a control client has gone or was sent away")
        except TimeoutError:
            _log.warning("a control client does not read its replies and was dropped")
            writer.transport.abort()
        finally:
            self._clients.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pace, peer = Pace(READS_A_SECOND, READS_AT_ONCE, self._now_s), Peer()
        try:
            while (line := await _line(reader, writer, IDLE_S)) is not None:
                if wait_s := pace.take():
                    await asyncio.sleep(wait_s)
                if peer.seat is not None:
                    peer.seat.heard()
                await self._reply(writer, line, peer)
        finally:
            if peer.seat is not None:
                peer.seat.leave()

    async def _reply(self, writer: asyncio.StreamWriter, line: bytes, peer: Peer) -> None:
        told = asyncio.get_running_loop().create_future()
        self._in_hand.add(told)
        try:
            await _send(writer, await self._answer(line, peer))
        finally:
            self._in_hand.discard(told)
            told.set_result(None)

    async def _serve_urgent(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, where it is a command that makes risk smaller. Of those who have said nothing yet the one that
        waits longest makes way for this one, so that no number of them keeps it out."""
        task = asyncio.current_task()
        assert task is not None
        self._silent[task] = None
        if len(self._silent) > RESERVED_CLIENTS:
            longest = next(iter(self._silent))
            del self._silent[longest]
            longest.cancel()
        try:
            line = await _line(reader, writer, RESERVED_S)
        finally:
            self._silent.pop(task, None)
        if line is not None and _is_reducing(line):
            await self._reply(writer, line, Peer())
        elif line is not None:
            await _send(writer, _error(_NOBODY, _full()))

    async def _answer(self, line: bytes, peer: Peer) -> bytes:
        number = _NOBODY
        try:
            request = wire.asked(line)
            number = encode(request.id)
            params = wire.params_of(request)
            if request.method == "command":
                return _reply(number, encode(await self._command(params, peer)))
            if isinstance(params, AttachParams):
                return _reply(number, encode(await self._attach(params, peer)))
            # A whole snapshot takes milliseconds to encode; the engine's loop must not wait for that.
            return _reply(number, await asyncio.to_thread(self._read, params))
        except QuarterdeckError as error:
            return _error(number, error)
        except Exception:  # noqa: BLE001 - one bad request must end neither the connection nor the engine
            _log.exception("a control request failed")
            return _error(number, QuarterdeckError("the engine failed on this request; its log says how"))

    def _read(self, params: Any) -> bytes:
        if isinstance(params, LogParams):
            limit = MAX_LOG_LINES if params.limit is None else min(params.limit, MAX_LOG_LINES)
            return encode(self._logs(params.after, limit))
        if isinstance(params, UpdateParams):
            return self._snapshots.updates(self._control, params)
        if isinstance(params, SchemaParams):
            return encode(schema())
        if isinstance(params, ChartParams):
            return encode(self._chart(params))
        snapshot = self._control.snapshot()
        if snapshot is None:
            raise UnavailableError("the engine is still starting; try again in a moment")
        if isinstance(params, SnapshotParams):
            wanted = PARTS if params.parts is None else params.parts
            return self._snapshots.parts(snapshot, tuple(part for part in PARTS if part in wanted))
        return encode(snapshot.status)

    def _chart(self, params: ChartParams) -> ChartReply:
        chart = self._control.chart(params.symbol)
        return ChartReply(None if chart is None else part_of(chart, params.from_ms))

    def _logs(self, after: int, limit: int) -> LogReply:
        end, lines = self._control.log_lines(after)
        first = end - len(lines)
        return LogReply(min(first + limit, end), tuple(lines[:limit]))

    async def _attach(self, params: AttachParams, peer: Peer) -> Attached:
        if peer.seat is None:
            peer.seat = self._seat(wire.printable(params.operator))
        writer, snapshot = await peer.seat.claim(params.lease), self._control.snapshot()
        return Attached(self._run, peer.seat.name, writer, snapshot.seq if snapshot is not None else 0)

    def _seat(self, operator: str) -> LeasedSeat:
        self._seats += 1
        return LeasedSeat(self._control, self._lease, f"{operator}#{self._seats}")

    async def _command(self, params: Any, peer: Peer) -> CommandResult:
        """Who is no console has the lease for as long as the answer takes."""
        request = wire.request_of(params)
        verb = request.operation
        if not self._commands[verb].try_take():
            raise UnavailableError(f"{verb}: asked for too often; it is taken {COMMANDS_A_SECOND:g} times a second")
        seat = peer.seat or self._seat(request.operator)
        try:
            if wire.takes_over(params):
                await seat.claim("over")
            async with asyncio.timeout(COMMAND_TIMEOUT_S):
                return await seat.send(request)
        except TimeoutError as error:
            raise UnavailableError(
                f"{verb}: the engine took it but has not answered within {COMMAND_TIMEOUT_S:g} s; look at its log"
            ) from error
        finally:
            if peer.seat is None:
                seat.leave()


def _bind(home: Home, path: Path) -> socket.socket:
    """Nobody can connect before the server listens, so the mode is set in time.

    The lock is the caller's, so a socket that lies there was left by an engine that was killed.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    place = home.socket_note
    try:
        home.socket_note.unlink(missing_ok=True)
        if path.parent != home.root:
            private_folder(path.parent)
            with open(open_own(home.socket_note, os.O_WRONLY | os.O_CREAT), "w", encoding="utf-8") as note:
                note.write(f"{path}\n")
        place = path
        path.unlink(missing_ok=True)
        listener.bind(str(path))
        path.chmod(0o600)
    except OSError as error:
        listener.close()
        raise UnavailableError(f"{place}: cannot listen here: {error.strerror}; name another --home") from error
    except BaseException:
        listener.close()
        raise
    return listener


def _is_reducing(line: bytes) -> bool:
    try:
        return wire.is_reducing(wire.params_of(wire.asked(line)))
    except BadInputError:
        return False


def _full() -> UnavailableError:
    return UnavailableError(
        f"{MAX_CLIENTS} clients are connected already; only {', '.join(sorted(REDUCING))} are taken"
    )


async def _line(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, patience_s: float) -> bytes | None:
    """The next request; None where none comes, within `patience_s`, that is whole."""
    try:
        async with asyncio.timeout(patience_s):
            line = await reader.readline()
    except TimeoutError:
        await _send(writer, _error(_NOBODY, UnavailableError(f"nothing was asked for {patience_s:g} s")))
        return None
    except ValueError:
        problem = BadInputError(f"a request is one line of at most {MAX_REQUEST_BYTES} bytes")
        await _send(writer, _error(_NOBODY, problem))
        return None
    return line if line.endswith(b"\n") else None


def _reply(number: bytes, result: bytes) -> bytes:
    return b'{"id":' + number + _VERSION + b',"result":' + result + b"}\n"


def _error(number: bytes, error: QuarterdeckError) -> bytes:
    told = encode({"kind": type(error).__name__, "message": str(error)})
    return b'{"id":' + number + _VERSION + b',"error":' + told + b"}\n"


async def _send(writer: asyncio.StreamWriter, line: bytes) -> None:
    """A client that does not read is dropped: raises TimeoutError."""
    writer.write(line)
    # Not asyncio.wait_for: before Python 3.12 it can swallow the cancellation that ends a server.
    async with asyncio.timeout(WRITE_TIMEOUT_S):
        await writer.drain()
