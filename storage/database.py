"""The databases of a home: looked at before they are touched, migrated in numbered steps, opened for one purpose."""

from __future__ import annotations

import math
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from core.domain.errors import RefusedError, StorageError
from core.home.folder import check_ours, open_own

if TYPE_CHECKING:
    from storage.connection import Connection

BUSY_TIMEOUT_MS = 5_000
JOURNAL = "migrations"
"""The schema of HOME/quarterdeck.db: the folder beside this file that holds its numbered steps."""

_COPY_TRIES = 5
_MAGIC = b"SQLite format 3\x00"


@dataclass(frozen=True, slots=True)
class Database:
    """A database file that exists, is whole and has this program's `schema`. Made by `open_database`."""

    path: Path
    schema: str = JOURNAL

    def connect_sync(self, *, durable: bool) -> sqlite3.Connection:
        """A writing connection in autocommit mode; `durable` makes each commit survive a power cut.

        Raises StorageError.
        """
        with storage_errors(self.path):
            return _connect(self.path, durable=durable)

    async def connect(self, *, durable: bool, read_only: bool = False) -> Connection:
        """The same, on a thread of its own; with `read_only` one that cannot write. Raises StorageError."""
        import asyncio

        from storage.connection import Connection

        with storage_errors(self.path):
            way = partial(connect_read_only, self.path) if read_only else partial(_connect, self.path, durable=durable)
            connection = Connection(way, iter_chunk_size=64)
            opening = asyncio.ensure_future(connection)
            try:
                await asyncio.shield(opening)
            except asyncio.CancelledError:
                # Its thread answers in any case; left behind it would do so to a loop that has ended.
                await (await opening).close()
                raise
            except BaseException:
                await connection.gone()
                raise
            return connection

    async def check(self) -> None:
        """Read the whole file for damage, 2 ms a megabyte, on a thread of its own and beside whoever writes.

        Raises StorageError.
        """
        connection = await self.connect(durable=False, read_only=True)
        try:
            with storage_errors(self.path):
                await connection.call(lambda reading: _check_whole(reading, self.path))
        finally:
            await connection.close()

    def backup(self, target: Path) -> None:
        """Copy the whole database, even while it is written to, by SQLite's backup API.

        Raises RefusedError when `target` exists, StorageError when the copy fails.
        """
        try:
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            raise RefusedError(f"{target}: exists already; name a file that does not") from None
        except OSError as error:
            raise StorageError(f"{target}: cannot be written: {error.strerror}") from error
        try:
            with storage_errors(self.path), closing(connect_read_only(self.path)) as source:
                with closing(sqlite3.connect(target)) as copy:
                    source.backup(copy)
                _look(target, newest=migrations(self.schema)[-1][0])
        except BaseException:
            target.unlink(missing_ok=True)
            raise


def open_database(path: Path, schema: str = JOURNAL, *, thorough: bool = True) -> Database:
    """Look at the file without changing it, create it (mode 0600) where there is none, apply missing migrations.

    `thorough` reads the whole file for damage, which takes 2 ms a megabyte; without it only the header is looked at,
    unless the file is to be migrated, and damage is told by `Database.check` or by the query that meets it.

    Raises StorageError, one line with the file and the mend, when it is damaged, newer than this program or locked.
    """
    if path.is_symlink():
        raise StorageError(f"{path}: is a link; put the database itself there, or name its own folder with --home")
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise StorageError(f"{path}: is no plain file; move it away")
    steps = migrations(schema)
    newest = steps[-1][0]
    with storage_errors(path):
        have = _look(path, newest=newest, thorough=thorough) if path.exists() else 0
        if 0 < have < newest and not thorough:
            _look(path, newest=newest)
        if have < newest:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                check_ours(path.parent)
                # The file is made first, so that the database and its log are never readable by others.
                os.close(open_own(path, os.O_CREAT | os.O_RDWR))
            except OSError as error:
                raise StorageError(f"{path}: cannot be created: {error.strerror}") from error
            with closing(_connect(path, durable=True)) as connection:
                for version, sql in steps:
                    _migrate(connection, version, sql)
    return Database(path, schema)


def connect_read_only(path: Path, timeout_ms: int = BUSY_TIMEOUT_MS) -> sqlite3.Connection:
    """A connection that cannot write; may raise sqlite3.Error (see `storage_errors`).

    Where SQLite cannot even make its scratch files beside the database, as on a disk that is read-only, the file is
    read as it lies there, or a copy of it where its log holds what it lacks.
    """
    address = f"file:{quote(str(path.resolve()))}?mode=ro"
    connection = sqlite3.connect(address, uri=True, timeout=timeout_ms / 1000)
    try:
        connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            raise
        log = path.with_name(path.name + "-wal")
        if log.exists() and log.stat().st_size:
            return connect_copy(path)
        return sqlite3.connect(f"{address}&immutable=1", uri=True)
    except BaseException:
        connection.close()
        raise
    return connection


