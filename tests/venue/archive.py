"""An archive of past market data on loopback: zips by path, each beside its checksum, and faults on their way."""

from __future__ import annotations

import asyncio
import hashlib
import io
import re
import threading
import zipfile
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: the file's name, and the byte from which it was wanted."""

    name: str
    from_byte: int


@dataclass
class LoopbackArchive:
    """`cuts` are taken one after the other by the zips that are asked for: so many bytes go out, then the connection
    breaks, or (`stalls`) nothing more comes. `statuses` likewise are answered in place of a file or a checksum."""

    files: dict[str, bytes] = field(default_factory=dict)
    checksums: dict[str, str] = field(default_factory=dict)
    cuts: deque[int] = field(default_factory=deque)
    stalls: bool = False
    statuses: deque[int] = field(default_factory=deque)
    ranges: bool = True
    asked: list[Asked] = field(default_factory=list)
    url: str = ""
    stalled: threading.Event = field(default_factory=threading.Event)
    _runner: web.AppRunner | None = None
    _closing: asyncio.Event = field(default_factory=asyncio.Event)

    def publish(self, folder: str, stem: str, rows: Iterable[Iterable[object]], header: str = "") -> None:
        lines = [*([header] if header else []), *(",".join(map(str, row)) for row in rows)]
        self.put(folder, stem, zipped(f"{stem}.csv", "\n".join(lines) + "\n"))

    def put(self, folder: str, stem: str, content: bytes) -> None:
        self.files[f"{folder}/{stem}.zip"] = content
        self.checksums[f"{folder}/{stem}.zip"] = hashlib.sha256(content).hexdigest()

    def names(self) -> Counter[str]:
        """How often each file was asked for."""
        return Counter(asked.name for asked in self.asked)

    async def __aenter__(self) -> LoopbackArchive:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        self._closing.set()
        await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        path = request.path.lstrip("/")
        if self.statuses and (status := self.statuses.popleft()) != 200:
            return web.Response(status=status)
        if path.endswith(".CHECKSUM"):
            name = path.removesuffix(".CHECKSUM")
            if name not in self.checksums:
                return web.Response(status=404)
            return web.Response(text=f"{self.checksums[name]}  {name.rpartition('/')[2]}\n")
        content = self.files.get(path)
        told = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", "")) if self.ranges else None
        begin = int(told[1]) if told else 0
        self.asked.append(Asked(path.rpartition("/")[2], begin))
        if content is None:
            return web.Response(status=404)
        if begin >= len(content):
            return web.Response(status=416)
        return await self._send(request, content, begin, is_part=told is not None)

    async def _send(self, request: web.Request, content: bytes, begin: int, *, is_part: bool) -> web.StreamResponse:
        rest = content[begin:]
        response = web.StreamResponse(status=206 if is_part else 200)
        response.content_length = len(rest)
        if is_part:
            response.headers["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
        await response.prepare(request)
        if not self.cuts:
            await response.write(rest)
            return response
        await response.write(rest[: self.cuts.popleft()])
        if self.stalls:
            self.stalled.set()
            await self._closing.wait()
        assert request.transport is not None
        # What was written arrives before the end of the connection does.
        request.transport.close()
        return response


def zipped(name: str, text: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
    return content.getvalue()


@contextmanager
def in_thread(*servers: Callable[[], AbstractAsyncContextManager[Any]]) -> Iterator[list[Any]]:
    """Servers made and entered in a loop of their own, for tests that wait for processes."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    entered: list[tuple[AbstractAsyncContextManager[Any], Any]] = []

    async def enter(make: Callable[[], AbstractAsyncContextManager[Any]]) -> None:
        server = make()
        entered.append((server, await server.__aenter__()))

    async def leave() -> None:
        for server, _ in reversed(entered):
            await server.__aexit__(None, None, None)

    try:
        for make in servers:
            asyncio.run_coroutine_threadsafe(enter(make), loop).result()
        yield [what for _, what in entered]
    finally:
        asyncio.run_coroutine_threadsafe(leave(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
