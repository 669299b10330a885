"""What a file from outside holds as columns of numbers, and within what bounds it is read: a file is small that unpacks
into more than a machine has."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import DataError
from core.market.importing.values import Wrong, numbers, one_text, times, words

MAX_FILE_BYTES = 1 << 30
MAX_ROWS = 5_300_000
"""Ten years of minutes."""
MAX_LINE_BYTES = 1 << 20
"""Of a file of text; so much is read at a time."""
MAX_UNPACKED_BYTES = 1 << 29
MAX_UNPACKED_RATIO = 100
"""How many times larger than in its file what is read of it may become; less than RATIO_FROM_BYTES may be more."""
RATIO_FROM_BYTES = 1 << 26

BATCH_ROWS = 65_536
MEND = "correct the file and import it again; nothing was imported"
SPLIT = "split it by time and import the parts; nothing was imported"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where rows come from. Row i of the file stands at `first_line + i`, of what `place` calls a line or a row.

    `places` has the row of the file for each row of the data, where that is another.
    """

    name: str
    sha256: str
    place: str
    first_line: int
    places: NDArray[np.int64] | None = field(default=None, compare=False, repr=False)

    def error(self, index: int, reason: str, mend: str = MEND) -> DataError:
        row = index if self.places is None else int(self.places[index])
        return DataError(f"{self.name}: {self.place} {self.first_line + row}: {reason}; {mend}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """By the names that `columns.py` gives them: columns of `times`, of other numbers, of text of which a file may hold
    one only, and of `words` that stand for numbers, as true and buy."""

    times: frozenset[str]
    numbers: frozenset[str]
    texts: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()

    @property
    def names(self) -> frozenset[str]:
        return self.times | self.numbers | self.texts | self.words


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of one length by name: times as int64 in whatever unit the file has, all others float64; `texts` are the
    same in every row. `names` are all that the file has. `member` is the name of the file within an archive."""

    origin: Origin
    names: frozenset[str]
    columns: dict[str, NDArray[Any]]
    texts: Mapping[str, str] = field(default_factory=dict)
    member: str = ""


@dataclass(slots=True)
class Gathered:
    """What was read of one file so far, a batch of Arrow columns at a time."""

    origin: Origin
    wanted: Wanted
    member: str = ""
    rows: int = 0
    parts: dict[str, list[NDArray[Any]]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)

    def take(self, rows: int, columns: Mapping[str, Any]) -> None:
        """Columns by their names here. Raises DataError naming the row that is wrong."""
        if self.rows + rows > MAX_ROWS:
            raise too_large(self.origin.name, f"has more than {MAX_ROWS:,} rows")
        for name, column in columns.items():
            try:
                if name in self.wanted.texts:
                    self.texts[name] = one_text(name, column, self.texts.get(name))
                else:
                    self.parts.setdefault(name, []).append(self._reader(name)(name, column))
            except Wrong as wrong:
                raise self.origin.error(self.rows + wrong.index, wrong.reason) from None
        self.rows += rows

    def _reader(self, name: str) -> Callable[[str, Any], NDArray[Any]]:
        if name in self.wanted.words:
            return words
        return times if name in self.wanted.times else numbers

    def table(self, names: Sequence[str]) -> Table:
        """Raises DataError where there is no row."""
        if self.parts and not self.rows:
            raise no_rows(self.origin.name)
        columns = {name: np.concatenate(self.parts.pop(name)) for name in list(self.parts)}
        return Table(self.origin, frozenset(names), columns, dict(self.texts), self.member)


def too_large(name: str, what: str) -> DataError:
    return DataError(f"{name}: {what}; {SPLIT}")


def no_rows(name: str) -> DataError:
    return DataError(f"{name}: holds no rows; {MEND}")


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
        return sha256_of(path, file)


def sha256_of(path: Path, file: BinaryIO) -> str:
    """Raises DataError when the file cannot be read."""
    digest = hashlib.sha256()
    try:
        while content := file.read(MAX_LINE_BYTES):
            digest.update(content)
        return digest.hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
