"""A running engine's Unix socket: JSON lines in, JSON lines out, for whatever holds a Control.

Request {"id", "method", "params"}; reply {"id", "result"} or {"id", "error": {"kind", "message"}}. Methods:
status {}, snapshot {"parts": [names of Snapshot fields], all when absent}, logs {"after", "limit"},
command {"verb", "symbol", "operator", "include_external"}. Only the owner of the home can connect.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections import deque
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import Any

from core.control import CommandResult, Control, LogLine, Snapshot
from core.control_client import MAX_REPLY_BYTES, no_engine, result_of, socket_path
from core.control_codec import decode, encode_line
from core.domain.errors import BadInputError, QuarterdeckError, UnavailableError
from core.domain.operator import Verb
from core.home import Home, private_folder

MAX_REQUEST_BYTES = 64 * 1024
MAX_CLIENTS = 16
MAX_LOG_LINES = 2_000
WRITE_TIMEOUT_S = 10.0
COMMAND_TIMEOUT_S = 30.0

_PARTS = tuple(field.name for field in fields(Snapshot))
_log = logging.getLogger(__name__)


class ControlServer:
    """Serves one Control on the socket of one home, as an async context. The caller holds the home's engine lock."""

    def __init__(self, control: Control, home: Home) -> None:
        self._control = control
        self._home = home
        self._path = home.socket
        self._clients: set[asyncio.Task[None]] = set()
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
                await _send(writer, _error(None, UnavailableError(f"{MAX_CLIENTS} clients are connected already")))
                return
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
        while True:
            try:
                line = await reader.readline()
            except ValueError:
                problem = BadInputError(f"a request is one line of at most {MAX_REQUEST_BYTES} bytes")
                await _send(writer, _error(None, problem))
                return
            if not line.endswith(b"\n"):
                return
            await _send(writer, await self._answer(line))

    async def _answer(self, line: bytes) -> bytes:
        number: Any = None
        try:
            number, method, params = _parse(line)
            if method == "command":
                return encode_line({"id": number, "result": await self._command(params)})
            # A whole snapshot takes milliseconds to encode; the engine's loop must not wait for that.
            return await asyncio.to_thread(self._read, number, method, params)
        except QuarterdeckError as error:
            return _error(number, error)
        except Exception:  # noqa: BLE001 - one bad request must end neither the connection nor the engine
            _log.exception("a control request failed")
            return _error(number, QuarterdeckError("the engine failed on this request; its log says how"))

    def _read(self, number: Any, method: str, params: dict[str, Any]) -> bytes:
        if method == "logs":
            after, limit = _count(params, "after", 0), _count(params, "limit", MAX_LOG_LINES)
            result: object = self._logs(after, min(limit, MAX_LOG_LINES))
        elif method in ("status", "snapshot"):
            snapshot = self._control.snapshot()
            if snapshot is None:
                raise UnavailableError("the engine is still starting; try again in a moment")
            result = snapshot.status if method == "status" else _parts_of(snapshot, params)
        else:
            raise BadInputError(f"unknown method {method!r}; known: status, snapshot, logs, command")
        return encode_line({"id": number, "result": result})

    def _logs(self, after: int, limit: int) -> dict[str, object]:
        end, lines = self._control.log_lines(after)
        first = end - len(lines)
        return {"next": min(first + limit, end), "lines": lines[:limit]}

    async def _command(self, params: dict[str, Any]) -> CommandResult:
        symbol, operator = params.get("symbol", ""), params.get("operator", "socket")
        include_external = params.get("include_external", False)
        try:
            verb = Verb(params.get("verb", ""))
        except ValueError as error:
            raise BadInputError(f"unknown verb; known: {', '.join(Verb)}") from error
        if not isinstance(symbol, str) or not isinstance(operator, str) or len(symbol) > 64 or len(operator) > 64:
            raise BadInputError("symbol and operator are text of at most 64 characters")
        if not isinstance(include_external, bool):
            raise BadInputError("include_external is true or false")
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT_S):
                return await self._control.command(verb, symbol, operator, include_external)
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

    async def command(
        self, verb: Verb, symbol: str = "", operator: str = "console", include_external: bool = False
    ) -> CommandResult:
        params = {"verb": verb.value, "symbol": symbol, "operator": operator, "include_external": include_external}
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
    if path.parent == home.root:
        home.socket_note.unlink(missing_ok=True)
    else:
        private_folder(path.parent)
        home.socket_note.write_text(f"{path}\n", encoding="utf-8")
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(0o600)
    except OSError as error:
        listener.close()
        raise UnavailableError(f"{path}: cannot listen here: {error.strerror}; name another --home") from error
    return listener


def _parse(line: bytes) -> tuple[Any, str, dict[str, Any]]:
    try:
        message = json.loads(line)
        number, method, params = message.get("id"), message["method"], message.get("params") or {}
    except (ValueError, KeyError, AttributeError, RecursionError) as error:
        raise BadInputError('a request is a JSON object {"id", "method", "params"} on one line') from error
    if not isinstance(method, str) or not isinstance(params, dict):
        raise BadInputError("method is text and params an object")
    return number, method, params


def _count(params: dict[str, Any], name: str, default: int) -> int:
    value = params.get(name, default)
    if type(value) is not int or value < 0:
        raise BadInputError(f"{name} is a whole number from 0 on")
    return value


def _parts_of(snapshot: Snapshot, params: dict[str, Any]) -> object:
    parts = params.get("parts")
    if parts is None:
        return snapshot
    if not isinstance(parts, list) or not set(map(str, parts)) <= set(_PARTS):
        raise BadInputError(f"parts is a list out of {', '.join(_PARTS)}")
    return {part: getattr(snapshot, part) for part in parts}


def _error(number: Any, error: QuarterdeckError) -> bytes:
    return encode_line({"id": number, "error": {"kind": type(error).__name__, "message": str(error)}})


async def _send(writer: asyncio.StreamWriter, line: bytes) -> None:
    """A client that does not read is dropped: raises TimeoutError."""
    writer.write(line)
    # Not asyncio.wait_for: before Python 3.12 it can swallow the cancellation that ends a server.
    async with asyncio.timeout(WRITE_TIMEOUT_S):
        await writer.drain()
