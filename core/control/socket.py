"""A running engine's Unix socket: JSON lines in, JSON lines out, for whatever holds a Control.

Request {"id", "method", "params"}; reply {"id", "result"} or {"id", "error": {"kind", "message"}}. Methods:
status {}, snapshot {"parts": [names of Snapshot fields], all when absent}, logs {"after", "limit"},
command {"verb", "operator" and the arguments of the operation, by name}. Only the owner of the home can connect.

Nobody can keep others out: who says nothing is sent away, who asks too fast waits, and beyond MAX_CLIENTS what makes
risk smaller is still taken.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from core.clock import monotonic_ns
from core.control import wire
from core.control.client import MAX_REPLY_BYTES, no_engine, result_of, socket_path
from core.control.codec import decode, encode, encode_line
from core.control.operations import OPERATIONS
from core.control.protocol import CommandResult, Control, Snapshot
from core.control.rate import Pace
from core.control.request import Request
from core.control.wire import PARTS, LogParams, SnapshotParams
from core.domain.errors import BadInputError, QuarterdeckError, UnavailableError
from core.home.folder import Home, open_own, private_folder
from core.home.log_line import LogLine

MAX_REQUEST_BYTES = 64 * 1024
MAX_CLIENTS = 16
MAX_LOG_LINES = 2_000
WRITE_TIMEOUT_S = 10.0
COMMAND_TIMEOUT_S = 30.0
IDLE_S = 120.0
"""So long a client may say nothing."""

RESERVED_CLIENTS, RESERVED_S = 32, 2.0
"""Places beyond MAX_CLIENTS to say one command that makes risk smaller, and how soon it must be said."""

REDUCING = frozenset(operation.id for operation in OPERATIONS.values() if operation.reduces)
READS_A_SECOND, READS_AT_ONCE = 25.0, 50
"""Of one client; what comes faster waits."""

COMMANDS_A_SECOND, COMMANDS_AT_ONCE = 2.0, 10
"""Of one verb, of all clients together: each is a row of the journal. What comes faster is refused."""

_KEPT_ANSWERS = 16

_NOBODY = b"null"
"""The id of an answer to what has none that can be read."""

_log = logging.getLogger(__name__)


def _monotonic_s() -> float:
    return monotonic_ns() / 1e9


class ControlServer:
    """Serves one Control on the socket of one home, as an async context. The caller holds the home's engine lock."""

    def __init__(self, control: Control, home: Home, now_s: Callable[[], float] = _monotonic_s) -> None:
        self._control = control
        self._now_s = now_s
        self._commands = {verb: Pace(COMMANDS_A_SECOND, COMMANDS_AT_ONCE, now_s) for verb in OPERATIONS}
        self._encoding = threading.Lock()
        self._encoded_of: Snapshot | None = None
        self._encoded: dict[tuple[str, ...], bytes] = {}
        self._home = home
        self._path = home.socket
        self._clients: set[asyncio.Task[None]] = set()
        self._silent: dict[asyncio.Task[None], None] = {}
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
        pace = Pace(READS_A_SECOND, READS_AT_ONCE, self._now_s)
        while (line := await _line(reader, writer, IDLE_S)) is not None:
            if wait_s := pace.take():
                await asyncio.sleep(wait_s)
            await _send(writer, await self._answer(line))

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
        if line is not None:
            await _send(writer, await self._answer(line) if _is_reducing(line) else _error(_NOBODY, _full()))

    async def _answer(self, line: bytes) -> bytes:
        number = _NOBODY
        try:
            request = wire.asked(line)
            number = encode(request.id)
            params = wire.params_of(request)
            if request.method == "command":
                return _reply(number, encode(await self._command(wire.request_of(params))))
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
        snapshot = self._control.snapshot()
        if snapshot is None:
            raise UnavailableError("the engine is still starting; try again in a moment")
        if isinstance(params, SnapshotParams):
            wanted = PARTS if params.parts is None else params.parts
            return self._encode(snapshot, tuple(part for part in PARTS if part in wanted))
        return encode(snapshot.status)

    def _encode(self, snapshot: Snapshot, parts: tuple[str, ...]) -> bytes:
        """Once for each snapshot, however often it is asked for."""
        with self._encoding:
            if self._encoded_of is not snapshot or len(self._encoded) >= _KEPT_ANSWERS:
                self._encoded_of, self._encoded = snapshot, {}
            if parts not in self._encoded:
                self._encoded[parts] = encode({part: getattr(snapshot, part) for part in parts})
            return self._encoded[parts]

    def _logs(self, after: int, limit: int) -> dict[str, object]:
        end, lines = self._control.log_lines(after)
        first = end - len(lines)
        return {"next": min(first + limit, end), "lines": lines[:limit]}

    async def _command(self, request: Request) -> CommandResult:
        verb = request.operation
        if not self._commands[verb].try_take():
            raise UnavailableError(f"{verb}: asked for too often; it is taken {COMMANDS_A_SECOND:g} times a second")
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT_S):
                return await self._control.send(request)
        except TimeoutError as error:
            raise UnavailableError(
                f"{verb}: the engine took it but has not answered within {COMMAND_TIMEOUT_S:g} s; look at its log"
            ) from error


