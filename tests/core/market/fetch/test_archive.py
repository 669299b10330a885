"""Files of an archive come whole or not at all, whatever happens on their way."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.domain.errors import DataError, RefusedError, UnavailableError
from core.market.fetch.archive import LONGEST_WAIT_S, TRIES, Archive
from core.market.fetch.plan import ArchiveFile, Period
from tests.venue.archive import LoopbackArchive

FILE = ArchiveFile(Period.DAY, "daily/klines/BTCUSDT/1m", "BTCUSDT-1m-2025-06-01", 0, 1)
CONTENT = random.Random(5).randbytes(400_000)
WHOLE = "daily/klines/BTCUSDT/1m/BTCUSDT-1m-2025-06-01.zip"
PART = f"{WHOLE}.part"


class Waits(list[float]):
    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture
async def server() -> AsyncIterator[LoopbackArchive]:
    async with LoopbackArchive() as server:
        server.put(FILE.folder, FILE.stem, CONTENT)
        yield server


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
async def archive(server: LoopbackArchive, tmp_path: Path, waits: Waits) -> AsyncIterator[Archive]:
    archive = Archive(server.url, tmp_path, waits)
    yield archive
    await archive.close()


def lay(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(content)


async def take(archive: Archive) -> bytes:
    path = await archive.fetch(FILE, lambda _: None)
    assert path is not None
    return path.read_bytes()


async def test_a_file_comes_whole_and_is_told_as_it_comes(archive: Archive, tmp_path: Path) -> None:
    shares: list[float] = []
    path = await archive.fetch(FILE, shares.append)
    assert path == tmp_path / WHOLE
    assert path.read_bytes() == CONTENT
    assert shares == sorted(shares)
    assert shares[-1] == 1


async def test_a_file_that_is_not_published_is_none(archive: Archive, server: LoopbackArchive) -> None:
    server.checksums.clear()
    assert await archive.fetch(FILE, lambda _: None) is None
    assert not server.asked


async def test_a_connection_that_breaks_is_gone_on_with(archive: Archive, server: LoopbackArchive) -> None:
    server.cuts.extend([150_000, 100_000])
    assert await take(archive) == CONTENT
    begins = [asked.from_byte for asked in server.asked]
    assert len(begins) == 3
    assert begins == sorted(set(begins))


async def test_a_part_of_before_is_gone_on_with(archive: Archive, server: LoopbackArchive, tmp_path: Path) -> None:
    lay(tmp_path / PART, CONTENT[:123_456])
    assert await take(archive) == CONTENT
    assert [asked.from_byte for asked in server.asked] == [123_456]


async def test_a_whole_file_of_before_is_not_asked_for(
    archive: Archive, server: LoopbackArchive, tmp_path: Path
) -> None:
    lay(tmp_path / WHOLE, CONTENT)
    assert await take(archive) == CONTENT
    assert not server.asked


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("part", [b"of another file", CONTENT, CONTENT + b"more"])
async def test_whatever_lies_there_of_before_the_file_is_the_archive_s(
    archive: Archive, server: LoopbackArchive, tmp_path: Path, part: bytes, ranges: bool
) -> None:
    server.ranges = ranges
    lay(tmp_path / PART, part)
    assert await take(archive) == CONTENT
    assert not (tmp_path / PART).exists()


@pytest.mark.parametrize("part", [b"", b"of another file"])
async def test_a_checksum_that_does_not_match_is_refused_in_one_line(
    archive: Archive, server: LoopbackArchive, tmp_path: Path, part: bytes
) -> None:
    if part:
        lay(tmp_path / PART, part)
    server.checksums[f"{FILE.folder}/{FILE.name}"] = "ab" * 32
    with pytest.raises(DataError, match=r"BTCUSDT-1m-2025-06-01\.zip: does not match its checksum") as refused:
        await archive.fetch(FILE, lambda _: None)
    assert "\n" not in str(refused.value)
    assert not os.listdir(tmp_path / FILE.folder)


async def test_a_checksum_that_cannot_be_read_is_refused(archive: Archive, server: LoopbackArchive) -> None:
    server.checksums[f"{FILE.folder}/{FILE.name}"] = "<html>"
    with pytest.raises(DataError, match="checksum of it cannot be read"):
        await archive.fetch(FILE, lambda _: None)


async def test_a_checksum_without_its_file_is_refused(archive: Archive, server: LoopbackArchive) -> None:
    server.files.clear()
    with pytest.raises(DataError, match="has its checksum, but not the file"):
        await archive.fetch(FILE, lambda _: None)


async def test_a_busy_archive_is_waited_for(archive: Archive, server: LoopbackArchive, waits: Waits) -> None:
    server.statuses.extend([503, 429, 200, 500])
    assert await take(archive) == CONTENT
    assert len(waits) == 3
    assert all(0 < seconds <= LONGEST_WAIT_S for seconds in waits)


async def test_an_archive_that_stays_busy_is_told(archive: Archive, server: LoopbackArchive, waits: Waits) -> None:
    server.statuses.extend([503] * TRIES)
    with pytest.raises(UnavailableError, match=r"^127\.0\.0\.1:\d+ answers HTTP 503; fetch again later \(BTCUSDT"):
        await archive.fetch(FILE, lambda _: None)
    assert len(waits) == TRIES - 1
    assert waits == sorted(waits)


@pytest.mark.parametrize("status", [302, 400, 403, 451])
async def test_an_answer_that_is_no_file_is_told(archive: Archive, server: LoopbackArchive, status: int) -> None:
    server.statuses.append(status)
    with pytest.raises(UnavailableError, match=rf"answers HTTP {status}; check data\.archive_url"):
        await archive.fetch(FILE, lambda _: None)


async def test_a_connection_that_breaks_for_ever_is_told(archive: Archive, server: LoopbackArchive) -> None:
    server.cuts.extend([0] * TRIES)
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:\d+ broke the connection off; check this machine's net"):
        await archive.fetch(FILE, lambda _: None)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://127.0.0.1:{port}", r"^127\.0\.0\.1:\d+ refuses the connection; .*data\.archive_url"),
        ("https://no-such-host.invalid", r"^the name of no-such-host\.invalid is not resolved; .*data\.archive_url"),
    ],
)
async def test_what_keeps_us_from_the_archive_is_one_line_with_its_mend(
    tmp_path: Path, waits: Waits, monkeypatch: pytest.MonkeyPatch, url: str, told: str
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    archive = Archive(url.format(port=free_port()), tmp_path, waits)
    with pytest.raises(UnavailableError, match=told):
        await archive.fetch(FILE, lambda _: None)
    await archive.close()


async def test_no_tls_where_it_is_expected_is_told(server: LoopbackArchive, tmp_path: Path, waits: Waits) -> None:
    archive = Archive(server.url.replace("http:", "https:"), tmp_path, waits)
    with pytest.raises(UnavailableError, match=r"^TLS with 127\.0\.0\.1:\d+ failed .*; check data\.archive_url"):
        await archive.fetch(FILE, lambda _: None)
    await archive.close()


@pytest.mark.parametrize(
    ("proxy", "told"),
    [
        ("http://user:secret@127.0.0.1:{closed}", r"^the proxy 127\.0\.0\.1:\d+ refuses the connection; .*environment"),
        ("http://user:secret@127.0.0.1:{archive}", r"^the proxy does not let us through; check the proxy"),
        ("gopher://user:secret@127.0.0.1:1", r"^the proxy of this machine's environment is of a kind"),
    ],
)
async def test_a_proxy_in_between_is_named_without_its_password(
    server: LoopbackArchive, tmp_path: Path, waits: Waits, monkeypatch: pytest.MonkeyPatch, proxy: str, told: str
) -> None:
    address = proxy.format(closed=free_port(), archive=server.url.rpartition(":")[2])
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, address)
    for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    archive = Archive("https://archive.example/futures", tmp_path, waits)
    with pytest.raises(UnavailableError, match=told) as refused:
        await archive.fetch(FILE, lambda _: None)
    await archive.close()
    assert "secret" not in str(refused.value)


async def test_a_folder_that_takes_nothing_is_told(archive: Archive, tmp_path: Path) -> None:
    (tmp_path / PART).mkdir(parents=True)
    with pytest.raises(RefusedError, match="cannot be written"):
        await archive.fetch(FILE, lambda _: None)


async def test_a_file_that_is_too_large_is_refused(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.market.fetch.archive.MAX_FILE_BYTES", 399_999)
    with pytest.raises(DataError, match="is larger than"):
        await archive.fetch(FILE, lambda _: None)


def free_port() -> int:
    """Of which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


async def test_a_part_that_is_a_link_is_never_written_through(archive: Archive, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"")
    part = tmp_path / PART
    part.parent.mkdir(parents=True)
    part.symlink_to(elsewhere)
    with pytest.raises(RefusedError, match=r"\.zip\.part: cannot be written: is a link"):
        await take(archive)
    assert elsewhere.read_bytes() == b""
