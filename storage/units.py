"""In which ticks and lots the rows of a journal count."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import replace

from core.domain.instrument import Instrument
from core.domain.orders import Order
from core.domain.regrid import ONE, Eras, Factor, Grid
from core.engine.grid_history import START, left_out, read_eras
from storage.rows import RowShape, column_list

INSTRUMENT = RowShape(Instrument)
_META = "SELECT key, value FROM meta WHERE account = ?"
_INTENTS = "SELECT client_order_id, seq FROM order_events WHERE account = ? AND update_state IS NULL"

_PLACES = """SELECT client_order_id, min(seq), max(seq) FROM (
SELECT client_order_id, seq FROM order_events WHERE account = :account
UNION ALL SELECT client_order_id, seq FROM fills WHERE account = :account) GROUP BY client_order_id"""


def instruments_of(connection: sqlite3.Connection, account: str) -> dict[str, Instrument]:
    sql = f"SELECT {column_list(INSTRUMENT.columns)} FROM instruments WHERE account = ?"  # noqa: S608
    found = [INSTRUMENT.decode(row) for row in _plain(connection).execute(sql, (account,))]
    return {instrument.symbol: instrument for instrument in found}


def eras_of(connection: sqlite3.Connection, account: str) -> Eras:
    return read_eras(_facts(connection, account), instruments_of(connection, account))


def has_starts(connection: sqlite3.Connection, account: str) -> bool:
    sql = "SELECT 1 FROM meta WHERE account = ? AND key GLOB ? LIMIT 1"
    return connection.execute(sql, (account, f"{START}*")).fetchone() is not None


def left_out_in(connection: sqlite3.Connection, account: str) -> set[str]:
    """The symbols that a start did not trade since the account took their market in last."""
    sql = "SELECT symbol, max(seq) FROM cursors WHERE account = ? GROUP BY symbol"
    newest_seq = dict(_plain(connection).execute(sql, (account,)).fetchall())
    return left_out(_facts(connection, account), newest_seq)


def _facts(connection: sqlite3.Connection, account: str) -> dict[str, str]:
    return {str(key): str(value) for key, value in _plain(connection).execute(_META, (account,))}


def _plain(connection: sqlite3.Connection) -> sqlite3.Cursor:
    """Rows as tuples, whatever the connection makes of them."""
    cursor = connection.cursor()
    cursor.row_factory = None
    return cursor


class OrderUnits:
    """An order is kept as its intent was written. What came of it under later rules is counted by those, so the whole
    of it is told by them, too."""

    def __init__(self, eras: Eras, intents: Mapping[str, int]) -> None:
        self._eras = eras
        self._intents = intents

    def factor(self, order: Order, seq: int) -> Factor:
        """From the order's own count to that of the record in the place `seq`."""
        written = self._intents.get(order.client_order_id)
        grid = self._eras.grid(order.symbol, seq)
        return ONE if written is None or grid is None else self._eras.factor(order.symbol, written, grid)


def order_units(connection: sqlite3.Connection, account: str, eras: Eras) -> OrderUnits:
    return OrderUnits(eras, dict(connection.execute(_INTENTS, (account,))) if eras.is_mixed else {})


def as_written(order: Order, finer: Factor) -> Order:
    """What an order of a coarser grid asked for, as its intent was written."""
    ticks = [None if count is None else count // finer.ticks for count in (order.price_ticks, order.trigger_ticks)]
    return replace(order, qty_lots=order.qty_lots // finer.lots, price_ticks=ticks[0], trigger_ticks=ticks[1])


class Units:
    """In which grid what a reader meets is counted; None where nobody knows."""

    def __init__(self, connection: sqlite3.Connection, account: str) -> None:
        self._eras = eras_of(connection, account)
        self._places: dict[str, tuple[int, int]] = {}
        if self._eras.is_mixed:
            found = _plain(connection).execute(_PLACES, {"account": account})
            self._places = {client_id: (first, last) for client_id, first, last in found}

    def of(self, symbol: str, seq: int) -> Grid | None:
        return self._eras.grid(symbol, seq)

    def of_order(self, symbol: str, client_order_id: str) -> tuple[Grid | None, Grid | None]:
        """Of what it asked for, and of what came of it last."""
        first, last = self._places.get(client_order_id, (0, 0))
        return self.of(symbol, first), self.of(symbol, last)
