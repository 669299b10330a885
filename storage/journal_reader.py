"""Everything an account's journal holds, read as one snapshot, piece by piece, beside a running engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from types import TracebackType

from core.domain.errors import UnavailableError
from core.domain.instrument import Instrument
from core.domain.records import Record
from core.domain.regrid import Eras
from storage.database import Database, connect_read_only, storage_errors
from storage.journal_records import read_records
from storage.units import eras_of, instruments_of, order_units

PIECE = 4_096
"""How many places of the journal are in memory at once."""


class JournalReader:
    """The account written last, as it is when this is made: later commits are not seen. Use as a context manager.

    Raises UnavailableError when no account was opened yet, StorageError when the file cannot be read.
    """

    def __init__(self, database: Database) -> None:
        self._path = database.path
        with storage_errors(self._path):
            self._connection = connect_read_only(self._path)
            try:
                self._connection.execute("BEGIN")
                row = self._connection.execute(
                    "SELECT account, last_seq FROM journals ORDER BY last_seq > 0 DESC, last_commit DESC LIMIT 1"
                ).fetchone()
            except BaseException:
                self._connection.close()
                raise
        if row is None:
            self._connection.close()
            raise UnavailableError(f"no account in {self._path.parent} yet; start one with: quarterdeck run")
        self.account = str(row[0])
        self.last_seq = int(row[1])

    def __enter__(self) -> JournalReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with closing(self._connection):
            self._connection.rollback()

    def meta(self) -> dict[str, str]:
        """The facts kept of the account."""
        with storage_errors(self._path):
            rows = self._connection.execute("SELECT key, value FROM meta WHERE account = ?", (self.account,))
            return {str(key): str(value) for key, value in rows}

    def instruments(self) -> dict[str, Instrument]:
        """The contract rules kept of the account, by symbol."""
        with storage_errors(self._path):
            return instruments_of(self._connection, self.account)

    def eras(self) -> Eras:
        """In which ticks and lots its stretches count."""
        with storage_errors(self._path):
            return eras_of(self._connection, self.account)

    def records(self, first_seq: int, last_seq: int) -> Iterator[tuple[int, Record]]:
        """Records with their places, in the order of their commit, both ends included.

        A place without a record is that of a cursor that a later one of its kind and symbol replaced, in a journal that
        does not keep its market. Ticks and lots are those that the record was written in.
        """
        with storage_errors(self._path):
            units = order_units(self._connection, self.account, eras_of(self._connection, self.account))
        for start in range(first_seq, last_seq + 1, PIECE):
            span = (start, min(start + PIECE - 1, last_seq))
            with storage_errors(self._path):
                piece = read_records(self._connection, self.account, units, span)
            yield from piece
