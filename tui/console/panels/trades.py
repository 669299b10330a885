"""Closed round trips, newest first."""

from __future__ import annotations

from collections.abc import Sequence

from core.control.protocol import TradeView
from tui.console.panels.panel import Content, Panel, View
from tui.console.registry import REGISTRY
from tui.text.format import (
    Glyphs,
    age,
    arrow,
    money,
    quantity,
    side_sign,
    side_word,
    signed,
    utc_day,
    utc_seconds,
    words,
)
from tui.text.table import Cell, Column, Row, fitted, header_row, notice_rows, table_row, text_row, widths

_COLUMNS = (
    Column("closed", 8, "left", 0),
    Column("symbol", 8, "left", 1),
    Column("side", 6, "left", 4),
    Column("net USDT", 9, rank=2),
    Column("why", 11, "left", 3),
    Column("held", 4, rank=5),
    Column("entry", 9, rank=6),
    Column("exit", 9, rank=7),
    Column("qty", 9, rank=8),
    Column("day", 5, "left", 9),
)


class TradesPanel(Panel):
    NAME = "trades"
    HELP = (
        "net USDT: price difference x quantity, less the fees of both sides, plus or less funding."
        " why: the exit rule that closed it. held: from entry to exit."
        " The sums below are of the trades listed here, not of the whole account."
    )

    def content(self, view: View, width: int, height: int) -> Content:
        assert view.snapshot is not None
        trades, g = view.snapshot.trades, view.glyphs
        if not trades:
            others = f"{REGISTRY.key('positions')} = positions, {REGISTRY.key('signals')} = signals"
            return Content(body=notice_rows(f"No closed trade yet. {others}", width))
        cells = [_cells(trade, view) for trade in trades]
        columns = fitted(_COLUMNS, cells)
        sizes = widths(columns, width - 1)
        rows = [table_row(row, columns, sizes, g.ellipsis) for row in cells]
        tail = _sums(trades, width, g) if height >= 8 else ()
        return Content(
            (header_row(columns, sizes, g.ellipsis),),
            rows,
            tail,
            f"{len(trades)} listed, net {signed(sum(trade.net_pnl_usdt for trade in trades))}",
            [trade.trade_id for trade in trades],
        )

    def cursor_symbol(self) -> str:
        trades = self.view.snapshot.trades if self.view.snapshot else ()
        return next((trade.symbol for trade in trades if trade.trade_id == self.cursor_key), "")


def _cells(trade: TradeView, view: View) -> list[Cell]:
    g = view.glyphs
    net = trade.net_pnl_usdt
    return [
        (utc_seconds(trade.exit_time_ms)[:-1], "dim"),
        (trade.symbol, "strong"),
        (arrow(side_sign(trade.side), g) + side_word(trade.side), "plain"),
        (signed(net), "up" if net > 0 else "down" if net < 0 else "plain"),
        (words(trade.exit_reason), "plain"),
        (age(trade.exit_time_ms - trade.entry_time_ms), "dim"),
        (view.price_text(trade.symbol, trade.entry_price), "plain"),
        (view.price_text(trade.symbol, trade.exit_price), "plain"),
        (quantity(trade.qty), "plain"),
        (utc_day(trade.exit_time_ms), "dim"),
    ]


def _sums(trades: Sequence[TradeView], width: int, g: Glyphs) -> tuple[Row, ...]:
    wins = [trade.net_pnl_usdt for trade in trades if trade.net_pnl_usdt > 0]
    losses = [trade.net_pnl_usdt for trade in trades if trade.net_pnl_usdt < 0]
    total = sum(wins) + sum(losses)
    parts = [
        f"net {signed(total)}",
        f"won {len(wins)} {signed(sum(wins))}",
        f"lost {len(losses)} {signed(sum(losses))}",
        f"mean {signed(total / len(trades))}",
        f"worst {money(min(losses, default=0.0))}",
    ]
    while len(parts) > 1 and len("  ".join(parts)) >= width:
        parts.pop()
    return ((f" {g.rule * (width - 2)}", "rule"),), text_row("  ".join(parts), "strong")
