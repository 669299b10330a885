"""One question to a running engine over its socket, without asyncio: what a command line needs, and quick to import."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from pathlib import Path
from typing import Any

from core.domain import errors
from core.domain.errors import QuarterdeckError, RefusedError, UnavailableError
from core.domain.plain import plain
from core.home.folder import Home, engine_pid, open_own

PROTOCOL_VERSION = 3
"""Of what is said over the socket. What only makes risk smaller is understood whatever the version."""

MAX_REPLY_BYTES = 64 * 1024 * 1024
_MAX_NOTE = 4_096


def request(
    home: Home,
    method: str,
    params: dict[str, Any] | None = None,
    timeout_s: float = 5.0,
    *,
    any_version: bool = False,
) -> Any:
    """The engine's result, as parsed JSON. `any_version`: it is understood from an engine of another version, too.

    Raises UnavailableError when no engine runs on `home` or none answers within `timeout_s`, RefusedError where it is
    of another version, and otherwise the error that the engine answered with.
    """
    message = {"id": 1, "version": PROTOCOL_VERSION, "method": method, "params": params or {}}
    line = json.dumps(message).encode() + b"\n"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
            peer.settimeout(timeout_s)
            peer.connect(str(socket_path(home)))
            # An engine with too many clients says so and hangs up, maybe before it is asked: its words are still there.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                peer.sendall(line)
            reply = _read_line(peer)
    except TimeoutError as error:
        raise UnavailableError(
            f"{home.root}: the engine has not answered within {timeout_s:g} s; look at `quarterdeck logs`"
        ) from error
    except OSError as error:
        raise no_engine(home) from error
    return result_of(reply, any_version=any_version)


def socket_path(home: Home) -> Path:
    """Where the engine listens: what it noted, since its environment may differ from ours, else the usual place."""
    try:
        with open(open_own(home.socket_note, os.O_RDONLY), encoding="utf-8") as note:
            noted = note.read(_MAX_NOTE).strip()
    except (OSError, UnicodeDecodeError):
        return home.socket
    return Path(noted) if noted.isprintable() and noted else home.socket


def no_engine(home: Home) -> UnavailableError:
    pid = engine_pid(home)
    if pid is None:
        return UnavailableError(f"{home.root}: no engine runs here; start one with `quarterdeck run`")
    return UnavailableError(f"{home.root}: the engine (process {pid}) does not listen yet or no longer; try again")


def result_of(reply: bytes, *, any_version: bool = False) -> Any:
    """The result in a reply line. Raises the error it holds, as one of our own, and RefusedError where another version
    of the protocol is spoken there, unless any will do."""
    try:
        answer = json.loads(reply)
        spoken = answer.get("version", 1)
        if spoken != PROTOCOL_VERSION and not any_version:
            raise other_version("the engine", spoken, "this program", PROTOCOL_VERSION)
        if "error" not in answer:
            return answer["result"]
        kind, message = answer["error"]["kind"], answer["error"]["message"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnavailableError("the engine closed the connection or answered something unreadable") from error
    named = getattr(errors, str(kind), None)
    family = named if isinstance(named, type) and issubclass(named, QuarterdeckError) else QuarterdeckError
    # Only the text came over: an error that says more is told as the nearest one above it that does not.
    raise next(error for error in family.__mro__ if "__init__" not in vars(error))(message)


def other_version(one: str, its_version: object, other: str, others_version: object) -> RefusedError:
    its = plain(str(its_version))[:8]
    return RefusedError(
        f"{one} speaks version {its} of the control protocol, {other} version {others_version}: run "
        "both from the same version of Quarterdeck; what makes risk smaller works all the same"
    )


def _read_line(peer: socket.socket) -> bytes:
    parts: list[bytes] = []
    size = 0
    while not parts or not parts[-1].endswith(b"\n"):
        part = peer.recv(65_536)
        size += len(part)
        if not part or size > MAX_REPLY_BYTES:
            return b""
        parts.append(part)
    return b"".join(parts)
