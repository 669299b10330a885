"""The durable record of one account: an atomic commit is one transaction in one trip to the writer's thread."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, TypeVar

from core.domain.errors import StorageError
from core.domain.forecast import Forecast, Output
from core.domain.instrument import Instrument
from core.domain.orders import OrderUpdate
from core.domain.records import (
    CursorRecord,
    FillRecord,
    FirstPriceRecord,
    IntentRecord,
    OrderUpdateRecord,
    Record,
    TrainingRecord,
)
from core.domain.regrid import ONE, Eras, Factor, carried, grid_of, symbol_of
from core.engine.recovery import Remembered
from core.trader.memory import is_counted_alike
from core.trader.trader import Trader
from storage.checkpoints import PUT, order_ids, read_checkpoint, remembered, renewed
from storage.connection import Connection
from storage.database import Database, storage_errors, transaction
from storage.journal_records import (
    CHANGING,
    CURSOR_KINDS,
    EVENT_COLUMNS,
    FILL,
    ORDER,
    PLAIN,
    SHAPES,
    UPDATE_COLUMNS,
    read_forecasts,
    read_records,
)
from storage.rows import column_list
from storage.units import (
    INSTRUMENT,
    as_written,
    eras_of,
    has_starts,
    instruments_of,
    left_out_in,
    order_units,
)

log = logging.getLogger("quarterdeck")

T = TypeVar("T")

_order_now = attrgetter(*CHANGING)
_FIXED = tuple(name for name in ORDER.columns if name not in CHANGING)
_order_fixed = ORDER.getter(_FIXED)


def _insert(table: str, columns: Sequence[str]) -> str:
    return f"INSERT INTO {table} ({column_list(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608


_CLAIM = """UPDATE journals SET last_seq = ?, last_commit = (SELECT max(last_commit) + 1 FROM journals)
WHERE account = ? AND last_seq = ?"""
_INSERT_ORDER = _insert("orders", ["account", *ORDER.columns])
# The fixed part is compared, so that an order that changed what it asked for cannot pass for its intent.
_UPDATE_ORDER = (
    f"UPDATE orders SET {', '.join(f'{name} = ?' for name in CHANGING)} "  # noqa: S608
    f"WHERE account = ? AND {' AND '.join(f'{name} IS ?' for name in _FIXED)}"
)
_INSERT_EVENT = _insert("order_events", ["account", "seq", *EVENT_COLUMNS])
_INSERT_FILL = _insert("fills", ["account", "seq", *FILL.columns, *CHANGING])
_CURSOR_COLUMNS = ("account", "seq", "kind", "symbol", "open_time_ms", "price")
_PUT_CURSOR = f"""{_insert("cursors", _CURSOR_COLUMNS)}
ON CONFLICT DO UPDATE SET open_time_ms = excluded.open_time_ms, seq = excluded.seq, price = excluded.price"""
_INSERT_TOLD = _insert("market_told", _CURSOR_COLUMNS)
_TRAINING_KEY = ("account", "strategy", "part", "symbol", "status")
_PUT_TRAINING = _insert("trainings_now", (*_TRAINING_KEY, "seq")).replace("INSERT", "INSERT OR REPLACE", 1)
_PUT_META = "INSERT OR REPLACE INTO meta (account, key, value) VALUES (?, ?, ?)"
_PUT_INSTRUMENT = _insert("instruments", ["account", *INSTRUMENT.columns]).replace("INSERT", "INSERT OR REPLACE", 1)
_OUTPUTS_NOW = """SELECT name, unit FROM part_outputs
WHERE account = ?1 AND strategy = ?2 AND part = ?3 AND since_seq = (
    SELECT max(since_seq) FROM part_outputs WHERE account = ?1 AND strategy = ?2 AND part = ?3
) ORDER BY place"""
_FORGET_OUTPUTS = "DELETE FROM part_outputs WHERE account = ? AND strategy = ? AND part = ? AND since_seq = ?"
_INSERT_OUTPUT = _insert("part_outputs", ("account", "strategy", "part", "since_seq", "place", "name", "unit"))
_INSERT_PLAIN = {kind: _insert(PLAIN[kind][0], ["account", "seq", *SHAPES[kind].columns]) for kind in PLAIN}

_WRITE_ORDER = (
    _INSERT_ORDER,
    _UPDATE_ORDER,
    _INSERT_EVENT,
    _INSERT_FILL,
    *_INSERT_PLAIN.values(),
    _PUT_CURSOR,
    _INSERT_TOLD,
    _PUT_TRAINING,
)

# Of the oldest so many that those which stay cannot fill the piece; what is younger is not looked at.
_OUTLIVED = """SELECT seq FROM (SELECT seq, requested_ms FROM training WHERE account = ?1
ORDER BY seq LIMIT ?3 + (SELECT count(*) FROM trainings_now WHERE account = ?1))
WHERE requested_ms < ?2 AND seq NOT IN (SELECT seq FROM trainings_now WHERE account = ?1) ORDER BY seq LIMIT ?3"""
_FORGET_TRAINING = "DELETE FROM training WHERE account = ? AND seq = ?"
_EXTEND_AGED = "UPDATE aged SET last_seq = ? WHERE account = ? AND last_seq = ?"
_INSERT_AGED = _insert("aged", ("account", "first_seq", "last_seq"))


class SqliteJournal:
    """Implements core.ports.Journal. One journal object writes an account; a second one is refused at its first commit.

    `keeps_market` keeps every cursor and not the newest alone: for a market in real time, which no candle store tells
    again in the order in which it came. `on_write`, for tests of crashes, is called on the writer's thread with 1, 2,
    3, ...: odd just before a durable commit, even just after it.
    """

    def __init__(
        self,
        database: Database,
        account: str,
        connection: Connection,
        on_write: Callable[[int], None] | None,
        *,
        keeps_market: bool = False,
    ) -> None:
        self._path = database.path
        self._account = account
        self._connection = connection
        self._on_write = on_write
        self._keeps_market = keeps_market
        self._writes = 0
        self._last_seq = 0
        self._finer: dict[str, Factor] = {}

    @classmethod
    async def open(
        cls,
        database: Database,
        account: str,
        on_write: Callable[[int], None] | None = None,
        *,
        keeps_market: bool = False,
    ) -> SqliteJournal:
        """Raises StorageError. The caller closes."""
        journal = cls(database, account, await database.connect(durable=True), on_write, keeps_market=keeps_market)
        try:
            journal._last_seq = await journal._call(journal._read_last_seq)
        except BaseException:
            await journal.close()
            raise
        return journal

    async def close(self) -> None:
        await self._connection.close()

    async def commit(self, records: Sequence[Record]) -> None:
        """All records durably, or StorageError and none. Runs to its end even when the waiting task is canceled."""
        if records:
            await self._call(lambda connection: self._write(connection, records))

    async def load(self, instruments: Mapping[str, Instrument] | None = None) -> list[Record]:
        """In the order of their commit: all records, but of forecasts and signals the last RECENT, of equity the
        last, of the cursors the last of each symbol, and of the trainings the last of each symbol at each stage.

        Ticks and lots are told by `instruments`, in which the orders of before may then be written on; without, each
        record stands as it was written. Raises StorageError where they are no whole numbers of those.
        """
        eras, placed = await self._call(self._read)
        if instruments is None:
            return [record for _, record in placed]
        told = carried(placed, eras, instruments)
        self._finer = {}
        for seq, record in placed:
            if isinstance(record, IntentRecord) and symbol_of(record) in instruments:
                by = eras.factor(record.order.symbol, seq, grid_of(instruments[record.order.symbol]))
                if not by.is_one:
                    self._finer[record.order.client_order_id] = by
        return told

    async def recall(self, instruments: Mapping[str, Instrument]) -> tuple[Remembered | None, list[Record]]:
        """What stands for the beginning of the journal, and the records behind that, as `load` gives them: so many are
        read however long the account lives. None, and all records, where there is no checkpoint, where it cannot be
        read, which is logged, or where the account was ever counted otherwise than by `instruments`.
        """
        eras = await self.eras()
        if not eras.are_all(instruments):
            return None, await self.load(instruments)
        before, records = await self._call(lambda connection: self._recall(connection, instruments))
        return before, records if before is not None else await self.load(instruments)

    async def order_ids(self) -> list[str]:
        """The client ids of all that was ever ordered."""
        return await self._call(lambda connection: order_ids(connection, self._account))

    async def renew_checkpoint(self, build: Callable[[], Trader]) -> None:
        """Make a checkpoint of the journal as it is now, in a thread of its own, and put it in place of the last in one
        transaction. `build` makes a new trader that counts as the engine does now. Where none can be made, which is
        logged, the last one stays. Raises StorageError.
        """
        try:
            row = await asyncio.to_thread(renewed, self._path, self._account, build)
        except (ValueError, KeyError) as error:
            log.warning("no checkpoint is made: %s", " ".join(repr(error).split()))
            return
        if row is not None:
            await self._call(lambda connection: self._put(connection, PUT, [row]))

    async def checkpoint_seq(self) -> int:
        """How many records the checkpoint stands for; 0 without one."""
        sql = "SELECT coalesce(max(seq), 0) FROM checkpoints WHERE account = ?"
        return int(await self._call(lambda connection: connection.execute(sql, (self._account,)).fetchone()[0]))

    async def count_finer(self, symbol: str, by: Factor) -> None:
        """From now on a contract is told in a grid that is `by` times finer; its orders of before are written on."""
        sql = "SELECT client_order_id FROM orders WHERE account = ? AND symbol = ?"
        known = await self._call(lambda connection: connection.execute(sql, (self._account, symbol)).fetchall())
        for (client_id,) in known:
            before = self._finer.get(client_id, ONE)
            self._finer[client_id] = Factor(before.ticks * by.ticks, before.lots * by.lots)

    async def eras(self) -> Eras:
        """In which ticks and lots its stretches count."""
        return await self._call(lambda connection: eras_of(connection, self._account))

    async def has_starts(self) -> bool:
        """Whether it knows by what rules its records were made."""
        return await self._call(lambda connection: has_starts(connection, self._account))

    async def left_out(self) -> set[str]:
        """The symbols that a start did not trade since their market was taken in last."""
        return await self._call(lambda connection: left_out_in(connection, self._account))

    async def instruments(self) -> dict[str, Instrument]:
        """The contract rules kept beside the ticks and lots, by symbol."""
        return await self._call(lambda connection: instruments_of(connection, self._account))

    @property
    def last_seq(self) -> int:
        """How many records the account has."""
        return self._last_seq

    async def get_meta(self, key: str) -> str | None:
        """A fact of the account (its seed, mode, settings), or None."""

        def read(connection: sqlite3.Connection) -> str | None:
            row = connection.execute(
                "SELECT value FROM meta WHERE account = ? AND key = ?", (self._account, key)
            ).fetchone()
            return None if row is None else str(row[0])

        return await self._call(read)

    async def set_meta(self, values: Mapping[str, str]) -> None:
        """Write facts of the account, all or none, over older ones of the same key."""
        rows = [(self._account, key, value) for key, value in values.items()]
        await self._call(lambda connection: self._put(connection, _PUT_META, rows))

    async def put_instruments(self, instruments: Sequence[Instrument]) -> None:
        """Keep the contract rules beside the ticks and lots, so that a reader can tell prices and quantities."""
        rows = [(self._account, *INSTRUMENT.encode(instrument)) for instrument in instruments]
        await self._call(lambda connection: self._put(connection, _PUT_INSTRUMENT, rows))

    async def put_outputs(self, strategy: str, part: str, outputs: Sequence[Output]) -> None:
        """Keep what the values of a part are from the next record on, where it is not known already."""
        rows = [(output.name, output.unit) for output in outputs]
        whose = (self._account, strategy, part)

        def put(connection: sqlite3.Connection) -> None:
            if connection.execute(_OUTPUTS_NOW, whose).fetchall() == rows:
                return
            with transaction(connection):
                connection.execute(_FORGET_OUTPUTS, (*whose, self._last_seq))
                placed = [(*whose, self._last_seq, place, *row) for place, row in enumerate(rows)]
                connection.executemany(_INSERT_OUTPUT, placed)
                self._tell_write()
            self._tell_write()

        await self._call(put)

    async def forecasts(self, strategy: str, from_ms: int) -> list[Forecast]:
        """What champions of a strategy said of bars that closed at `from_ms` or later, in the order of their commit."""
        return await self._call(lambda connection: read_forecasts(connection, self._account, strategy, from_ms))

    async def age_out(self, before_ms: int, at_most: int) -> int:
        """Forget records of trainings that were asked for before `before_ms`, but not the newest of a symbol at a
        stage; the oldest first, `at_most` of them, in one transaction. How many were there. Their places are kept, so
        that a replay knows that nothing of the trader's stood there.
        """
        return await self._call(lambda connection: self._age_out(connection, before_ms, at_most))

    async def _call(self, function: Callable[[sqlite3.Connection], T]) -> T:
        with storage_errors(self._path):
            return await self._connection.call(function)

    def _read_last_seq(self, connection: sqlite3.Connection) -> int:
        row = connection.execute("SELECT last_seq FROM journals WHERE account = ?", (self._account,)).fetchone()
        if row is None:
            connection.execute(
                "INSERT INTO journals SELECT ?, 0, coalesce(max(last_commit), 0) + 1 FROM journals", (self._account,)
            )
        return int(row[0]) if row else 0

    def _write(self, connection: sqlite3.Connection, records: Sequence[Record]) -> None:
        batch = _batch(self._account, self._last_seq + 1, records, self._finer)
        if self._keeps_market:
            batch[_INSERT_TOLD] = batch[_PUT_CURSOR]
        last_seq = self._last_seq + len(records)
        with transaction(connection):
            if connection.execute(_CLAIM, (last_seq, self._account, self._last_seq)).rowcount != 1:
                raise StorageError(
                    f"{self._path}: another program writes account {self._account}; stop it and start again"
                )
            for sql in _WRITE_ORDER:
                if rows := batch.get(sql):
                    changed = connection.executemany(sql, rows).rowcount
                    if sql is _UPDATE_ORDER and changed != len(rows):
                        raise StorageError(
                            f"{self._path}: an order was updated that has no intent or differs from it; "
                            "nothing was written"
                        )
            self._tell_write()
        self._last_seq = last_seq
        self._tell_write()

    def _put(self, connection: sqlite3.Connection, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
        with transaction(connection):
            connection.executemany(sql, rows)
            self._tell_write()
        self._tell_write()

    def _age_out(self, connection: sqlite3.Connection, before_ms: int, at_most: int) -> int:
        found = [int(seq) for (seq,) in connection.execute(_OUTLIVED, (self._account, before_ms, at_most))]
        if not found:
            return 0
        with transaction(connection):
            connection.executemany(_FORGET_TRAINING, [(self._account, seq) for seq in found])
            for first, last in _runs(found):
                if not connection.execute(_EXTEND_AGED, (last, self._account, first - 1)).rowcount:
                    connection.execute(_INSERT_AGED, (self._account, first, last))
            self._tell_write()
        self._tell_write()
        return len(found)

    def _tell_write(self) -> None:
        self._writes += 1
        if self._on_write:
            self._on_write(self._writes)

    def _read(self, connection: sqlite3.Connection) -> tuple[Eras, list[tuple[int, Record]]]:
        connection.execute("BEGIN")  # one view of all tables
        try:
            eras = eras_of(connection, self._account)
            units = order_units(connection, self._account, eras)
            return eras, read_records(connection, self._account, units, newest_only=True)
        finally:
            connection.execute("ROLLBACK")

    def _recall(
        self, connection: sqlite3.Connection, instruments: Mapping[str, Instrument]
    ) -> tuple[Remembered | None, list[Record]]:
        connection.execute("BEGIN")  # one view of all tables
        try:
            found = read_checkpoint(connection, self._account)
            if found is None or not is_counted_alike(instruments, found.memory):
                return None, []
            units = order_units(connection, self._account, eras_of(connection, self._account))
            span = (found.seq + 1, self._last_seq)
            behind = read_records(connection, self._account, units, span, newest_only=True)
            return remembered(connection, self._account, found), [record for _, record in behind]
        finally:
            connection.execute("ROLLBACK")


def _batch(
    account: str, first_seq: int, records: Sequence[Record], finer: Mapping[str, Factor]
) -> dict[str, list[tuple[Any, ...]]]:
    """Rows by statement. `finer` are orders that were written in a coarser grid, by client id."""
    batch: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for seq, record in enumerate(records, first_seq):
        if isinstance(record, IntentRecord | OrderUpdateRecord | FillRecord):
            _add_order_rows(batch, account, seq, record, finer.get(record.order.client_order_id, ONE))
        elif isinstance(record, CursorRecord | FirstPriceRecord):
            price = record.price if isinstance(record, FirstPriceRecord) else None
            batch[_PUT_CURSOR].append(
                (account, seq, CURSOR_KINDS[type(record)], record.symbol, record.open_time_ms, price)
            )
        else:
            kind = type(record)
            batch[_INSERT_PLAIN[kind]].append((account, seq, *SHAPES[kind].encode(record)))
            if isinstance(record, TrainingRecord):
                origin, status = record.origin, record.status.value
                batch[_PUT_TRAINING].append((account, origin.strategy, origin.part, record.symbol, status, seq))
    return batch


def _runs(places: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending places as first and last of each unbroken run."""
    runs: list[tuple[int, int]] = []
    for place in places:
        if runs and runs[-1][1] == place - 1:
            runs[-1] = (runs[-1][0], place)
        else:
            runs.append((place, place))
    return runs


def _add_order_rows(
    batch: dict[str, list[tuple[Any, ...]]],
    account: str,
    seq: int,
    record: IntentRecord | OrderUpdateRecord | FillRecord,
    finer: Factor,
) -> None:
    order = record.order
    now = _order_now(order)
    if isinstance(record, IntentRecord):
        batch[_INSERT_ORDER].append((account, *ORDER.encode(order)))
        batch[_INSERT_EVENT].append((account, seq, order.client_order_id, *[None] * len(UPDATE_COLUMNS), *now))
        return
    event = record.update if isinstance(record, OrderUpdateRecord) else record.fill
    if event.client_order_id != order.client_order_id or event.symbol != order.symbol:
        raise StorageError(f"an event of order {event.client_order_id} was given with order {order.client_order_id}")
    written = order if finer.is_one else as_written(order, finer)
    batch[_UPDATE_ORDER].append((*now, account, *_order_fixed(written)))
    if isinstance(event, OrderUpdate):
        told = (event.state, event.time_ms, event.venue_order_id, event.reason, event.kind)
        batch[_INSERT_EVENT].append((account, seq, order.client_order_id, *told, *now))
    else:
        batch[_INSERT_FILL].append((account, seq, *FILL.encode(event), *now))
