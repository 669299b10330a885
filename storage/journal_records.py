"""A journal's records as rows of its tables, and read back from them in the order of their commit."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from core.domain.errors import RejectKind
from core.domain.forecast import Forecast
from core.domain.orders import Fill, Order, OrderState, OrderUpdate, with_state
from core.domain.origin import VersionRole
from core.domain.records import (
    EXTERNAL_LOTS,
    AdjustmentRecord,
    AgedRecord,
    CancelRecord,
    CursorRecord,
    EquityRecord,
    FillRecord,
    FirstPriceRecord,
    ForecastRecord,
    FundingRecord,
    IntentRecord,
    LimitRecord,
    OperatorRecord,
    OrderUpdateRecord,
    PositionRecord,
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
"""How many of the newest forecasts and signals a start is told."""

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
    ForecastRecord: ("forecasts", RECENT),
    SignalRecord: ("signals", RECENT),
    LimitRecord: ("limit_events", None),
    OperatorRecord: ("operator_commands", None),
    EquityRecord: ("equity", 1),
    WatchRecord: ("watches", None),
    TrainingRecord: ("training", None),
    AdjustmentRecord: ("adjustments", None),
}
"""Record types that lie in one table as they are: its name, and how many of the newest a start wants (None: all)."""

EARLIER: dict[type[Any], int] = {TradeRecord: RECENT, SignalRecord: RECENT, EquityRecord: 1, FundingRecord: 1}
"""How many of the newest records behind a checkpoint a start looks at."""

EARLIER_ORDERS = 1_000
"""The same, of the events of orders and of fills."""

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
    gaps between the places. With `newest_only` those are read that a start is told: of a kind as many as PLAIN says;
    wherever they stand, the newest cursors, and the newest training of each symbol at each stage; and nothing of what
    was aged out.
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
_ALL = -1
_CURSORS = "SELECT seq, kind, symbol, open_time_ms, price FROM cursors WHERE account = ?1 AND seq BETWEEN ?2 AND ?3"
_ORDERS = f"SELECT {column_list(ORDER.columns)} FROM orders WHERE account = ?1"  # noqa: S608
_TRAININGS_NOW = f"""SELECT seq, {column_list(SHAPES[TrainingRecord].columns)} FROM training
WHERE account = ?1 AND seq IN (SELECT seq FROM trainings_now WHERE account = ?1)"""  # noqa: S608
_AGED = "SELECT first_seq, last_seq FROM aged WHERE account = ? AND first_seq <= ? AND last_seq >= ? ORDER BY first_seq"
_FORECASTS = f"""SELECT {column_list(SHAPES[ForecastRecord].columns)} FROM forecasts
WHERE account = ? AND strategy = ? AND version_role = ? ORDER BY seq DESC"""  # noqa: S608
_LATEST_MS = 86_400_000
"""Of bars that closed longer before another, nothing is said behind what is said of that one."""
_OF_IDS = " AND client_order_id IN (SELECT value FROM json_each(?2))"
_OTHERS = """SELECT max(seq) FROM adjustments WHERE account = ?1 AND what = ?2 AND seq <= ?3 GROUP BY symbol"""


def read_earlier(
    connection: sqlite3.Connection, account: str, units: OrderUnits, last_seq: int
) -> list[tuple[int, Record]]:
    """Of the records up to the place `last_seq` the newest of those that a start looks at without telling the trader's
    state again: as many of each kind as EARLIER says, and what others held last in each contract."""
    span = (0, last_seq)
    found = _read_orders(connection, account, units, span, EARLIER_ORDERS)
    for kind, wanted in EARLIER.items():
        found += _read_kind(connection, account, kind, span, wanted)
    told = connection.execute(_OTHERS, (account, EXTERNAL_LOTS, last_seq))
    for (seq,) in told.fetchall():
        found += _read_kind(connection, account, AdjustmentRecord, (seq, seq), 1)
    found.sort(key=lambda item: item[0])
    return found


def _read_orders(
    connection: sqlite3.Connection,
    account: str,
    units: OrderUnits,
    span: tuple[int, int] | None,
    newest: int = _ALL,
) -> list[tuple[int, Record]]:
    bounds = (account, *(span or _EVERYTHING), newest)
    events = connection.execute(_select("order_events", EVENT_COLUMNS), bounds).fetchall()
    width = len(FILL.columns)
    filled = connection.execute(_select("fills", (*FILL.columns, *CHANGING)), bounds).fetchall()
    fills = [(seq, FILL.decode(row[:width]), row[width:]) for seq, *row in filled]
    if span is None:
        rows = connection.execute(_ORDERS, (account,))
    else:
        ids = {row[1] for row in events} | {fill.client_order_id for _, fill, _ in fills}
        rows = connection.execute(_ORDERS + _OF_IDS, (account, json.dumps(sorted(ids))))
    orders = {order.client_order_id: order for order in map(ORDER.decode, rows)}

    def order_after(seq: int, client_order_id: str, now: Sequence[Any]) -> Order:
        state, filled_lots, venue_order_id, updated_ms, reason = now
        order, by = orders[client_order_id], units.factor(orders[client_order_id], seq)
        if not by.is_one:
            order = rescaled_order(order, by)
        return with_state(order, OrderState(state), filled_lots, venue_order_id, updated_ms, reason)

    found: list[tuple[int, Record]] = []
    for seq, client_id, state, time_ms, venue_id, reason, kind, *now in events:
        order = order_after(seq, client_id, now)
        if state is None:
            found.append((seq, IntentRecord(order)))
        else:
            update = OrderUpdate(
                client_id, order.symbol, OrderState(state), time_ms, venue_id, reason, RejectKind(kind)
            )
            found.append((seq, OrderUpdateRecord(update, order)))
    found += [(seq, FillRecord(fill, order_after(seq, fill.client_order_id, now))) for seq, fill, now in fills]
    return found


def _read_plain(
    connection: sqlite3.Connection, account: str, span: tuple[int, int] | None, newest_only: bool
) -> list[tuple[int, Record]]:
    first, last = span or _EVERYTHING
    found: list[tuple[int, Record]] = []
    for kind, (_, wanted) in PLAIN.items():
        if newest_only and kind is TrainingRecord:
            rows = connection.execute(_TRAININGS_NOW, (account,))
            found += [(seq, SHAPES[kind].decode(row)) for seq, *row in rows]
        else:
            newest = wanted if newest_only and wanted is not None else _ALL
            found += _read_kind(connection, account, kind, (first, last), newest)
    sql = _CURSORS if newest_only else f"{_CURSORS} UNION {_CURSORS.replace('cursors', 'market_told')}"
    places = _EVERYTHING if newest_only else (first, last)
    for seq, kind_name, symbol, open_ms, price in connection.execute(sql, (account, *places)):
        is_bar = kind_name == CURSOR_KINDS[CursorRecord]
        found.append((seq, CursorRecord(symbol, open_ms) if is_bar else FirstPriceRecord(symbol, open_ms, price)))
    if not newest_only:
        found += [(seq, AgedRecord()) for seq in _aged_places(connection, account, first, last)]
    return found


def read_forecasts(connection: sqlite3.Connection, account: str, strategy: str, from_ms: int) -> list[Forecast]:
    """What champions of a strategy said of bars that closed at `from_ms` or later, in the order of their commit."""
    shape, found = SHAPES[ForecastRecord], []
    told = connection.execute(_FORECASTS, (account, strategy, VersionRole.CHAMPION))
    for row in told:
        forecast = shape.decode(row).forecast
        if forecast.bar_close_ms < from_ms - _LATEST_MS:
            break
        if forecast.bar_close_ms >= from_ms:
            found.append(forecast)
    return found[::-1]


def _read_kind(
    connection: sqlite3.Connection, account: str, kind: type[Any], span: tuple[int, int], newest: int
) -> list[tuple[int, Record]]:
    shape = SHAPES[kind]
    rows = connection.execute(_select(PLAIN[kind][0], shape.columns), (account, *span, newest))
    return [(seq, shape.decode(row)) for seq, *row in rows]


def _aged_places(connection: sqlite3.Connection, account: str, first: int, last: int) -> Iterator[int]:
    for first_seq, last_seq in connection.execute(_AGED, (account, last, first)):
        yield from range(max(first, first_seq), min(last, last_seq) + 1)
