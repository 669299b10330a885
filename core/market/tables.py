"""The columns of a Parquet or CSV file from outside, a batch of rows at a time and within bounds: a file is small that
unpacks into more than a machine has."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import DataError

MAX_FILE_BYTES = 1 << 30
MAX_ROWS = 5_300_000
"""Ten years of minutes."""
MAX_LINE_BYTES = 1 << 20
"""Of a CSV file; so much is read at a time."""
MAX_UNPACKED_BYTES = 1 << 29
MAX_UNPACKED_RATIO = 100
"""How many times larger than in a Parquet file its columns may become; less than RATIO_FROM_BYTES may be more."""
RATIO_FROM_BYTES = 1 << 26
MAX_FOOTER_PARTS = 1_000_000

BATCH_ROWS = 65_536
MEND = "correct the file and import it again; nothing was imported"
SPLIT = "split it by time and import the parts; nothing was imported"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where rows come from. Row i of the data stands at `first_line + i`, of what `place` calls a line or a row."""

    name: str
    sha256: str
    place: str
    first_line: int

    def error(self, index: int, reason: str, mend: str = MEND) -> DataError:
        return DataError(f"{self.name}: {self.place} {self.first_line + index}: {reason}; {mend}")


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of one length by name: times as int64 in whatever unit the file has, all others float64. `names` are all
    that the file has."""

    origin: Origin
    names: frozenset[str]
    columns: dict[str, NDArray[Any]]


@dataclass(slots=True)
class _Gathered:
    """What was read of one file so far."""

    origin: Origin
    times: frozenset[str]
    rows: int = 0
    parts: dict[str, list[NDArray[Any]]] = field(default_factory=dict)

    def take(self, batch: Any) -> None:
        """Raises DataError naming the row that is wrong."""
        if self.rows + batch.num_rows > MAX_ROWS:
            raise too_large(self.origin.name, f"has more than {MAX_ROWS:,} rows")
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            read = _times if name in self.times else _numbers
            self.parts.setdefault(name, []).append(read(self.origin, name, column, self.rows))
        self.rows += batch.num_rows

    def table(self, names: Sequence[str]) -> Table:
        columns = {name: np.concatenate(self.parts.pop(name)) for name in list(self.parts)}
        return Table(self.origin, frozenset(names), columns)


def too_large(name: str, what: str) -> DataError:
    return DataError(f"{name}: {what}; {SPLIT}")


def open_plain(path: Path) -> BinaryIO:
    """A file that is not larger than MAX_FILE_BYTES. Raises DataError for another, and for what is no file."""
    try:
        file = open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")  # noqa: SIM115 - the caller closes
        status = os.fstat(file.fileno())
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    if stat.S_ISREG(status.st_mode) and status.st_size <= MAX_FILE_BYTES:
        return file
    file.close()
    if not stat.S_ISREG(status.st_mode):
        raise DataError(f"{path}: is no plain file; {MEND}")
    raise too_large(path.name, f"is larger than {MAX_FILE_BYTES >> 20:,} MiB")


def file_sha256(path: Path) -> str:
    """Raises DataError when the file cannot be read."""
    with open_plain(path) as file:
        return _sha256(path, file)


def read_table(path: Path, times: frozenset[str], others: frozenset[str]) -> Table:
    """The columns of these names that the file has. Raises DataError naming the file, the place and the mend."""
    import pyarrow as pa

    with open_plain(path) as file:
        sha256 = _sha256(path, file)
        file.seek(0)
        try:
            if path.suffix == ".parquet":
                return _read_parquet(Origin(path.name, sha256, "row", 1), file, times, others)
            if path.suffix == ".csv":
                return _read_csv(path.name, sha256, file, times, others)
        except (pa.ArrowException, OSError, UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"{path.name}: {_told(error, path.suffix[1:])}") from error
        except MemoryError as error:
            raise too_large(path.name, "unpacks into more memory than an import may use") from error
    raise DataError(f"{path.name}: is neither .parquet nor .csv; unpack or convert it first")


def _sha256(path: Path, file: BinaryIO) -> str:
    digest = hashlib.sha256()
    try:
        while content := file.read(MAX_LINE_BYTES):
            digest.update(content)
        return digest.hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def _told(error: Exception, kind: str) -> str:
    import pyarrow as pa

    reason = " ".join(str(error).split())
    if isinstance(error, pa.ArrowMemoryError):
        return f"unpacks into more memory than an import may use; {SPLIT}"
    if "straddling object straddles" in reason:
        return f"a line is longer than {MAX_LINE_BYTES >> 20} MiB; {MEND}"
    row = re.search(r"Row #([0-9]+): (.*)", reason)
    return f"line {row[1]}: {row[2]}; {MEND}" if row else f"cannot be read as {kind}: {reason}; {MEND}"


def _read_parquet(origin: Origin, file: BinaryIO, times: frozenset[str], others: frozenset[str]) -> Table:
    from pyarrow import parquet

    found = parquet.ParquetFile(
        file, thrift_string_size_limit=MAX_FILE_BYTES, thrift_container_size_limit=MAX_FOOTER_PARTS
    )
    schema = found.schema_arrow
    wanted = _wanted(origin.name, schema.names, times | others)
    for name in wanted:
        kind = schema.field(name).type
        # What is as long as it likes, as text is, may be there a million times in one place of the file.
        if not any(is_kind(kind) for is_kind in _of_one_length()):
            raise DataError(f"{origin.name}: the column {name} holds {kind} and no numbers; {MEND}")
    _check_size(origin.name, found.metadata, wanted)
    gathered = _Gathered(origin, times)
    for batch in found.iter_batches(BATCH_ROWS, columns=wanted, use_threads=False):
        gathered.take(batch)
    return gathered.table(schema.names)


def _of_one_length() -> tuple[Any, ...]:
    from pyarrow import types

    return types.is_integer, types.is_floating, types.is_decimal, types.is_timestamp


def _check_size(name: str, told: Any, wanted: Sequence[str]) -> None:
    """By what the file says of itself. Raises DataError."""
    if told.num_rows > MAX_ROWS:
        raise too_large(name, f"has {told.num_rows:,} rows, and {MAX_ROWS:,} is the most")
    packed = unpacked = 0
    for group in map(told.row_group, range(told.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            if column.path_in_schema in wanted:
                packed += column.total_compressed_size
                unpacked += column.total_uncompressed_size
    if unpacked > MAX_UNPACKED_BYTES:
        raise too_large(name, f"unpacks into {unpacked >> 20:,} MiB, and {MAX_UNPACKED_BYTES >> 20} MiB is the most")
    if unpacked > max(RATIO_FROM_BYTES, MAX_UNPACKED_RATIO * packed):
        raise too_large(name, f"unpacks into more than {MAX_UNPACKED_RATIO} times its size")


class _Text(io.RawIOBase):
    """The bytes of a file from one place to another."""

    def __init__(self, file: BinaryIO, start: int, end: int) -> None:
        self._file = file
        self._left = end - start
        file.seek(start)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(content)
        return content


def _read_csv(name: str, sha256: str, file: BinaryIO, times: frozenset[str], others: frozenset[str]) -> Table:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    first, start, behind = _first_line(name, file)
    has_header, end = not re.match(r'"?-?[0-9]', first), _end(file)
    if end <= (behind if has_header else start):
        raise DataError(f"{name}: holds no rows; {MEND}")
    told = next(csv.reader([first]), [])
    names = told if has_header else _headerless(name, len(told))
    wanted = _wanted(name, names, times | others)
    gathered = _Gathered(Origin(name, sha256, "line", 2 if has_header else 1), times)
    options = arrow_csv.ReadOptions(
        column_names=None if has_header else names, use_threads=False, block_size=MAX_LINE_BYTES
    )
    # An empty line stays a row, so that line numbers are the file's own.
    parsing = arrow_csv.ParseOptions(ignore_empty_lines=False)
    as_text = arrow_csv.ConvertOptions(
        column_types=dict.fromkeys(wanted, pa.string()), include_columns=wanted, strings_can_be_null=True
    )
    text = pa.PythonFile(_Text(file, start, end), mode="r")
    if wanted:
        for batch in _batches(arrow_csv, text, options, parsing, as_text):
            gathered.take(batch)
    return gathered.table(names)


def _batches(arrow_csv: Any, text: Any, options: Any, parsing: Any, as_text: Any) -> Iterator[Any]:
    with arrow_csv.open_csv(text, options, parsing, as_text) as reader:
        yield from reader


def _wanted(name: str, told: Sequence[str], known: frozenset[str]) -> list[str]:
    wanted = [column for column in told if column in known]
    if twice := next((column for column in wanted if wanted.count(column) > 1), ""):
        raise DataError(f"{name}: has the column {twice} twice; {MEND}")
    return wanted


def _first_line(name: str, file: BinaryIO) -> tuple[str, int, int]:
    """Without a byte order mark; where it begins, and the place behind it."""
    head = file.readline(MAX_LINE_BYTES + 1)
    if len(head) > MAX_LINE_BYTES:
        raise DataError(f"{name}: a line is longer than {MAX_LINE_BYTES >> 20} MiB; {MEND}")
    line = head.removeprefix(b"\xef\xbb\xbf")
    try:
        first = line.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{name}: is not UTF-8 text; {MEND}") from error
    return first, len(head) - len(line), len(head)


def _end(file: BinaryIO) -> int:
    """Behind the last byte that is no white space."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - MAX_LINE_BYTES)
        file.seek(start)
        content = file.read(end - start).rstrip()
        if content:
            return start + len(content)
        end = start
    return 0


