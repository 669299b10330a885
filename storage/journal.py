"""The durable record of one account: an atomic commit is one transaction in one trip to the writer's thread."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any, TypeVar

from core.domain.errors import RejectKind, StorageError
from core.domain.instrument import Instrument
from core.domain.orders import Fill, Order, OrderState, OrderUpdate
from core.domain.records import (
    AdjustmentRecord,
    CancelRecord,
    CursorRecord,
    EquityRecord,
    FillRecord,
    FirstPriceRecord,
    FundingRecord,
    IntentRecord,
    LimitRecord,
    OperatorRecord,
    OrderUpdateRecord,
    PositionRecord,
    PredictionRecord,
    Record,
    SignalRecord,
    TradeRecord,
    TrainingRecord,
    WatchRecord,
)
from core.domain.regrid import ONE, Eras, Factor, carried, grid_of, rescaled_order, symbol_of
from storage.connection import Connection
from storage.database import Database, storage_errors, transaction
from storage.rows import RowShape, column_list
from storage.units import (
    INSTRUMENT,
    OrderUnits,
    as_written,
    eras_of,
    has_starts,
    instruments_of,
    left_out_in,
    order_units,
)

T = TypeVar("T")

RECENT = 200
"""How many of the newest predictions and signals `load` gives back."""

_ORDER = RowShape(Order)
_FILL = RowShape(Fill)
_CHANGING = ("state", "filled_lots", "venue_order_id", "updated_ms", "reason")
_FIXED = tuple(name for name in _ORDER.columns if name not in _CHANGING)
_order_now = attrgetter(*_CHANGING)
_order_fixed = attrgetter(*_FIXED)

# Record types that lie in one table as they are: table name and how many of the newest `load` wants (None: all).
_PLAIN: dict[type[Any], tuple[str, int | None]] = {
    CancelRecord: ("cancels", None),
    FundingRecord: ("funding_payments", None),
    PositionRecord: ("position_events", None),
    TradeRecord: ("trades", None),
    PredictionRecord: ("predictions", RECENT),
    SignalRecord: ("signals", RECENT),
    LimitRecord: ("limit_events", None),
    OperatorRecord: ("operator_commands", None),
    EquityRecord: ("equity", 1),
    WatchRecord: ("watches", None),
    TrainingRecord: ("training", None),
    AdjustmentRecord: ("adjustments", None),
}
_SHAPES: dict[type[Any], RowShape[Any]] = {kind: RowShape(kind) for kind in _PLAIN}
_CURSOR_KINDS: dict[type[Any], str] = {CursorRecord: "bar", FirstPriceRecord: "first_price"}


def _insert(table: str, columns: Sequence[str]) -> str:
    return f"INSERT INTO {table} ({column_list(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608


_CLAIM = """UPDATE journals SET last_seq = ?, last_commit = (SELECT max(last_commit) + 1 FROM journals)
WHERE account = ? AND last_seq = ?"""
_INSERT_ORDER = _insert("orders", ["account", *_ORDER.columns])
# The fixed part is compared, so that an order that changed what it asked for cannot pass for its intent.
_UPDATE_ORDER = (
    f"UPDATE orders SET {', '.join(f'{name} = ?' for name in _CHANGING)} "  # noqa: S608
    f"WHERE account = ? AND {' AND '.join(f'{name} IS ?' for name in _FIXED)}"
)
_UPDATE_COLUMNS = ("update_state", "update_time_ms", "update_venue_order_id", "update_reason", "update_kind")
_EVENT_COLUMNS = ("client_order_id", *_UPDATE_COLUMNS, *_CHANGING)
_INSERT_EVENT = _insert("order_events", ["account", "seq", *_EVENT_COLUMNS])
_INSERT_FILL = _insert("fills", ["account", "seq", *_FILL.columns, *_CHANGING])
_CURSOR_COLUMNS = ("account", "seq", "kind", "symbol", "open_time_ms", "price")
_PUT_CURSOR = f"""{_insert("cursors", _CURSOR_COLUMNS)}
ON CONFLICT DO UPDATE SET open_time_ms = excluded.open_time_ms, seq = excluded.seq, price = excluded.price"""
_INSERT_TOLD = _insert("market_told", _CURSOR_COLUMNS)
_PUT_META = "INSERT OR REPLACE INTO meta (account, key, value) VALUES (?, ?, ?)"
_PUT_INSTRUMENT = _insert("instruments", ["account", *INSTRUMENT.columns]).replace("INSERT", "INSERT OR REPLACE", 1)
_INSERT_PLAIN = {kind: _insert(_PLAIN[kind][0], ["account", "seq", *_SHAPES[kind].columns]) for kind in _PLAIN}

_WRITE_ORDER = (
    _INSERT_ORDER,
    _UPDATE_ORDER,
    _INSERT_EVENT,
    _INSERT_FILL,
    *_INSERT_PLAIN.values(),
    _PUT_CURSOR,
    _INSERT_TOLD,
)


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
        """In the order of their commit: all records, but of predictions and signals the last RECENT, of equity the
        last, and of the cursors the last of each symbol.

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

    def _tell_write(self) -> None:
        self._writes += 1
        if self._on_write:
            self._on_write(self._writes)

    def _read(self, connection: sqlite3.Connection) -> tuple[Eras, list[tuple[int, Record]]]:
        connection.execute("BEGIN")  # one view of all tables
        try:
            eras = eras_of(connection, self._account)
            units = order_units(connection, self._account, eras)
            return eras, read_records(connection, self._account, units, recent=RECENT)
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
                (account, seq, _CURSOR_KINDS[type(record)], record.symbol, record.open_time_ms, price)
            )
        else:
            kind = type(record)
            batch[_INSERT_PLAIN[kind]].append((account, seq, *_SHAPES[kind].encode(record)))
    return batch


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
        batch[_INSERT_ORDER].append((account, *_ORDER.encode(order)))
        batch[_INSERT_EVENT].append((account, seq, order.client_order_id, *[None] * len(_UPDATE_COLUMNS), *now))
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
        batch[_INSERT_FILL].append((account, seq, *_FILL.encode(event), *now))


