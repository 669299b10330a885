"""Open positions and the orders that rest."""

from __future__ import annotations

from dataclasses import replace

from msgspec import structs

from core.control.protocol import ExternalOrderView, OrderView, PositionView, Snapshot
from core.control.readiness import BEGINNING
from tui.console.panels.markets import late_ms
from tui.console.panels.panel import Content, Panel, View
from tui.console.registry import REGISTRY
from tui.text.format import UNKNOWN, Glyphs, age, arrow, money, quantity, side_sign, side_word, signed, words
from tui.text.table import Cell, Column, Row, fitted, header_row, notice_rows, table_row, text_row, widths

_POSITIONS = (
    Column("symbol", 8, "left", 0),
    Column("side", 6, "left", 1),
    Column("qty", 8, rank=5),
    Column("entry", 9, rank=6),
    Column("mark", 9, rank=7),
    Column("P/L USDT", 9, rank=2),
    Column("P/L %", 7, rank=3),
    Column("to stop", 7, rank=4),
    Column("to target", 9, rank=9),
    Column("notional", 10, rank=10),
    Column("open", 4, rank=8),
    Column("strategy", 10, "left", 11),
)
_ORDERS = (
    Column("symbol", 8, "left", 0),
    Column("side", 6, "left", 1),
    Column("for", 7, "left", 2),
    Column("type", 13, "left", 5),
    Column("qty", 9, rank=4),
    Column("filled", 9, rank=7),
    Column("price", 10, rank=3),
    Column("state", 16, "left", 6),
    Column("age", 4, rank=8),
    Column("", 11, "left", 9),
)
_WITH_EXTERNAL = tuple(replace(column, width=8) if column.title == "for" else column for column in _ORDERS)

_DOUBTFUL = ("unknown", "rejected")
COMPACT_HEIGHT = 6
"""Below this the panel lists positions only, and its title counts the orders."""


class PositionsPanel(Panel):
    NAME = "positions"
    HELP = (
        "P/L USDT: (mark - entry) x quantity, with its sign for the side, before the cost of closing."
        " P/L %: of the entry notional. to stop, to target: distance from the mark in % of the mark;"
        " 'none' means that no such price is known; '+2' behind a target, that so many lie beyond it."
        " notional: quantity x mark. open: engine time since the entry."
        " The mark is the last price of the feed; the title says how old it is where it is late."
        " NO STOP: no stop is known to rest at the venue, and for how long."
        " unknown, asking: the venue has not said what became of the order; nothing is assumed and it is asked again."
        " external: placed by others in this account; shown, and never touched unless a flatten is told to."
    )

    def content(self, view: View, width: int, height: int) -> Content:
        assert view.snapshot is not None
        snapshot, g = view.snapshot, view.glyphs
        now = snapshot.status.as_of_ms
        if not (snapshot.positions or snapshot.orders or snapshot.external):
            if snapshot.status.state in BEGINNING:
                reason = f"{snapshot.status.state}: what the account holds is not known yet"
                return Content(body=notice_rows(reason, width), note=UNKNOWN)
            why = f"{REGISTRY.key('signals')} = signals: why it did or did not trade"
            reason = f"No open position and no open order. {why}"
            return Content(body=notice_rows(reason, width))
        body: list[Row] = []
        keys: list[str] = []
        left_out = 0
        if not self.has_focus and _rows_of(snapshot) > height:
            snapshot = _weightiest_first(snapshot)
        if snapshot.positions:
            held = [_position(p, snapshot, g) for p in snapshot.positions]
            wide = fitted(_POSITIONS, held)
            sizes = widths(wide, width - 1)
            head = (header_row(wide, sizes, g.ellipsis),)
            body += [table_row(cells, wide, sizes, g.ellipsis) for cells in held]
            keys += [p.trade_id for p in snapshot.positions]
        else:
            head = (text_row("No open position", "dim"),)
        if (snapshot.orders or snapshot.external) and (height >= COMPACT_HEIGHT or not snapshot.positions):
            columns = _WITH_EXTERNAL if snapshot.external else _ORDERS
            rows = [_order(order, now, view) for order in snapshot.orders]
            rows += [_external(order, view) for order in snapshot.external]
            columns = fitted(columns, rows)
            sizes = widths(columns, width - 1)
            if height > len(body) + 2:
                body.append(())
                keys.append("")
            body.append(header_row(columns, sizes, g.ellipsis))
            keys.append("")
            body += [table_row(row, columns, sizes, g.ellipsis) for row in rows]
            keys += [order.client_order_id for order in snapshot.orders]
            keys += [_external_key(order) for order in snapshot.external]
        else:
            left_out = len(snapshot.orders) + len(snapshot.external)
        return Content(head=head, body=body, keys=keys, note=_note(snapshot), left_out=left_out)

    def cursor_symbol(self) -> str:
        snapshot = self.view.snapshot
        if snapshot is None:
            return ""
        by_key = {p.trade_id: p.symbol for p in snapshot.positions}
        by_key.update((order.client_order_id, order.symbol) for order in snapshot.orders)
        by_key.update((_external_key(order), order.symbol) for order in snapshot.external)
        return by_key.get(self.cursor_key, "")

    def cursor_trade(self) -> str:
        positions = self.view.snapshot.positions if self.view.snapshot is not None else ()
        is_trade = any(p.trade_id == self.cursor_key for p in positions)
        return self.cursor_key if is_trade else self.cursor_symbol()


