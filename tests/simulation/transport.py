"""An in-memory stand-in for aiohttp's session, so that every line of genuine ccxt above it runs.

`Session` is handed to a ccxt client in place of its `aiohttp.ClientSession`. Requests and frames travel over a
`Network` to a `Server`, in virtual time, and meet what its `Weather` has in store for them.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from types import SimpleNamespace
from typing import Any, Protocol
from urllib.parse import urlsplit

import aiohttp
from aiohttp import WSMsgType
from ccxt.async_support.base import throttler
from ccxt.async_support.base.ws import client as ws_client

from tests.simulation.loop import LoopClock, VirtualLoop


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)


class Peer(Protocol):
    """The server's end of one websocket."""

    def receive(self, text: str) -> None:
        """A frame from the client."""
        ...

    def closed(self) -> None:
        """The client is gone."""
        ...


class Server(Protocol):
    def rest(self, method: str, path: str, query: str, body: str, headers: Mapping[str, str]) -> Answer: ...

    def connect(self, path: str, query: str, send: Callable[[str], None], close: Callable[[int], None]) -> Peer:
        """Take a websocket. Raises RefusedConnectionError."""
        ...


class RefusedConnectionError(Exception):
    """A handshake that was answered with an HTTP status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"handshake refused with status {status}")
        self.status = status


class Outcome(Enum):
    """What becomes of a request on its way."""

    ANSWERED = auto()
    LOST_ON_THE_WAY = auto()
    """Never arrives; nobody says so."""
    RESET_ON_THE_WAY = auto()
    """Never arrives; the connection breaks."""
    ANSWER_LOST = auto()
    """Carried out; the answer never comes."""
    RESET_AFTER = auto()
    """Carried out; the connection breaks before the answer."""
    REPLACED = auto()
    """Not carried out; `answer` comes instead."""
    SPOILED = auto()
    """Carried out; `answer` comes instead of the true one."""


@dataclass(frozen=True, slots=True)
class Fate:
    outcome: Outcome
    out_ms: float
    back_ms: float
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One frame after `delay_ms`. With `in_order` it waits for what was sent before it, as on one TCP connection."""

    delay_ms: float
    text: str
    in_order: bool = True


class Weather(Protocol):
    """What the network does to what it carries."""

    def request(self, method: str, path: str, params: str) -> Fate: ...

    def answered(self, method: str, path: str, params: str, fate: Fate, answer: Answer | None) -> None:
        """Told of every request once its fate is fulfilled at the server; `answer` is the server's own."""
        ...

    def handshake_ms(self, path: str) -> float | None:
        """How long a websocket takes to open; None when it cannot be opened now."""
        ...

    def frames(self, path: str, text: str) -> list[Delivery]:
        """What arrives of a frame of the server: itself, nothing, or more than that."""
        ...


class Network:
    """Carries for one client process. `cut()` is the end of that process: nothing reaches it any more."""

    def __init__(self, loop: VirtualLoop, server: Server, weather: Weather) -> None:
        self.loop = loop
        self.server = server
        self.weather = weather
        # The world's callbacks must outlive the process that asked for them.
        self.context = contextvars.Context()
        self.sockets: list[Socket] = []
        self.alive = True

    def cut(self) -> None:
        self.alive = False
        for socket in list(self.sockets):
            socket.lose_client()

    def later(self, delay_ms: float, action: Callable[..., None], *args: Any) -> asyncio.TimerHandle:
        return self.loop.call_later(delay_ms / 1000.0, action, *args, context=self.context)

    def request(self, method: str, url: str, body: str, headers: Mapping[str, str]) -> asyncio.Future[Answer]:
        future: asyncio.Future[Answer] = self.loop.create_future()
        parts = urlsplit(url)
        params = f"{parts.query}&{body}" if parts.query and body else parts.query or body
        fate = self.weather.request(method, parts.path, params)
        call = _Call(self, future, method, parts.path, parts.query, body, params, dict(headers), fate)
        self.later(fate.out_ms, call.arrive)
        return future


