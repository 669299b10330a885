"""The exchange on a loopback address: REST and websockets over aiohttp, with a hook for every kind of fault."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import WSMsgType, web

from tests.venue.streams import Connection
from tests.venue.venue import BinanceVenue, Response

CALLS_KEPT = 10_000
SERVED_METHODS = ("GET", "POST", "PUT", "DELETE")


@dataclass(frozen=True, slots=True)
class Fault:
    """What shall go wrong with one request or one websocket.

    `drop_before`: the connection breaks and the exchange never sees the request. `drop_after`: it acts, the answer is
    lost. `delay_ms` waits before the exchange acts, `answer_delay_ms` before its answer goes out. `response` is sent
    instead of asking the exchange, `answer` instead of what the exchange answered. `stall`: nothing ever comes back.
    For a websocket, `drop_before` refuses it and `stall` accepts it and stays silent.
    """

    drop_before: bool = False
    drop_after: bool = False
    delay_ms: int = 0
    answer_delay_ms: int = 0
    response: Response | None = None
    answer: Response | None = None
    stall: bool = False


NO_FAULT = Fault()


@dataclass(frozen=True, slots=True)
class Call:
    """A request as a fault hook sees it. `method` is WS for a websocket, and `params` then empty."""

    method: str
    path: str
    params: dict[str, str]
    text: str


def _never(call: Call) -> Fault:
    return NO_FAULT


def _as_it_is(call: Call, response: Response) -> Response | None:
    return response


@dataclass
class VenueServer:
    """Serves one venue until `close`. `now_ms` is the exchange's clock.

    `fault` is asked about every call before the exchange sees it, `after` about every answer of the exchange: what it
    returns goes out, and with None the answer is lost.
    `calls` lists the newest that arrived. `hold` keeps back all that the websockets would send: a silent stall, which
    `release` ends.
    """

    venue: BinanceVenue
    now_ms: Callable[[], int]
    fault: Callable[[Call], Fault] = _never
    after: Callable[[Call, Response], Response | None] = _as_it_is
    host: str = "127.0.0.1"
    port: int = 0
    calls: deque[Call] = field(default_factory=lambda: deque(maxlen=CALLS_KEPT))
    refuses_websockets: bool = False
    hold: bool = False
    _runner: web.AppRunner | None = None
    _sockets: dict[Connection, asyncio.Transport | None] = field(default_factory=dict)
    _stalled: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> str:
        """Begin to serve; returns the base address, http://127.0.0.1:PORT."""
        app = web.Application()
        for method in SERVED_METHODS:
            app.router.add_route(method, "/{tail:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self.base_url

    @property
    def base_url(self) -> str:
        return f"http://{self.host}:{self.port}"

    async def close(self) -> None:
        self._stalled.set()
        await self.cut()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> VenueServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def cut(self) -> None:
        """Break every websocket."""
        sockets, self._sockets = self._sockets, {}
        for connection, transport in sockets.items():
            connection.close()
            if transport is not None:
                transport.abort()

    def release(self) -> None:
        """End a silent stall: what was held back goes out now."""
        self.hold = False
        for connection in self._sockets:
            if connection.wake is not None:
                connection.wake()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._websocket(request)
        body = await request.text()
        target = request.raw_path
        call = Call(request.method, request.path, {**request.query, **_form(body)}, body)
        self.calls.append(call)
        fault = self.fault(call)
        if fault.stall:
            await self._stalled.wait()
        if fault.drop_before or fault.stall:
            return _abort(request)
        if fault.delay_ms:
            await asyncio.sleep(fault.delay_ms / 1000)
        response = fault.response
        if response is None:
            response = self.venue.http(request.method, target, body, request.headers, self.now_ms())
            response = self.after(call, fault.answer or response)
            if fault.drop_after or response is None:
                return _abort(request)
        if fault.answer_delay_ms:
            await asyncio.sleep(fault.answer_delay_ms / 1000)
        return web.Response(
            status=response.status, text=response.body, headers=response.headers, content_type="application/json"
        )

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        call = Call("WS", request.path, dict(request.query), "")
        self.calls.append(call)
        fault = self.fault(call)
        if self.refuses_websockets or fault.drop_before:
            return _abort(request)
        try:
            connection = self.venue.connect(request.raw_path, self.now_ms())
        except ValueError as error:
            return web.Response(status=404, text=str(error))
        socket = web.WebSocketResponse(autoping=True)
        await socket.prepare(request)
        self._sockets[connection] = request.transport
        waker = asyncio.Event()
        connection.wake = waker.set
        sender = asyncio.create_task(self._send(socket, connection, waker, fault.stall))
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    connection.receive(message.data, self.now_ms())
        finally:
            self._sockets.pop(connection, None)
            connection.close()
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
        return socket

    async def _send(
        self, socket: web.WebSocketResponse, connection: Connection, waker: asyncio.Event, is_silent: bool
    ) -> None:
        waker.set()
        while not connection.closed:
            await waker.wait()
            waker.clear()
            while connection.outbox and not self.hold and not is_silent:
                await socket.send_str(connection.outbox.popleft())
        await socket.close()


def _form(body: str) -> dict[str, Any]:
    return dict(parse_qsl(body, keep_blank_values=True))


def _abort(request: web.Request) -> web.Response:
    """Break the connection under the request without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
