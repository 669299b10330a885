"""What a journal says is ours at the exchange, read however damaged, locked or read-only the home may be."""

from __future__ import annotations

import sqlite3
from bisect import bisect_left
from collections import defaultdict
from contextlib import closing
from decimal import Decimal
from pathlib import Path

from core.domain.errors import QuarterdeckError, StorageError, UnavailableError
from core.domain.orders import TERMINAL_STATES, Order, Side
from core.engine.starts import lot_sizes
from core.exchange.orders.panic_plan import Owned
from storage.database import check_header, connect_copy, connect_read_only, storage_errors
from storage.rows import RowShape, column_list

_TIMEOUT_MS = 1_000
_ORDER = RowShape(Order)
_LACKING = {"ladder": "'[]'", "place": "0"}


def read_owned(path: Path, account: str, exchange_key: str) -> Owned:
    """Never raises: what cannot be read is said in `Owned.unread`. Nothing is written beside the database.

    `exchange_key` is the journal's fact of where its account is.
    """
    try:
        if not path.exists():
            raise UnavailableError(f"{path}: there is no journal")
        check_header(path)
        return _read(path, account, exchange_key)
    except QuarterdeckError as error:
        return Owned(unread=error)
    except (ValueError, KeyError, TypeError, ArithmeticError) as error:
        return Owned(unread=StorageError(f"{path}: holds what this program cannot read ({error!r})"))


def _read(path: Path, account: str, exchange_key: str) -> Owned:
    try:
        with closing(connect_read_only(path, _TIMEOUT_MS)) as connection:
            return _owned(connection, path, account, exchange_key, "")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return _told(path, error)
        with storage_errors(path), closing(connect_copy(path)) as connection:
            note = f"{path} is locked by another program: a copy of it is read"
            return _owned(connection, path, account, exchange_key, note)
    except sqlite3.Error as error:
        return _told(path, error)


def _told(path: Path, error: sqlite3.Error) -> Owned:
    with storage_errors(path):
        raise error


def _owned(connection: sqlite3.Connection, path: Path, account: str, exchange_key: str, note: str) -> Owned:
    connection.execute("BEGIN")
    if not connection.execute("SELECT 1 FROM journals WHERE account = ?", (account,)).fetchone():
        raise UnavailableError(f"{path}: holds no {account} account")
    meta = dict(connection.execute("SELECT key, value FROM meta WHERE account = ?", (account,)))
    sizes = _LotSizes(connection, account, meta)
    amounts: dict[str, Decimal] = defaultdict(Decimal)
    newest_ms: dict[str, int] = {}
    fills = "SELECT seq, symbol, side, qty_lots, time_ms FROM fills WHERE account = ? ORDER BY seq"
    for seq, symbol, side, lots, time_ms in connection.execute(fills, (account,)):
        newest_ms[symbol] = max(time_ms, newest_ms.get(symbol, 0))
        amounts[symbol] += Side(side).sign * lots * sizes.at(seq, symbol)
    ids = frozenset(
        str(row[0]) for row in connection.execute("SELECT client_order_id FROM orders WHERE account = ?", (account,))
    )
    ended = tuple(sorted(state.value for state in TERMINAL_STATES))
    columns = _order_columns(connection)
    wanted = f"SELECT {columns} FROM orders WHERE account = ? AND state NOT IN {ended}"  # noqa: S608
    orders = [_ORDER.decode(row) for row in connection.execute(wanted, (account,))]
    return Owned(
        {symbol: amount for symbol, amount in amounts.items() if amount},
        ids,
        tuple((order, sizes.now(order.symbol)) for order in orders),
        newest_ms,
        meta.get(exchange_key, ""),
        note=note,
    )


def _order_columns(connection: sqlite3.Connection) -> str:
    """Those of an order; what a database of an older program lacks says nothing."""
    there = {str(row[1]) for row in connection.execute("PRAGMA table_info(orders)")}
    return ", ".join(column_list([name]) if name in there else _LACKING.get(name, "NULL") for name in _ORDER.columns)


class _LotSizes:
    """Contracts of one lot, by the rules of the start under which a record was written."""

    def __init__(self, connection: sqlite3.Connection, account: str, meta: dict[str, str]) -> None:
        self._starts = lot_sizes(meta)
        self._places = [seq for seq, _ in self._starts]
        rows = connection.execute("SELECT symbol, lot_size FROM instruments WHERE account = ?", (account,))
        self._last = {str(symbol): Decimal(size) for symbol, size in rows}

    def at(self, seq: int, symbol: str) -> Decimal:
        # A start's `seq` is the last record of the start before it.
        index = bisect_left(self._places, seq) - 1
        known = self._starts[index][1] if index >= 0 else {}
        return known[symbol] if symbol in known else self.now(symbol)

    def now(self, symbol: str) -> Decimal:
        return self._last[symbol]
