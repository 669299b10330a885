"""The lab's trades: what one stored run closed, the newest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

from core.domain.rows import Row as Stored
from tui.console.panels.lab.base import LabPanel, sign_role, tags
from tui.console.panels.panel import Content, View
from tui.console.registry import REGISTRY
from tui.lab.desk import LabDesk
from tui.lab.trade import price_text
from tui.text.format import age, arrow, plain_text, plural, quantity, signed, utc_full
from tui.text.table import Column, Row, header_row, notice_rows, table_row, text_row, widths

_COLUMNS = (
    Column("exit (UTC)", 16, "left", 0),
    Column("symbol", 9, "left", 1),
    Column("side", 6, "left", 2),
    Column("net USDT", 10, rank=3),
    Column("reason", 12, "left", 4, stretch=True, most=24),
    Column("held", 5, rank=5),
    Column("entry", 11, rank=6),
    Column("exit", 11, rank=7),
    Column("qty", 11, rank=8),
    Column("gross", 9, rank=9),
    Column("fees", 8, rank=10),
    Column("funding", 8, rank=11),
)


class LabTradesPanel(LabPanel):
    NAME = "lab_trades"
    HELP = (
        "The closed trades of one stored run. net = gross - fees + funding; slippage is in the prices. held: from entry"
        " to exit. enter shows the candles around a trade with its entry and exit."
    )

    def __init__(self, desk: LabDesk) -> None:
        super().__init__(desk)
        self._kept: list[str] = []

    def lab_content(self, view: View, width: int, height: int) -> Content:
        found = self.desk.trades
        if found is None:
            waiting = self.desk.reads.waiting("trades")
            text = (
                "No trades read yet: asking the lab"
                if waiting
                else f"No run is chosen. {REGISTRY.key('lab')} lists them"
            )
            return Content(body=notice_rows(text, width))
        run_id, trades = found
        shown = self.desk.shown
        warnings = tags(shown.row) if shown is not None and shown.row["run_id"] == run_id else ""
        head = (text_row(f"{run_id}: {warnings}", "warn"),) if warnings else ()
        if not trades:
            return Content(head=head, body=notice_rows(f"No trade was closed in {run_id}. esc goes back", width))
        sizes = widths(_COLUMNS, width - 1)
        rows = _Rows(trades, sizes, view)
        return Content(
            head=(*head, header_row(_COLUMNS, sizes, view.glyphs.ellipsis)),
            body=rows,
            keys=self._numbers(len(trades)),
            note=f"{run_id}, {plural(len(trades), 'trade')}",
        )

    def _numbers(self, count: int) -> list[str]:
        """What the cursor follows: the places in the list, from 1. Kept, since there may be tens of thousands."""
        if len(self._kept) != count:
            self._kept = [str(n + 1) for n in range(count)]
        return self._kept

    def index(self) -> int:
        """The place of the cursor in the list."""
        return int(self.cursor_key or 0) - 1

    def go_to(self, index: int) -> None:
        self.cursor_key = str(index + 1)


class _Rows(Sequence[Row]):
    """The rows of the trades, made when they are looked at: a run may have tens of thousands."""

    def __init__(self, trades: Sequence[Stored], sizes: list[int], view: View) -> None:
        self._trades, self._sizes, self._glyphs = trades, sizes, view.glyphs

    def __len__(self) -> int:
        return len(self._trades)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        if isinstance(index, slice):
            return [self[n] for n in range(*index.indices(len(self)))]
        trade, g = self._trades[index], self._glyphs
        cells = [
            (utc_full(trade["exit_time_ms"])[:16], "plain"),
            (trade["symbol"], "strong"),
            (arrow(trade["side"], g) + ("LONG" if trade["side"] > 0 else "SHORT"), "plain"),
            (signed(trade["net_usdt"]), sign_role(trade["net_usdt"])),
            (plain_text(trade["exit_reason"]), "plain"),
            (age(trade["exit_time_ms"] - trade["entry_time_ms"]), "dim"),
            (price_text(trade["entry_price"]), "plain"),
            (price_text(trade["exit_price"]), "plain"),
            (quantity(trade["qty"]), "plain"),
            (signed(trade["gross_usdt"]), "plain"),
            (signed(-trade["fees_usdt"]), "plain"),
            (signed(trade["funding_usdt"]), "plain"),
        ]
        return table_row(cells, _COLUMNS, self._sizes, g.ellipsis)