@dataclass(slots=True)
class _Call:
    network: Network
    future: asyncio.Future[Answer]
    method: str
    path: str
    query: str
    body: str
    params: str
    headers: Mapping[str, str]
    fate: Fate

    def arrive(self) -> None:
        fate, net = self.fate, self.network
        answer: Answer | None = None
        if fate.outcome in _CARRIED_OUT:
            answer = net.server.rest(self.method, self.path, self.query, self.body, self.headers)
        net.weather.answered(self.method, self.path, self.params, fate, answer)
        match fate.outcome:
            case Outcome.ANSWERED:
                net.later(fate.back_ms, self._resolve, answer)
            case Outcome.REPLACED | Outcome.SPOILED:
                net.later(fate.back_ms, self._resolve, fate.answer)
            case Outcome.RESET_ON_THE_WAY | Outcome.RESET_AFTER:
                net.later(fate.back_ms, self._break)
            case _:
                pass

    def _resolve(self, answer: Answer) -> None:
        if self.network.alive and not self.future.done():
            self.future.set_result(answer)

    def _break(self) -> None:
        if self.network.alive and not self.future.done():
            self.future.set_exception(aiohttp.ServerDisconnectedError())


_CARRIED_OUT = frozenset({Outcome.ANSWERED, Outcome.ANSWER_LOST, Outcome.RESET_AFTER, Outcome.SPOILED})