def _headerless(name: str, width: int) -> list[str]:
    if not 6 <= width <= len(DUMP_COLUMNS):
        raise DataError(f"{name}: line 1: {width} columns and no header; add a line with the column names")
    return list(DUMP_COLUMNS[:width])


DUMP_COLUMNS = (
    "open_time",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "close_time",
    "quote_volume",
    "count",
    "taker_buy_volume",
    "taker_buy_quote_volume",
    "ignore",
)
"""Of the venue's public kline files, which have no header before 2022."""


def _numbers(origin: Origin, name: str, column: Any, before: int) -> NDArray[np.float64]:
    import pyarrow as pa

    _check_whole(origin, name, column, before)
    try:
        return np.array(_trimmed(column).cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
    except pa.ArrowException:
        index, value = _first(column, _is_number)
        raise origin.error(before + index, f"{name} {_short(value)} is not a number") from None


def _times(origin: Origin, name: str, column: Any, before: int) -> NDArray[np.int64]:
    """Whole numbers as they are; dates and times as milliseconds."""
    import pyarrow as pa

    _check_whole(origin, name, column, before)
    told = _trimmed(column)
    for kind in (pa.int64(), pa.timestamp("ms"), pa.timestamp("ms", tz="UTC")):
        if pa.types.is_timestamp(told.type) != pa.types.is_timestamp(kind) and not pa.types.is_string(told.type):
            continue
        try:
            return np.array(told.cast(kind, safe=kind == pa.int64()).cast(pa.int64()).to_numpy(), dtype=np.int64)
        except pa.ArrowException:
            continue
    index, value = _first(column, lambda text: re.fullmatch(r"-?[0-9]+", text) is not None)
    raise origin.error(before + index, f"{name} {_short(value)} is not a whole number of milliseconds")


def _check_whole(origin: Origin, name: str, column: Any, before: int) -> None:
    if column.null_count:
        index = int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))
        raise origin.error(before + index, f"{name} is missing or not a number")


def _trimmed(column: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.utf8_trim_whitespace(column) if pa.types.is_string(column.type) else column


def _first(column: Any, is_good: Any) -> tuple[int, Any]:
    """The first value that is not, and its place."""
    values = column.to_pylist()
    return next(((i, value) for i, value in enumerate(values) if not is_good(str(value).strip())), (0, values[0]))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