def read_records(
    connection: sqlite3.Connection,
    account: str,
    units: OrderUnits,
    span: tuple[int, int] | None = None,
    *,
    recent: int | None = None,
) -> list[tuple[int, Record]]:
    """Records with their places, in the order of their commit; `span` bounds the places, both ends included.

    Of the cursors only the newest of each symbol are kept where the journal does not keep its market: the others leave
    gaps between the places. With `recent`, only so many of the newest predictions and signals are read, of equity the
    last, and of the cursors the newest.
    """
    found = [*_read_orders(connection, account, units, span), *_read_plain(connection, account, span, recent)]
    found.sort(key=lambda item: item[0])
    return found


def _select(table: str, columns: Sequence[str]) -> str:
    return (
        f"SELECT seq, {column_list(columns)} FROM {table} "  # noqa: S608
        "WHERE account = ? AND seq BETWEEN ? AND ? ORDER BY seq DESC LIMIT ?"
    )


_EVERYTHING = (0, 1 << 62)
_CURSORS = "SELECT seq, kind, symbol, open_time_ms, price FROM cursors WHERE account = ?1 AND seq BETWEEN ?2 AND ?3"
_ORDERS = f"SELECT {column_list(_ORDER.columns)} FROM orders WHERE account = ?1"  # noqa: S608
_OF_SPAN = """ AND client_order_id IN (
SELECT client_order_id FROM order_events WHERE account = ?1 AND seq BETWEEN ?2 AND ?3
UNION SELECT client_order_id FROM fills WHERE account = ?1 AND seq BETWEEN ?2 AND ?3)"""


def _read_orders(
    connection: sqlite3.Connection, account: str, units: OrderUnits, span: tuple[int, int] | None
) -> list[tuple[int, Record]]:
    rows = (
        connection.execute(_ORDERS, (account,))
        if span is None
        else connection.execute(_ORDERS + _OF_SPAN, (account, *span))
    )
    orders = {order.client_order_id: order for order in map(_ORDER.decode, rows)}
    bounds = (account, *(span or _EVERYTHING), -1)

    def order_after(seq: int, client_order_id: str, now: Sequence[Any]) -> Order:
        changes = dict(zip(_CHANGING, now, strict=True))
        order, by = orders[client_order_id], units.factor(orders[client_order_id], seq)
        if not by.is_one:
            order = rescaled_order(order, by)
        return replace(order, **{**changes, "state": OrderState(changes["state"])})

    found: list[tuple[int, Record]] = []
    for seq, client_id, state, time_ms, venue_id, reason, kind, *now in connection.execute(
        _select("order_events", _EVENT_COLUMNS), bounds
    ):
        order = order_after(seq, client_id, now)
        if state is None:
            found.append((seq, IntentRecord(order)))
        else:
            update = OrderUpdate(
                client_id, order.symbol, OrderState(state), time_ms, venue_id, reason, RejectKind(kind)
            )
            found.append((seq, OrderUpdateRecord(update, order)))
    width = len(_FILL.columns)
    for seq, *row in connection.execute(_select("fills", (*_FILL.columns, *_CHANGING)), bounds):
        fill = _FILL.decode(row[:width])
        found.append((seq, FillRecord(fill, order_after(seq, fill.client_order_id, row[width:]))))
    return found


def _read_plain(
    connection: sqlite3.Connection, account: str, span: tuple[int, int] | None, recent: int | None
) -> list[tuple[int, Record]]:
    first, last = span or _EVERYTHING
    found: list[tuple[int, Record]] = []
    for kind, (table, wanted) in _PLAIN.items():
        shape = _SHAPES[kind]
        limit = -1 if wanted is None or recent is None else min(wanted, recent)
        for seq, *row in connection.execute(_select(table, shape.columns), (account, first, last, limit)):
            found.append((seq, shape.decode(row)))
    sql = _CURSORS if recent is not None else f"{_CURSORS} UNION {_CURSORS.replace('cursors', 'market_told')}"
    for seq, kind_name, symbol, open_ms, price in connection.execute(sql, (account, first, last)):
        is_bar = kind_name == _CURSOR_KINDS[CursorRecord]
        found.append((seq, CursorRecord(symbol, open_ms) if is_bar else FirstPriceRecord(symbol, open_ms, price)))
    return found
