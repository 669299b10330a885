"""The watched symbols, their last prices and what is forecast of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from core.control.protocol import PriceView, StatusView
from core.domain.market import MINUTE_MS
from tui.console.panels.panel import Content, Panel, View
from tui.console.registry import REGISTRY
from tui.text.format import UNKNOWN, Glyphs, age, arrow, money, plain_text, short_figure, signed, sparkline
from tui.text.table import Cell, Column, fitted, header_row, notice_rows, table_row, widths

OVERDUE_MS = 90_000
"""So long after its time a bar is late."""

QUOTE_LATE_MS = 15_000
"""Quotes come all the time."""


_FORECAST = "forecast"
_COLUMNS = (
    Column("symbol", 8, "left", 0),
    Column("last", 10, rank=1),
    Column("change", 9, rank=2),
    Column("closes", 8, rank=4, stretch=True, most=72),
    Column(_FORECAST, 9, rank=3),
    Column("age", 4, rank=5),
    Column("model", 14, "left", 6),
)


class MarketsPanel(Panel):
    NAME = "markets"
    HELP = (
        "last: newest price of the feed. change: from the first to the newest of the recent closes the engine keeps."
        " age: engine time since that price; late when the next bar is 90 s overdue, or 15 s where the exchange's"
        " quotes are shown."
        " closes: the recent ones, lowest to highest, as one line of bars."
        " forecast: the first output of the newest forecast, with its unit: bp are basis points (1 bp = 0.01 %) of the"
        " price. What has no unit, as a probability or a score, stands under its own name."
    )

    def content(self, view: View, width: int, height: int) -> Content:
        assert view.snapshot is not None
        status, prices = view.snapshot.status, view.snapshot.prices
        if not self.has_focus and len(prices) > height - 1:
            held = {p.symbol for p in view.snapshot.positions}
            prices = tuple(sorted(prices, key=lambda price: price.symbol not in held))
        g = view.glyphs
        columns = fitted(_named(prices), [_cells(price, status, 0, g) for price in prices])
        sizes = widths(columns, width - 1)
        rows = tuple(table_row(_cells(price, status, sizes[3], g), columns, sizes, g.ellipsis) for price in prices)
        if not rows:
            return Content(
                body=notice_rows(f"No price yet: the feed has not delivered a bar. {REGISTRY.key('logs')} = log", width)
            )
        return Content(
            head=(header_row(columns, sizes, g.ellipsis),),
            body=rows,
            note=f"feed {age(status.feed_age_ms)}",
            keys=[price.symbol for price in prices],
        )

    def cursor_symbol(self) -> str:
        return self.cursor_key


def late_ms(status: StatusView) -> int:
    """From which age on a price that comes with the bars is late."""
    return status.interval_minutes * MINUTE_MS + OVERDUE_MS


def _named(prices: Sequence[PriceView]) -> tuple[Column, ...]:
    """The columns, with the output's name above figures whose unit does not tell what they are of: 0.62 may be that it
    falls."""
    told = next((price.outputs[0] for price in prices if price.outputs), None)
    if told is None or told.unit in ("bps", "pct"):
        return _COLUMNS
    return tuple(
        replace(column, title=plain_text(told.name)[: column.width]) if column.title == _FORECAST else column
        for column in _COLUMNS
    )


def _cells(price: PriceView, status: StatusView, spark_width: int, g: Glyphs) -> list[Cell]:
    seen_ms, most_ms = price.as_of_ms, late_ms(status)
    if price.quote_ms is not None:
        seen_ms, most_ms = price.quote_ms, QUOTE_LATE_MS
    age_ms = status.as_of_ms - seen_ms
    late = age_ms > most_ms
    moved = "up" if price.change_pct > 0 else "down" if price.change_pct < 0 else "plain"
    change = f"{arrow(price.change_pct, g)}{signed(price.change_pct)}%"
    said = short_figure(price.outputs[0].value, price.outputs[0].unit) if price.outputs else UNKNOWN
    return [
        (price.symbol, "strong"),
        (money(price.last, price.decimals), "dim" if late else "plain"),
        (f"late {age(age_ms)}", "warn") if late else (change, moved),
        (sparkline(price.closes, spark_width, g), "dim" if late else "accent"),
        (said, "dim" if said == UNKNOWN else "plain"),
        (age(age_ms), "warn" if late else "dim"),
        (price.model_version or UNKNOWN, "dim"),
    ]
