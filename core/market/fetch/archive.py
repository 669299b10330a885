"""The archive of past market data that an exchange publishes as zip files, each beside its checksum."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import quote, urlsplit
from urllib.request import getproxies, proxy_bypass

from core.domain.errors import DataError, UnavailableError
from core.exchange.connection.reachability import BY_PROXY, Way, broken_off, cause_of
from core.home.folder import cannot_write, open_own
from core.market.fetch.plan import ArchiveFile
from core.market.importing.table import MAX_FILE_BYTES, file_sha256, too_large
from core.settings.addresses import is_this_machine

if TYPE_CHECKING:
    import httpx

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 60.0
TRIES = 5
"""In a row that bring nothing new of a file."""

_SETTING = "data.archive_url"
_LEAST_PROGRESS_BYTES = 1 << 16
_TIMEOUT_S = 20.0
_MOST_CHECKSUM_BYTES = 4096
_CHECKSUM = re.compile(rb"([0-9a-fA-F]{64})(?:\s|$)")
_NOT_THERE = 404
_NOT_SATISFIABLE = 416
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})

Share = Callable[[float], None]
"""Told how much of a file is there, 0 to 1."""


class _AgainError(Exception):
    """A request that may be made again, after `wait_s` where the archive said so."""

    def __init__(self, text: str, wait_s: float | None = None) -> None:
        super().__init__(text)
        self.wait_s = wait_s


class _BeyondEndError(Exception):
    """Asked for more than the file has."""


class Archive:
    """Files of one archive, one request at a time. `folder` holds them, and what is there of one that is not whole, in
    the archive's own folders."""

    def __init__(self, url: str, folder: Path, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._url = url.rstrip("/")
        self._folder = folder
        self._pause = pause
        self._client: httpx.AsyncClient | None = None

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def fetch(self, file: ArchiveFile, share: Share) -> Path | None:
        """A file, whole and as its checksum says; None where the archive has none of it. The caller removes it.

        What an earlier try left of it is gone on with. Raises DataError where the checksum is another, RefusedError
        where the folder cannot be written, UnavailableError where the archive does not answer.
        """
        checksum = await self._checksum(file)
        if checksum is None:
            return None
        target = _place_of(self._folder, file)
        if _is_whole(target, checksum):
            return target
        part = _Part(target.with_name(f"{file.name}.part"))
        # A part of before may be one of a file that was published anew since: then once more, from its beginning.
        for _ in range(2 if part.size() else 1):
            await self._download(file, part, share)
            found = part.sha256()
            if found == checksum:
                part.rename(target)
                return target
            part.drop()
        raise DataError(
            f"{file.name}: does not match its checksum in the archive (is {found[:12]}..., should be "
            f"{checksum[:12]}...); fetch again later; nothing of it was imported"
        )

    async def _checksum(self, file: ArchiveFile) -> str | None:
        """Its SHA-256 as the archive tells it; a file without one is not published yet."""
        content = bytearray()

        async def read(answer: httpx.Response) -> None:
            content.clear()
            async for piece in answer.aiter_bytes():
                content.extend(piece)
                if len(content) > _MOST_CHECKSUM_BYTES:
                    return

        if not await self._tried(f"{file.folder}/{file.name}.CHECKSUM", dict, read, lambda: 0):
            return None
        found = _CHECKSUM.match(content)
        if found is None:
            raise DataError(f"{file.name}: the archive's checksum of it cannot be read; nothing of it was imported")
        return found[1].decode().lower()

    async def _download(self, file: ArchiveFile, part: _Part, share: Share) -> None:
        """The rest of a file behind what is there of it. Raises DataError where the archive has no such file."""

        async def read(answer: httpx.Response) -> None:
            begun = part.size() if answer.status_code == 206 else 0
            if begun and not answer.headers.get("content-range", "").startswith(f"bytes {begun}-"):
                part.drop()
                raise _AgainError("answers with another part of a file than was asked for")
            total = begun + int(answer.headers.get("content-length") or 0)
            _check_size(file, total)
            with part.opened(append=begun > 0) as out:
                async for piece in answer.aiter_raw():
                    begun += len(piece)
                    _check_size(file, begun)
                    out.write(piece)
                    share(begun / max(total, begun))

        try:
            is_there = await self._tried(f"{file.folder}/{file.name}", part.rest, read, part.size)
        except _BeyondEndError:
            # Whole already, or longer than the file is now: its checksum tells.
            return
        if not is_there:
            raise DataError(f"{file.name}: the archive has its checksum, but not the file; fetch again later")

    async def _tried(
        self,
        path: str,
        headers: Callable[[], dict[str, str]],
        read: Callable[[httpx.Response], Awaitable[None]],
        have: Callable[[], int],
    ) -> bool:
        """One GET, made again while that may help; whether the archive has what was asked for. `have` says how many
        bytes of it are there: a try that brings more is no failure."""
        import httpx

        failures = 0
        while True:
            before = have()
            try:
                return await self._once(path, headers(), read)
            except (httpx.TransportError, _AgainError) as error:
                failures = 1 if have() - before >= _LEAST_PROGRESS_BYTES else failures + 1
                if failures >= TRIES:
                    raise UnavailableError(f"{self._why(error)} ({path.rpartition('/')[2]})") from None
                told_s = error.wait_s if isinstance(error, _AgainError) else None
                await self._pause(min(LONGEST_WAIT_S, told_s or FIRST_WAIT_S * 2**failures))

    async def _once(
        self, path: str, headers: dict[str, str], read: Callable[[httpx.Response], Awaitable[None]]
    ) -> bool:
        address = f"{self._url}/{quote(path)}"
        async with self._connected().stream("GET", address, headers=headers) as answer:
            status = answer.status_code
            if status == _NOT_THERE:
                return False
            if status == _NOT_SATISFIABLE:
                raise _BeyondEndError
            if status in _BUSY:
                told = answer.headers.get("retry-after", "")
                raise _AgainError(f"answers HTTP {status}", float(told) if told.isdecimal() else None)
            if status not in (200, 206):
                raise UnavailableError(f"{self._place} answers HTTP {status}; check {_SETTING} ({Path(path).name})")
            await read(answer)
            return True

    def _connected(self) -> httpx.AsyncClient:
        import httpx

        if self._client is None:
            host = urlsplit(self._url).hostname or ""
            # Never decoded: the checksum is of the bytes that lie there.
            headers = {"Accept-Encoding": "identity"}
            try:
                self._client = httpx.AsyncClient(
                    timeout=_TIMEOUT_S, headers=headers, trust_env=not is_this_machine(host)
                )
            except (ImportError, ValueError, httpx.InvalidURL) as error:
                raise UnavailableError(
                    "the proxy of this machine's environment is of a kind that the archive cannot be asked by; "
                    "name one of http"
                ) from error
        return self._client

    @property
    def _place(self) -> str:
        return urlsplit(self._url).netloc.rpartition("@")[2]

    def _why(self, error: Exception) -> str:
        import httpx

        if isinstance(error, _AgainError):
            return f"{self._place} {error}; fetch again later"
        if isinstance(error, httpx.ProxyError):
            return BY_PROXY
        way = self._way()
        return cause_of(error, way) or broken_off(way)

    def _way(self) -> Way:
        """Where a proxy is set, the connection goes to that."""
        parts = urlsplit(self._url)
        proxy = getproxies().get(parts.scheme, "")
        if not proxy or is_this_machine(parts.hostname or "") or proxy_bypass(parts.hostname or ""):
            return Way(self._place, _SETTING)
        server = urlsplit(proxy)
        where = f"{server.hostname}:{server.port}" if server.port else server.hostname
        return Way(f"the proxy {where}", "the proxy of its environment")


class _Part:
    """As much as is there of a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def size(self) -> int:
        return self._path.stat().st_size if self._path.exists() else 0

    def rest(self) -> dict[str, str]:
        """The header that asks for what follows."""
        size = self.size()
        return {"Range": f"bytes={size}-"} if size else {}

    def sha256(self) -> str:
        return file_sha256(self._path)

    def rename(self, target: Path) -> None:
        self._path.replace(target)

    def drop(self) -> None:
        self._path.unlink(missing_ok=True)

    @contextmanager
    def opened(self, *, append: bool) -> Iterator[IO[bytes]]:
        """Raises RefusedError where it cannot be written, also while it is."""
        flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if append else os.O_TRUNC)
        try:
            with open(open_own(self._path, flags), "ab" if append else "wb") as file:
                yield file
        except OSError as error:
            raise cannot_write(self._path, error) from error


def _place_of(folder: Path, file: ArchiveFile) -> Path:
    target = folder / file.folder / file.name
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(target.parent, error) from error
    return target


def _is_whole(path: Path, checksum: str) -> bool:
    return path.exists() and file_sha256(path) == checksum


def _check_size(file: ArchiveFile, size: int) -> None:
    if size > MAX_FILE_BYTES:
        raise too_large(file.name, f"is larger than {MAX_FILE_BYTES >> 20:,} MiB")
