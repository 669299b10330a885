"""Candles imported into the database of a running engine's home, row by row in virtual time, while the engine's journal
is written to the same database: how long the journal waits for the import is counted in the rows of it."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from core.domain.errors import QuarterdeckError
from core.domain.market import MINUTE_MS
from core.domain.records import FillRecord, IntentRecord, OrderUpdateRecord, Record
from storage.data_admin import import_file
from storage.database import Database, open_database
from storage.journal import SqliteJournal

T = TypeVar("T")

FIRST_MS = 1_600_000_020_000
ROWS = 60_000
STEP_ROWS = 1_000
STEP_S = 0.02
MOST_ROWS = 20_000
"""The journal may wait for so many rows: some 0.1 s."""

_IN_TIME_S = 300.0


@dataclass(frozen=True)
class _Watched(Database):
    """Tells every statement of its connections to `tell`, on the thread that makes it."""

    tell: Callable[[str], None] = print

    def connect_sync(self, *, durable: bool) -> sqlite3.Connection:
        connection = super().connect_sync(durable=durable)
        connection.set_trace_callback(self.tell)
        return connection


class Import:
    """One import, on a thread that goes on only when it is told: `step` takes it some rows on, and it stops before
    each of its transactions, too."""

    def __init__(self, folder: Path, symbol: str, records: Sequence[Record]) -> None:
        self.problems: list[str] = []
        self.is_over = False
        self.orders = 0
        """How much of orders was written down meanwhile."""
        self._rows = 0
        self._in_transaction = False
        self._go, self._stopped = threading.Event(), threading.Event()
        database = open_database(folder / "quarterdeck.db")
        self._aside = asyncio.new_event_loop()
        self._journal = self._wait(SqliteJournal.open(database, "live", keeps_market=True))
        self._wait(self._journal.commit(records))
        watched = _Watched(database.path, database.schema, self._told)
        self._work = partial(import_file, watched, _candles(folder, symbol), now_ms=0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._until_stopped()

    def step(self) -> None:
        """Let it go on to its next stop."""
        if not self.is_over:
            self._stopped.clear()
            self._go.set()
            self._until_stopped()

    def committed(self, records: Sequence[Record]) -> None:
        """Write to the database what the engine writes down, as soon as the import lets it."""
        before = self._rows
        while self._in_transaction and not self.is_over:
            self.step()
        if self._rows - before > MOST_ROWS:
            self.problems.append(f"the journal waited for {self._rows - before} rows of an import")
        try:
            self._wait(self._journal.commit(records))
        except QuarterdeckError as error:
            self.problems.append(f"the journal could not be written while data were imported: {error}")
        self.orders += sum(isinstance(record, IntentRecord | OrderUpdateRecord | FillRecord) for record in records)

    def close(self) -> None:
        while not self.is_over:
            self.step()
        self._thread.join()
        self._wait(self._journal.close())
        self._aside.close()

    def _until_stopped(self) -> None:
        assert self._stopped.wait(_IN_TIME_S), "the import hangs"

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Carried out on a loop of its own, on a thread of its own: the virtual one waits."""
        answers: list[T] = []
        errors: list[BaseException] = []

        def run() -> None:
            try:
                answers.append(self._aside.run_until_complete(work))
            except BaseException as error:  # noqa: BLE001 - handed over to who waits
                errors.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        if errors:
            raise errors[0]
        return answers[0]

    # On the import's thread

    def _run(self) -> None:
        try:
            report = self._work()
            if report.added != ROWS:
                self.problems.append(f"{report.added} of {ROWS} rows were imported")
        except QuarterdeckError as error:
            self.problems.append(f"an import failed: {error}")
        finally:
            self.is_over, self._in_transaction = True, False
            self._stopped.set()

    def _told(self, statement: str) -> None:
        if statement.startswith("BEGIN"):
            self._stop()
            self._in_transaction = True
        elif statement.startswith(("COMMIT", "ROLLBACK")):
            self._in_transaction = False
        elif statement.startswith("INSERT INTO candles"):
            self._rows += 1
            if self._rows % STEP_ROWS == 0:
                self._stop()

    def _stop(self) -> None:
        self._stopped.set()
        self._go.wait()
        self._go.clear()


class Imports:
    """Imports into the home of an engine that runs on `loop`. An observer of its journal, of which `written` is all
    that there is. `crossed` is called for an import during which orders were written down."""

    def __init__(self, loop: asyncio.AbstractEventLoop, written: Sequence[Record], crossed: Callable[[], None]) -> None:
        self._loop = loop
        self._written = written
        self._crossed = crossed
        self._running: Import | None = None
        self._folder: Path | None = None
        self.problems: list[str] = []

    def begin(self, symbol: str) -> None:
        """One at a time."""
        if self._running is None:
            self._folder = Path(tempfile.mkdtemp(prefix="quarterdeck-import-"))
            self._running = Import(self._folder, symbol, self._written)
            self._loop.call_later(STEP_S, self._step)

    def committed(self, records: Sequence[Record]) -> None:
        if self._running is not None:
            self._running.committed(records)

    def end(self) -> None:
        """Take one that is under way to its end, and the home away."""
        if self._running is None or self._folder is None:
            return
        self._running.close()
        self.problems += self._running.problems
        if self._running.orders:
            self._crossed()
        self._running = None
        shutil.rmtree(self._folder)

    def _step(self) -> None:
        if self._running is not None:
            self._running.step()
            if self._running.is_over:
                self.end()
            else:
                self._loop.call_later(STEP_S, self._step)


def _candles(folder: Path, symbol: str) -> Path:
    path = folder / f"{symbol}-1m.csv"
    rows = (f"{FIRST_MS + n * MINUTE_MS},10,11,9,10.5,{n}" for n in range(ROWS))
    path.write_text("open_time,open,high,low,close,volume\n" + "\n".join(rows))
    return path
