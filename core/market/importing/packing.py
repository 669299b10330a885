"""Packed files and texts of other encodings as a stream of UTF-8, unpacked as far as it is read and within bounds."""

from __future__ import annotations

import codecs
import gzip
import io
import zipfile
from collections.abc import Callable
from typing import BinaryIO, Protocol

from core.domain.errors import DataError
from core.market.importing import table
from core.market.importing.table import MEND, too_large

ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
GZIP_MAGIC = b"\x1f\x8b"
_OTHER_PACKING = {
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"7z\xbc\xaf": "7z",
    b"Rar!": "rar",
    b"\x89HDF": "HDF5",
    b"\xd0\xcf\x11\xe0": "an old workbook",
    b"%PDF": "PDF",
    b"\x89PNG": "a picture",
}
_HEAD_BYTES = 8


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Pulled(io.RawIOBase):
    """A stream of what `pull` gives, a piece at a time, until that is empty."""

    def __init__(self, pull: Callable[[], bytes]) -> None:
        self._pull = pull
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._left:
            self._left = self._pull()
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count


def pulled(pull: Callable[[], bytes]) -> io.BufferedReader:
    return io.BufferedReader(_Pulled(pull), table.MAX_LINE_BYTES)


def unpacked(name: str, file: BinaryIO) -> tuple[io.BufferedReader, str]:
    """What a file from its beginning holds, of `.gz` and `.zip` what is packed in it, and the name that it has there.

    Raises DataError for other packing and for an archive of anything but one file.
    """
    head = file.read(_HEAD_BYTES)
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if head.startswith(GZIP_MAGIC):
        return _bounded(name, gzip.GzipFile(fileobj=file), size), name.removesuffix(".gz")
    if head.startswith(ZIP_MAGIC):
        archive = zipfile.ZipFile(file)
        member = _member(name, archive)
        return _bounded(name, archive.open(member), member.compress_size), member.filename.rpartition("/")[2]
    for magic, kind in _OTHER_PACKING.items():
        if head.startswith(magic):
            raise DataError(f"{name}: is {kind}, which is not read here; unpack or convert it to CSV or Parquet first")
    return io.BufferedReader(file, table.MAX_LINE_BYTES), name  # type: ignore[arg-type]


def _member(name: str, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    files = [item for item in archive.infolist() if not item.is_dir() and not item.filename.startswith("__MACOSX/")]
    if any(item.filename == "[Content_Types].xml" for item in files):
        raise DataError(f"{name}: is a workbook; save the sheet as CSV and import that")
    if len(files) != 1:
        raise DataError(f"{name}: holds {len(files)} files, and one is read; unpack it and import each by itself")
    if files[0].flag_bits & 1:
        raise DataError(f"{name}: needs a password; unpack it and import what it holds")
    return files[0]


def _bounded(name: str, stream: _Readable, packed_bytes: int) -> io.BufferedReader:
    """Raises DataError where more comes out of it than bounds allow."""
    read = 0

    def pull() -> bytes:
        nonlocal read
        content = stream.read(table.MAX_LINE_BYTES)
        read += len(content)
        if read > table.MAX_UNPACKED_BYTES:
            raise too_large(name, f"unpacks into more than {table.MAX_UNPACKED_BYTES >> 20:,} MiB")
        if read > max(table.RATIO_FROM_BYTES, table.MAX_UNPACKED_RATIO * packed_bytes):
            raise too_large(name, f"unpacks into more than {table.MAX_UNPACKED_RATIO} times its size")
        return content

    return pulled(pull)


def as_utf8(name: str, stream: io.BufferedReader) -> io.BufferedReader:
    """Text without a byte order mark. UTF-16 is told by its mark, or by every other byte of its first letters.

    Raises DataError for what is no text, while it is read.
    """
    head = stream.peek(_HEAD_BYTES)[:_HEAD_BYTES]
    if head.startswith(codecs.BOM_UTF8):
        stream.read(len(codecs.BOM_UTF8))
        return stream
    encoding = _wide(head)
    if encoding is None:
        if b"\0" in head:
            raise DataError(f"{name}: is no text, nor in another form that is read here; {MEND}")
        return stream
    decoder = codecs.getincrementaldecoder(encoding)()

    def pull() -> bytes:
        while content := stream.read(table.MAX_LINE_BYTES):
            if text := decoder.decode(content):
                return text.encode()
        return decoder.decode(b"", final=True).encode()

    return pulled(pull)


def _wide(head: bytes) -> str | None:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if len(head) >= 4 and head[0] and not head[1] and head[2] and not head[3]:
        return "utf-16-le"
    if len(head) >= 4 and not head[0] and head[1] and not head[2] and head[3]:
        return "utf-16-be"
    return None
