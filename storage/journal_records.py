"""A journal's records as rows of its tables, and read back from them in the order of their commit."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from core.domain.errors import RejectKind
from core.domain.orders import Fill, Order, OrderState, OrderUpdate
from core.domain.records import (
    AdjustmentRecord,
    AgedRecord,
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
from core.domain.regrid import rescaled_order
from storage.rows import RowShape, column_list
from storage.units import OrderUnits

RECENT = 200
"""How many of the newest predictions and signals a start is told."""

ORDER = RowShape(Order)
FILL = RowShape(Fill)
CHANGING = ("state", "filled_lots", "venue_order_id", "updated_ms", "reason")
"""The columns of an order that its events change."""

UPDATE_COLUMNS = ("update_state", "update_time_ms", "update_venue_order_id", "update_reason", "update_kind")
EVENT_COLUMNS = ("client_order_id", *UPDATE_COLUMNS, *CHANGING)

PLAIN: dict[type[Any], tuple[str, int | None]] = {
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
"""Record types that lie in one table as they are: its name, and how many of the newest a start wants (None: all)."""

SHAPES: dict[type[Any], RowShape[Any]] = {kind: RowShape(kind) for kind in PLAIN}
CURSOR_KINDS: dict[type[Any], str] = {CursorRecord: "bar", FirstPriceRecord: "first_price"}


def read_records(
    connection: sqlite3.Connection,
    account: str,
    units: OrderUnits,
    span: tuple[int, int] | None = None,
    *,
    newest_only: bool = False,
) -> list[tuple[int, Record]]:
    """Records with their places, in the order of their commit; `span` bounds the places, both ends included.

    Of the cursors only the newest of each symbol are kept where the journal does not keep its market: the others leave
    gaps between the places. With `newest_only` those are read that a start is told: of a kind as many as PLAIN says, of
    the cursors the newest, of the trainings the newest of each symbol at each stage, and nothing of what was aged out.
    """
    found = [*_read_orders(connection, account, units, span), *_read_plain(connection, account, span, newest_only)]
    found.sort(key=lambda item: item[0])
    return found


def _select(table: str, columns: Sequence[str]) -> str:
    return (
        f"SELECT seq, {column_list(columns)} FROM {table} "  # noqa: S608
        "WHERE account = ? AND seq BETWEEN ? AND ? ORDER BY seq DESC LIMIT ?"
    )


_EVERYTHING = (0, 1 << 62)
_CURSORS = "SELECT seq, kind, symbol, open_time_ms, price FROM cursors WHERE account = ?1 AND seq BETWEEN ?2 AND ?3"
_ORDERS = f"SELECT {column_list(ORDER.columns)} FROM orders WHERE account = ?1"  # noqa: S608
_TRAININGS_NOW = f"""SELECT seq, {column_list(SHAPES[TrainingRecord].columns)} FROM training
WHERE account = ?1 AND seq IN (SELECT seq FROM trainings_now WHERE account = ?1)"""  # noqa: S608
_AGED = "SELECT first_seq, last_seq FROM aged WHERE account = ? AND first_seq <= ? AND last_seq >= ? ORDER BY first_seq"
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
    orders = {order.client_order_id: order for order in map(ORDER.decode, rows)}
    bounds = (account, *(span or _EVERYTHING), -1)

    def order_after(seq: int, client_order_id: str, now: Sequence[Any]) -> Order:
        changes = dict(zip(CHANGING, now, strict=True))
        order, by = orders[client_order_id], units.factor(orders[client_order_id], seq)
        if not by.is_one:
            order = rescaled_order(order, by)
        return replace(order, **{**changes, "state": OrderState(changes["state"])})

    found: list[tuple[int, Record]] = []
    for seq, client_id, state, time_ms, venue_id, reason, kind, *now in connection.execute(
        _select("order_events", EVENT_COLUMNS), bounds
    ):
        order = order_after(seq, client_id, now)
        if state is None:
            found.append((seq, IntentRecord(order)))
        else:
            update = OrderUpdate(
                client_id, order.symbol, OrderState(state), time_ms, venue_id, reason, RejectKind(kind)
            )
            found.append((seq, OrderUpdateRecord(update, order)))
    width = len(FILL.columns)
    for seq, *row in connection.execute(_select("fills", (*FILL.columns, *CHANGING)), bounds):
        fill = FILL.decode(row[:width])
        found.append((seq, FillRecord(fill, order_after(seq, fill.client_order_id, row[width:]))))
    return found


def _read_plain(
    connection: sqlite3.Connection, account: str, span: tuple[int, int] | None, newest_only: bool
) -> list[tuple[int, Record]]:
    first, last = span or _EVERYTHING
    found: list[tuple[int, Record]] = []
    for kind, (table, wanted) in PLAIN.items():
        shape = SHAPES[kind]
        if newest_only and kind is TrainingRecord:
            rows = connection.execute(_TRAININGS_NOW, (account,))
        else:
            limit = wanted if newest_only and wanted is not None else -1
            rows = connection.execute(_select(table, shape.columns), (account, first, last, limit))
        for seq, *row in rows:
            found.append((seq, shape.decode(row)))
    sql = _CURSORS if newest_only else f"{_CURSORS} UNION {_CURSORS.replace('cursors', 'market_told')}"
    for seq, kind_name, symbol, open_ms, price in connection.execute(sql, (account, first, last)):
        is_bar = kind_name == CURSOR_KINDS[CursorRecord]
        found.append((seq, CursorRecord(symbol, open_ms) if is_bar else FirstPriceRecord(symbol, open_ms, price)))
    if not newest_only:
        found += [(seq, AgedRecord()) for seq in _aged_places(connection, account, first, last)]
    return found


def _aged_places(connection: sqlite3.Connection, account: str, first: int, last: int) -> Iterator[int]:
    for first_seq, last_seq in connection.execute(_AGED, (account, last, first)):
        yield from range(max(first, first_seq), min(last, last_seq) + 1)