class Session:
    """The part of `aiohttp.ClientSession` that ccxt uses."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.headers: dict[str, str] = {}
        self.closed = False

    def get(self, url: Any, **options: Any) -> _Exchange:
        return _Exchange(self._network, "GET", str(url), options)

    def post(self, url: Any, **options: Any) -> _Exchange:
        return _Exchange(self._network, "POST", str(url), options)

    def put(self, url: Any, **options: Any) -> _Exchange:
        return _Exchange(self._network, "PUT", str(url), options)

    def delete(self, url: Any, **options: Any) -> _Exchange:
        return _Exchange(self._network, "DELETE", str(url), options)

    def ws_connect(self, url: str, **options: Any) -> _Handshake:
        return _Handshake(self._network, url)

    async def close(self) -> None:
        self.closed = True


class _Exchange:
    """`async with session.get(...) as response`."""

    def __init__(self, network: Network, method: str, url: str, options: Mapping[str, Any]) -> None:
        self._network = network
        self._method = method
        self._url = url
        self._options = options

    async def __aenter__(self) -> _Response:
        body = self._options.get("data") or b""
        future = self._network.request(self._method, self._url, body.decode(), self._options.get("headers") or {})
        timeout = self._options.get("timeout")
        total_s = timeout.total if timeout is not None and timeout.total else 300.0
        handle = self._network.loop.call_later(total_s, _time_out, future)
        try:
            return _Response(await future)
        finally:
            handle.cancel()

    async def __aexit__(self, *exc: object) -> None:
        return None


def _time_out(future: asyncio.Future[Answer]) -> None:
    if not future.done():
        future.set_exception(TimeoutError())


class _Response:
    reason = ""

    def __init__(self, answer: Answer) -> None:
        self.status = answer.status
        self.headers = answer.headers
        self._body = answer.body

    async def text(self, errors: str = "strict") -> str:
        return self._body

    @property
    def content(self) -> str:
        return self._body


class _Handshake:
    def __init__(self, network: Network, url: str) -> None:
        self._network = network
        self._url = url

    async def __aenter__(self) -> Socket:
        network = self._network
        parts = urlsplit(self._url)
        delay_ms = network.weather.handshake_ms(parts.path)
        if delay_ms is None:
            await asyncio.sleep(0.05)
            raise aiohttp.ClientConnectionError(f"cannot connect to {parts.path}")
        opened: asyncio.Future[Socket] = network.loop.create_future()
        network.later(delay_ms, _open, network, parts.path, parts.query, opened)
        return await opened

    async def __aexit__(self, *exc: object) -> None:
        return None


def _open(network: Network, path: str, query: str, opened: asyncio.Future[Socket]) -> None:
    if not network.alive or opened.done():
        return
    socket = Socket(network, path)
    try:
        socket.peer = network.server.connect(path, query, socket.from_server, socket.close_by_server)
    except RefusedConnectionError as error:
        opened.set_exception(aiohttp.ClientConnectionError(f"{error} at {path}"))
        return
    network.sockets.append(socket)
    opened.set_result(socket)


@dataclass(frozen=True, slots=True)
class Message:
    type: WSMsgType
    data: Any
    extra: Any = None


_CLOSED = Message(WSMsgType.CLOSED, None)


class Socket:
    """The part of `aiohttp.ClientWebSocketResponse` that ccxt uses, its receive buffer included: frames that came
    together are drained together, before any task that watches runs."""

    def __init__(self, network: Network, path: str) -> None:
        self.path = path
        self.peer: Peer | None = None
        self.closed = False
        self.clogged = False
        self._network = network
        self._buffer: deque[tuple[Message, int]] = deque()
        self._conn = SimpleNamespace(protocol=SimpleNamespace(_payload=SimpleNamespace(_buffer=self._buffer)))
        self._waiter: asyncio.Future[None] | None = None
        self._held: list[str] = []
        self._flying: deque[tuple[float, str]] = deque()

    def from_server(self, text: str) -> None:
        """The server sends a frame."""
        if self.closed:
            return
        if self.clogged:
            self._held.append(text)
            return
        network = self._network
        now_s = network.loop.time()
        for delivery in network.weather.frames(self.path, text):
            arrival_s = now_s + delivery.delay_ms / 1000.0
            if not delivery.in_order:
                network.loop.call_at(arrival_s, self._arrive, delivery.text, context=network.context)
                continue
            last_s = self._flying[-1][0] if self._flying else 0.0
            if arrival_s > last_s:
                network.loop.call_at(arrival_s, self._land, context=network.context)
            self._flying.append((max(arrival_s, last_s), delivery.text))

    def clog(self) -> None:
        """Nothing arrives any more, and nobody says so."""
        self.clogged = True

    def unclog(self, *, keep: bool) -> None:
        """Go on; what was held back comes now, or never."""
        self.clogged = False
        held, self._held = self._held, []
        if keep:
            for text in held:
                self.from_server(text)

    def close_by_server(self, code: int) -> None:
        """The server ends the connection with a close frame; code 1006 is a connection that breaks without one."""
        if self.closed:
            return
        self._forget()
        if code == 1006:
            self.closed = True
            self._put(_CLOSED)
        else:
            self._put(Message(WSMsgType.CLOSE, code))

    def lose_client(self) -> None:
        """The client's process ended."""
        if not self.closed:
            self.closed = True
            self._forget()
            if self.peer is not None:
                self.peer.closed()

    async def receive(self) -> Message:
        while not self._buffer:
            if self.closed:
                return _CLOSED
            self._waiter = self._network.loop.create_future()
            await self._waiter
        return self._buffer.popleft()[0]

    async def send_str(self, text: str) -> None:
        if self.closed:
            raise ConnectionResetError("cannot write to a closing transport")
        if not self.clogged:
            self._network.later(1.0, self._to_server, text)

    async def ping(self, message: bytes = b"") -> None:
        if self.closed:
            raise ConnectionResetError("cannot write to a closing transport")
        if not self.clogged:
            self._network.later(2.0, self._put, Message(WSMsgType.PONG, message))

    async def pong(self, message: bytes = b"") -> None:
        return None

    async def close(self, *, code: int = 1000, message: bytes = b"") -> bool:
        if self.closed:
            return False
        self.closed = True
        self._forget()
        if self.peer is not None:
            self.peer.closed()
        self._wake()
        return True

    def _land(self) -> None:
        # The loop runs a timer up to a nanosecond early.
        now_s = self._network.loop.time() + 1e-6
        while self._flying and self._flying[0][0] <= now_s:
            self._arrive(self._flying.popleft()[1])

    def _arrive(self, text: str) -> None:
        if self.clogged:
            self._held.append(text)
        else:
            self._put(Message(WSMsgType.TEXT, text))

    def _to_server(self, text: str) -> None:
        if not self.closed and not self.clogged and self.peer is not None:
            self.peer.receive(text)

    def _put(self, message: Message) -> None:
        if not self._network.alive or (self.closed and message is not _CLOSED):
            return
        size = len(message.data) if isinstance(message.data, str) else 0
        self._buffer.append((message, size))
        self._wake()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _forget(self) -> None:
        if self in self._network.sockets:
            self._network.sockets.remove(self)


def attach(client: Any, network: Network) -> Session:
    """Let a ccxt client speak over `network` in place of its own session."""
    session = Session(network)
    client.session = session
    client.own_session = False
    client.ssl_context = False
    return session


@contextmanager
def virtual_ccxt(clock: LoopClock) -> Iterator[None]:
    """While the body runs, ccxt's websocket keep-alive and throttle go by `clock`: the two places in which it asks the
    machine for the time by itself."""

    class VirtualExchange(ws_client.Exchange):  # type: ignore[misc]
        milliseconds = staticmethod(clock.now_ms)

    real_exchange, real_time = ws_client.Exchange, throttler.time
    ws_client.Exchange, throttler.time = VirtualExchange, lambda: clock.now_ms() / 1000.0
    try:
        yield
    finally:
        ws_client.Exchange, throttler.time = real_exchange, real_time
