"""Candles of the selected symbol with entries, exits and the open position's lines."""

from __future__ import annotations

from core.control.protocol import ChartView, PositionView, PriceView
from tui.console.panels.panel import Content, Panel, View
from tui.text.candles import draw, levels_of, zooms
from tui.text.format import Glyphs, arrow, money, plural, signed
from tui.text.table import Row, Span, notice_rows

DEFAULT_ZOOM = 1


class ChartPanel(Panel):
    NAME = "chart"
    HELP = (
        "Closed bars of the selected symbol. A rising body is a full block, a falling one shaded, or a heavy"
        " line when it is short."
        " Arrows are entries, diamonds exits. Dashed lines: entry, stop and target of the open position; one that is"
        " off the chart stands at its edge with an arrow. The price in a box is the newest."
        " Volume in base units below. Times are UTC."
    )

    def __init__(self) -> None:
        super().__init__()
        self.zoom_index = DEFAULT_ZOOM

    def zoom(self, delta: int) -> None:
        snapshot = self.view.snapshot
        last = len(zooms(1 if snapshot is None else snapshot.status.interval_minutes)) - 1
        self.zoom_index = max(0, min(last, self.zoom_index - delta))
        self.show(self.view)

    def content(self, view: View, width: int, height: int) -> Content:
        assert view.snapshot is not None
        snapshot, g = view.snapshot, view.glyphs
        symbol = view.symbol
        chart = view.chart(symbol) if symbol else None
        if chart is None or not chart.bars:
            return Content(body=notice_rows(_without_bars(symbol, chart), width))
        price = next((p for p in snapshot.prices if p.symbol == symbol), None)
        position = next((p for p in snapshot.positions if p.symbol == symbol), None)
        minutes, cells = zooms(snapshot.status.interval_minutes)[self.zoom_index]
        rows = draw(
            chart.bars,
            chart.markers,
            levels_of(position),
            width=width,
            height=height - 1,
            zoom=(minutes, cells),
            decimals=price.decimals if price else 2,
            glyphs=g,
            last_price=price.last if price else None,
        )
        note = f"{minutes} min, {plural(len(chart.bars), 'bar')} kept"
        return Content(head=(_title(symbol, price, position, width, g),), body=rows, note=note)

    def cursor_symbol(self) -> str:
        return self.view.symbol


def _without_bars(symbol: str, chart: ChartView | None) -> str:
    if not symbol:
        return "No closed bar yet"
    if chart is None:
        return f"The bars of {symbol} have not come yet. [ and ] change the symbol"
    return f"No closed bar of {symbol} yet. [ and ] change the symbol"


def _title(symbol: str, price: PriceView | None, position: PositionView | None, width: int, g: Glyphs) -> Row:
    spans: list[Span] = [(f" {symbol} ", "title")]
    if price is not None:
        role = "up" if price.change_pct > 0 else "down" if price.change_pct < 0 else "plain"
        spans += [(f"{money(price.last, price.decimals)} ", "strong")]
        spans += [(f"{arrow(price.change_pct, g)}{signed(price.change_pct)}%", role)]
    if position is not None:
        role = "up" if position.unrealised_usdt > 0 else "down" if position.unrealised_usdt < 0 else "plain"
        spans += [("  open ", "dim"), (signed(position.unrealised_usdt), role)]
    legend = f"  {g.rise} rise {g.fall} fall {g.up}{g.down} entry {g.exit} exit"
    if sum(len(text) for text, _ in spans) + len(legend) <= width:
        spans.append((legend, "dim"))
    return tuple(spans)
