"""The lab's chart: the candles around one trade of a stored run, with its entry and its exit."""

from __future__ import annotations

from collections.abc import Callable

from tui.console.panels.lab.base import LabPanel, clipped, sign_role, tags
from tui.console.panels.panel import Content, View
from tui.console.registry import REGISTRY
from tui.lab.desk import LabDesk
from tui.lab.trade import TradeView, decimals, price_text
from tui.text.candles import draw
from tui.text.format import Glyphs, age, arrow, plain_text, signed, utc_full
from tui.text.table import Row, notice_rows, text_row

_AXIS_CELLS = 14


class LabChartPanel(LabPanel):
    NAME = "lab_chart"
    HELP = (
        "The candles that the run was made on, around one of its trades. The arrow is its entry, the diamond its exit,"
        " the dashed lines their prices. up and down go to the trade before and after in the list, + and - to shorter"
        " and longer candles. Times are UTC."
    )

    def __init__(self, desk: LabDesk, follow: Callable[[int], None]) -> None:
        """`follow` is told the place of the trade that is gone to."""
        super().__init__(desk)
        self._follow = follow

    def lab_content(self, view: View, width: int, height: int) -> Content:
        shown, g = self.desk.trade, view.glyphs
        if shown is None:
            return Content(body=notice_rows(f"No trade is chosen. {REGISTRY.key('lab')} lists the runs", width))
        run = self.desk.shown
        warnings = tags(run.row) if run is not None and run.row["run_id"] == shown.run_id else ""
        head = _facts(shown, warnings, width, g)
        note = f"{shown.run_id}, {shown.minutes} min candles"
        if shown.bars is None:
            text = f"No candles read yet: {self.desk.error or 'asking the lab'}"
            return Content(head=head, body=notice_rows(text, width), note=note)
        bars, cells = shown.framed(width - _AXIS_CELLS)
        if not bars:
            return Content(head=head, body=notice_rows("No candles are stored around this trade", width), note=note)
        body = draw(
            bars,
            shown.markers(),
            shown.levels(),
            width=width,
            height=height - len(head),
            zoom=(shown.minutes, cells),
            decimals=decimals(shown.trade["entry_price"]),
            glyphs=g,
        )
        return Content(head=head, body=body, note=note)

    def move(self, delta: int) -> None:
        self._follow(self.desk.step_trade(delta))
        self.show(self.view)


def _facts(shown: TradeView, warnings: str, width: int, g: Glyphs) -> tuple[Row, ...]:
    trade = shown.trade
    side = arrow(trade["side"], g) + ("LONG" if trade["side"] > 0 else "SHORT")
    first: Row = (
        (f" {trade['symbol']} {side} ", "title"),
        (f"net {signed(trade['net_usdt'])} USDT ", sign_role(trade["net_usdt"])),
        (f" {plain_text(trade['exit_reason'])}, held {age(trade['exit_time_ms'] - trade['entry_time_ms'])}", "plain"),
        (f"   {warnings}", "warn"),
    )
    times = [utc_full(trade[name]) for name in ("entry_time_ms", "exit_time_ms")]
    prices = [price_text(trade[name]) for name in ("entry_price", "exit_price")]
    second = (
        f"{g.up if trade['side'] > 0 else g.down} entry {prices[0]} {times[0]}   {g.exit} exit {prices[1]} {times[1]}"
    )
    return clipped(first, width, g.ellipsis), clipped(text_row(second, "dim"), width, g.ellipsis)
