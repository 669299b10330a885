"""What the loopback servers of MEXC and Apex share: an HTTP and websocket listener that hands on what it hears."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

MESSAGES = Path(__file__).parent / "messages"


def messages(name: str) -> dict[str, Any]:
    """The stored messages of `name` ("mexc/rest"), fresh for the caller to change."""
    loaded: dict[str, Any] = json.loads((MESSAGES / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


@dataclass(frozen=True)
class Call:
    """One HTTP request: `path` without the query, `query` and `body` as they came over the wire."""

    method: str
    path: str
    query: str
    body: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    body: Any
    status: int = 200


class Socket:
    """One websocket connection: where it was opened, and what it may hear."""

    def __init__(self, path: str, query: Mapping[str, str], send: Callable[[str], Any]) -> None:
        self.path = path
        self.query = query
        self.topics: list[str] = []
        self.signed_in = False
        self._send = send

    async def send(self, message: Mapping[str, Any]) -> None:
        await self._send(json.dumps(message))


class Loopback:
    """Listens on a free port of 127.0.0.1; `calls` and `sockets` tell what came."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.sockets: list[Socket] = []
        self.url = ""
        self._heard = asyncio.Condition()
        self._runner: web.AppRunner | None = None

    def answer(self, call: Call) -> Answer:
        raise NotImplementedError

    async def hear(self, socket: Socket, message: dict[str, Any]) -> None:
        raise NotImplementedError

    async def after(self) -> None:
        """Called when an answer has gone out: what the request set off is pushed now."""

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something heard on a socket has made `condition` true."""
        async with self._heard:
            await self._heard.wait_for(condition)

    async def __aenter__(self) -> Loopback:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._request)
        self._runner = web.AppRunner(app, shutdown_timeout=0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _request(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._socket(request)
        call = Call(
            request.method, request.path, request.rel_url.raw_query_string, await request.text(), request.headers
        )
        self.calls.append(call)
        answer = self.answer(call)
        response = web.json_response(answer.body, status=answer.status)
        await response.prepare(request)
        await response.write_eof()
        await self.after()
        return response

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        raw = web.WebSocketResponse()
        await raw.prepare(request)
        socket = Socket(request.path, request.query, raw.send_str)
        self.sockets.append(socket)
        try:
            async for message in raw:
                await self.hear(socket, json.loads(message.data))
                async with self._heard:
                    self._heard.notify_all()
        finally:
            self.sockets.remove(socket)
        return raw