class SocketControl:
    """A Control over the socket of a running engine, as an async context.

    `refresh` fetches the newest snapshot and log lines; `snapshot` and `log_lines` give what was fetched last.
    """

    def __init__(self, home: Home, kept_lines: int = 20_000) -> None:
        self._home = home
        self._snapshot: Snapshot | None = None
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

    def log_lines(self, after: int) -> tuple[int, list[LogLine]]:
        oldest = self._fetched - len(self._lines)
        start = min(max(after, oldest), self._fetched)
        return self._fetched, list(self._lines)[start - oldest :]

    async def refresh(self) -> None:
        """Raises UnavailableError when the engine has gone or does not answer."""
        self._snapshot = decode(Snapshot, await self.request("snapshot", {}))
        reply = await self.request("logs", {"after": self._cursor})
        lines = [decode(LogLine, line) for line in reply["lines"]]
        self._lines.extend(lines)
        self._fetched += len(lines)
        self._cursor = int(reply["next"])

    async def send(self, request: Request) -> CommandResult:
        params = {"verb": request.operation, "operator": request.operator, **request.values}
        return decode(CommandResult, await self.request("command", params))

    async def request(self, method: str, params: dict[str, Any]) -> Any:
        async with self._turn:
            self._asked += 1
            self._writer.write(encode_line({"id": self._asked, "method": method, "params": params}))
            try:
                async with asyncio.timeout(COMMAND_TIMEOUT_S + WRITE_TIMEOUT_S):
                    reply = await self._reader.readline()
            except (OSError, ValueError, TimeoutError) as error:
                # A late reply would be taken for the next one's.
                self._writer.close()
                raise UnavailableError(f"{self._home.root}: the engine has gone or does not answer") from error
        return result_of(reply)


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
        request = wire.asked(line)
        return request.method == "command" and wire.request_of(wire.params_of(request)).operation in REDUCING
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
    return b'{"id":' + number + b',"result":' + result + b"}\n"


def _error(number: bytes, error: QuarterdeckError) -> bytes:
    told = encode({"kind": type(error).__name__, "message": str(error)})
    return b'{"id":' + number + b',"error":' + told + b"}\n"


async def _send(writer: asyncio.StreamWriter, line: bytes) -> None:
    """A client that does not read is dropped: raises TimeoutError."""
    writer.write(line)
    # Not asyncio.wait_for: before Python 3.12 it can swallow the cancellation that ends a server.
    async with asyncio.timeout(WRITE_TIMEOUT_S):
        await writer.drain()
