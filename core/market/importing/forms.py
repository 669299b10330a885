"""The table in a file, whatever form it has: the form is told by how the file begins, not by its name."""

from __future__ import annotations

import csv
import io
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

from core.domain.errors import DataError
from core.domain.plain import plain
from core.market.importing.arrow_forms import FEATHER_MAGIC, PARQUET_MAGIC, read_feather, read_parquet
from core.market.importing.json_forms import read_json
from core.market.importing.packing import as_utf8, unpacked
from core.market.importing.table import MEND, SPLIT, Origin, Table, Wanted, no_rows, open_plain, sha256_of, too_large
from core.market.importing.text_forms import read_delimited

_OLD_FEATHER_MAGIC = b"FEA1"
_BINARY = {PARQUET_MAGIC: "Parquet", FEATHER_MAGIC: "Feather"}
_NAMED = {
    ".parquet": PARQUET_MAGIC,
    ".pq": PARQUET_MAGIC,
    ".feather": FEATHER_MAGIC,
    ".ftr": FEATHER_MAGIC,
    ".arrow": FEATHER_MAGIC,
}
_PACKED = {".gz": "gzip", ".zip": "a zip archive"}


def read_table(path: Path, wanted: Wanted) -> Table:
    """The columns that are wanted and that the file has. Raises DataError naming the file, the place and the mend."""
    import pyarrow as pa

    # A name of bytes that are no text cannot be kept as it is.
    name = plain(path.name)
    with open_plain(path) as file:
        sha256 = sha256_of(path, file)
        file.seek(0)
        try:
            return _read(name, sha256, file, wanted)
        except (pa.ArrowException, OSError, EOFError, zlib.error, zipfile.BadZipFile, csv.Error) as error:
            raise DataError(f"{name}: {_told(error, path.suffix[1:])}") from error
        except NotImplementedError as error:
            raise DataError(f"{name}: is packed in a way that is not read here; unpack it first") from error
        except UnicodeDecodeError as error:
            raise DataError(f"{name}: is not {error.encoding.upper()} text; {MEND}") from error
        except MemoryError as error:
            raise too_large(name, "unpacks into more memory than an import may use") from error


def _read(name: str, sha256: str, file: BinaryIO, wanted: Wanted) -> Table:
    magic = file.read(len(FEATHER_MAGIC))
    file.seek(0)
    suffix = Path(name).suffix.lower()
    if magic.startswith(PARQUET_MAGIC) or _NAMED.get(suffix) == PARQUET_MAGIC:
        return read_parquet(Origin(name, sha256, "row", 1), file, wanted)
    if magic.startswith(_OLD_FEATHER_MAGIC):
        raise DataError(f"{name}: is Feather of version 1; write it again with a pandas of today, or as Parquet")
    if magic.startswith(FEATHER_MAGIC) or _NAMED.get(suffix) == FEATHER_MAGIC:
        return read_feather(Origin(name, sha256, "row", 1), file, wanted)
    packed, member = unpacked(name, file)
    if suffix in _PACKED and member == name:
        raise DataError(f"{name}: is not {_PACKED[suffix]} as its name says; {MEND}")
    return _read_text(Origin(name, sha256, "line", 1), packed, member, wanted)


def _read_text(origin: Origin, packed: io.BufferedReader, member: str, wanted: Wanted) -> Table:
    head = packed.peek(len(FEATHER_MAGIC))
    if kind := next((kind for magic, kind in _BINARY.items() if head.startswith(magic)), ""):
        raise DataError(f"{origin.name}: holds {kind} that is packed once more; unpack it and import what it holds")
    text = as_utf8(origin.name, packed)
    begin = text.peek(1).lstrip()[:1]
    if not begin and not text.peek(1):
        raise no_rows(origin.name)
    if begin in (b"[", b"{"):
        return read_json(Origin(origin.name, origin.sha256, "row", 1), text, wanted, member)
    return read_delimited(origin, text, wanted, member)


def _told(error: Exception, kind: str) -> str:
    import pyarrow as pa

    if isinstance(error, pa.ArrowMemoryError):
        return f"unpacks into more memory than an import may use; {SPLIT}"
    return f"cannot be read as {kind}: {' '.join(str(error).split())}; {MEND}"