def _rows_of(snapshot: Snapshot) -> int:
    """With the headers of both tables and the line between them."""
    orders = len(snapshot.orders) + len(snapshot.external)
    return len(snapshot.positions) + 1 + (orders + 2 if orders else 0)


def _weightiest_first(snapshot: Snapshot) -> Snapshot:
    """Positions without a stop, then the largest; orders whose fate is not known before the others."""
    positions = sorted(snapshot.positions, key=lambda p: (p.protected is not False, -p.notional_usdt))
    orders = sorted(snapshot.orders, key=lambda order: order.state not in _DOUBTFUL)
    return structs.replace(snapshot, positions=tuple(positions), orders=tuple(orders))


def _note(snapshot: Snapshot) -> str:
    total = sum(p.unrealised_usdt for p in snapshot.positions)
    external = f", {len(snapshot.external)} external" if snapshot.external else ""
    oldest = min((p.mark_ms for p in snapshot.positions if p.mark_ms is not None), default=None)
    late = (
        ""
        if oldest is None or not _is_late(oldest, snapshot)
        else f"marks {age(snapshot.status.as_of_ms - oldest)} old, "
    )
    return f"{late}{len(snapshot.positions)} pos {signed(total)}, {len(snapshot.orders)} ord{external}"


def _is_late(mark_ms: int, snapshot: Snapshot) -> bool:
    return snapshot.status.as_of_ms - mark_ms > late_ms(snapshot.status)


def _external_key(order: ExternalOrderView) -> str:
    return f"external {order.type} {order.symbol} {order.client_order_id}"


def _position(p: PositionView, snapshot: Snapshot, g: Glyphs) -> list[Cell]:
    role = "up" if p.unrealised_usdt > 0 else "down" if p.unrealised_usdt < 0 else "plain"
    sign = side_sign(p.side)
    late = p.mark_ms is not None and _is_late(p.mark_ms, snapshot)
    return [
        (p.symbol, "strong"),
        (arrow(sign, g) + side_word(p.side), "plain"),
        (quantity(p.qty), "plain"),
        (money(p.entry_price, p.decimals), "plain"),
        (money(p.mark_price, p.decimals), "warn" if late else "plain"),
        (signed(p.unrealised_usdt), role),
        (signed(p.unrealised_pct) + "%", role),
        ("NO STOP", "badge_bad") if p.protected is False else _distance(p.stop_price, p.mark_price, "warn"),
        _targets(p),
        (money(p.notional_usdt), "plain"),
        (age(snapshot.status.as_of_ms - p.opened_ms), "dim"),
        (p.strategy, "dim"),
    ]


def _distance(price: float | None, mark: float, missing_role: str) -> Cell:
    if price is None or mark <= 0:
        return "none", missing_role
    return f"{abs(price - mark) / mark * 100:.2f}%", "plain"


def _targets(p: PositionView) -> Cell:
    """The nearest, and how many lie behind it."""
    text, role = _distance(p.target_price, p.mark_price, "dim")
    behind = len(p.target_prices) - 1
    return (f"{text} +{behind}" if behind > 0 else text), role


def _order(order: OrderView, now_ms: int, view: View) -> list[Cell]:
    doubtful = order.state in _DOUBTFUL
    return [
        (order.symbol, "strong"),
        (order.side.upper(), "plain"),
        (order.role, "plain"),
        (words(order.type), "dim"),
        (quantity(order.qty), "plain"),
        (quantity(order.filled_qty), "plain"),
        (UNKNOWN if order.price is None else view.price_text(order.symbol, order.price), "plain"),
        ("unknown, asking" if order.state == "unknown" else words(order.state), "warn" if doubtful else "plain"),
        (age(now_ms - order.created_ms), "dim"),
        ("reduce only" if order.reduce_only else "", "dim"),
    ]


def _external(order: ExternalOrderView, view: View) -> list[Cell]:
    return [
        (order.symbol, "strong"),
        (order.side.upper(), "plain"),
        ("external", "warn"),
        (words(order.type), "dim"),
        ("all" if order.qty is None else quantity(order.qty), "plain"),
        (UNKNOWN, "dim"),
        (UNKNOWN if order.price is None else view.price_text(order.symbol, order.price), "plain"),
        (words(order.state), "plain"),
        (UNKNOWN, "dim"),
        ("not ours", "dim"),
    ]