def connect_copy(path: Path) -> sqlite3.Connection:
    """A connection to a copy of the database and of its log, which is gone from the disk again when this returns.

    Nobody's lock is asked for. May raise sqlite3.Error, and StorageError where it changes all the while or cannot be
    read.
    """
    with tempfile.TemporaryDirectory(prefix="quarterdeck-") as folder:
        copy = Path(folder) / path.name
        try:
            _copy_still(path, copy)
        except OSError as error:
            raise StorageError(f"{path}: cannot be read: {error.strerror}") from error
        with closing(sqlite3.connect(copy)) as source:
            memory = sqlite3.connect(":memory:")
            try:
                source.backup(memory)
            except BaseException:
                memory.close()
                raise
    return memory


def _copy_still(path: Path, copy: Path) -> None:
    """Raises StorageError where the files changed during each of a few tries."""
    names = [path.name, path.name + "-wal"]
    for _ in range(_COPY_TRIES):
        before = [_mark(path.with_name(name)) for name in names]
        for name in names:
            if path.with_name(name).is_file():
                shutil.copyfile(path.with_name(name), copy.with_name(name))
        if before == [_mark(path.with_name(name)) for name in names]:
            return
    raise StorageError(f"{path}: is written to all the while; stop the other quarterdeck, or wait for it")


def _mark(path: Path) -> tuple[int, int] | None:
    if not path.exists():
        return None
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def check_version(connection: sqlite3.Connection, path: Path, newest: int) -> int:
    """The file's schema version. Raises StorageError when a newer program wrote it."""
    have = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if have > newest:
        raise StorageError(
            f"{path}: was written by a newer program (schema {have}, this program knows {newest}); "
            "update quarterdeck, or choose another home"
        )
    return have


def check_header(path: Path) -> None:
    """Raises StorageError when the file is no SQLite database, or was cut to nothing beside a live log."""
    try:
        with path.open("rb") as file:
            head = file.read(len(_MAGIC))
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror}") from error
    log = path.with_name(path.name + "-wal")
    is_new = not head and not (log.exists() and log.stat().st_size > 0)
    if head != _MAGIC and not is_new:
        raise _damaged(path, "is not an SQLite database")


@contextmanager
def storage_errors(path: Path, left: str = "nothing was written") -> Iterator[None]:
    """Tell SQLite's errors as one line with the file and the mend; `left` says what a failed write leaves."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise StorageError(f"{path}: a record breaks a rule of the database ({error}); {left}") from error
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise _damaged(path, str(error)) from error
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise StorageError(
                f"{path}: is locked by another program; stop the other quarterdeck, or wait for it"
            ) from error
        if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
            raise StorageError(f"{path}: cannot be opened or written ({error}); mend its permissions") from error
        if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            raise StorageError(f"{path}: the disk is full or failing ({error}), free or mend it; {left}") from error
        raise StorageError(f"{path}: {error}; {left}") from error
    except (OverflowError, UnicodeEncodeError) as error:
        raise StorageError(f"{path}: a value does not fit the database ({error}); {left}") from error


def migrations(schema: str = JOURNAL) -> list[tuple[int, str]]:
    """Schema versions with their SQL, oldest first, from storage/`schema`/NNNN_*.sql."""
    found = sorted(Path(__file__).with_name(schema).glob("*.sql"))
    return [(int(file.name.partition("_")[0]), file.read_text("utf-8")) for file in found]


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, on a connection in autocommit mode."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _look(path: Path, newest: int, *, thorough: bool = True) -> int:
    """Read-only check of the file; its schema version."""
    check_header(path)
    with closing(connect_read_only(path)) as connection:
        have = check_version(connection, path, newest)
        if thorough:
            _check_whole(connection, path)
    return have


def _check_whole(connection: sqlite3.Connection, path: Path) -> None:
    verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise _damaged(path, " ".join(str(verdict).split()))


def _damaged(path: Path, what: str) -> StorageError:
    return StorageError(f"{path}: is damaged ({what}); restore a backup, or move it and its -wal file away")


def _connect(path: Path, *, durable: bool) -> sqlite3.Connection:
    """One that may write. Raises RefusedError in a folder of another user, or in one that others can write."""
    check_ours(path.parent)
    # Only the thread of storage.connection uses a connection after it was made, or the thread that made it.
    connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_MS / 1000, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        # A checkpoint in every hundredth commit would set the tail of their durations; 8,000 pages are 32 MB of log.
        connection.execute("PRAGMA wal_autocheckpoint = 8000")
        connection.execute("PRAGMA foreign_keys = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _migrate(connection: sqlite3.Connection, version: int, sql: str) -> None:
    with transaction(connection):
        # Asked again under the lock: another program may have been faster.
        if int(connection.execute("PRAGMA user_version").fetchone()[0]) >= version:
            return
        connection.create_function("exact", 1, _exact, deterministic=True)
        for statement in _statements(sql):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {version}")


def _exact(value: float) -> str:
    """A number as JSON, to the bit; null for what is none."""
    return repr(value) if math.isfinite(value) else "null"


def _statements(sql: str) -> Iterator[str]:
    """The script's statements; each must end its line. (executescript would commit by itself.)"""
    pending = ""
    for line in sql.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
    if pending.strip():
        raise StorageError(f"a migration ends within a statement: {pending.strip()[:60]}")
