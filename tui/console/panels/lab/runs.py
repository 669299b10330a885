"""The stored runs, the newest first, and the one under way."""

from __future__ import annotations

from collections.abc import Sequence

from core.domain.rows import Row as Stored
from core.lab.statistics.figures import cell_text
from tui.console.panels.lab.base import LabPanel, period, sign_role, tags
from tui.console.panels.panel import Content, View
from tui.text.format import plain_text, plural, signed, utc_full
from tui.text.table import Cell, Column, header_row, notice_rows, table_row, widths

_COLUMNS = (
    Column("run", 6, "left", 0),
    Column("kind", 8, "left", 8),
    Column("strategy", 9, "left", 2, stretch=True, most=16),
    Column("symbols", 10, "left", 7, stretch=True, most=30),
    Column("from, to", 21, "left", 6),
    Column("trades", 7, rank=5),
    Column("return %", 8, rank=3),
    Column("Sharpe", 6, rank=4),
    Column("depth %", 7, rank=4),
    Column("warnings", 27, "left", 1, stretch=True, most=37),
    Column("made", 16, "left", 9),
    Column("note", 12, "left", 10, stretch=True, most=40),
)
_SYMBOLS = 3
_KIND = {"walkforward": "walk-fwd"}


class LabRunsPanel(LabPanel):
    NAME = "lab"
    HELP = (
        "The backtest lab. Runs go on in a process of their own with less right to the processor than trading."
        " return: last equity to first, in %, open positions included. Sharpe: of daily returns, on a year of 365 days."
        " depth: the deepest fall from an equity peak. Of a sweep the figures are those of its best trial."
        " warnings: SYNTHETIC data is no market; IN-SAMPLE: parameters or model were chosen on the data of the"
        " run; PARTIAL was stopped; FAILED ended by an error. None of those results is performance."
    )

    def show(self, view: View) -> None:
        super().show(view)
        if self.display and self.shown.keys:
            self.desk.select(self.cursor_key)

    def lab_content(self, view: View, width: int, height: int) -> Content:
        head = self.job_rows(view, width)
        runs = self.desk.runs
        if runs is None:
            return Content(head=head, body=notice_rows("No run read yet: asking the lab", width))
        if not runs:
            return Content(head=head, body=notice_rows("No stored run yet. n starts one", width))
        sizes = widths(_COLUMNS, width - 1)
        body = [table_row(self._cells(run, sizes[_SYMBOLS]), _COLUMNS, sizes, view.glyphs.ellipsis) for run in runs]
        marked = f", {len(self.desk.marked)} marked" if self.desk.marked else ""
        return Content(
            head=(*head, header_row(_COLUMNS, sizes, view.glyphs.ellipsis)),
            body=body,
            keys=[str(run["run_id"]) for run in runs],
            note=f"{plural(len(runs), 'run')}{marked}",
        )

    def _cells(self, run: Stored, symbols_cells: int) -> list[Cell]:
        change = run["total_return_pct"]
        bad = run["status"] == "failed"
        return [
            (f"{run['run_id']}{'*' if run['run_id'] in self.desk.marked else ''}", "strong"),
            (_KIND.get(run["kind"], str(run["kind"])), "plain"),
            (plain_text(run["strategy"]), "plain"),
            (_symbols(run["symbols"], symbols_cells), "plain"),
            (period(run), "dim"),
            (cell_text("trades", run["trades"]), "plain"),
            ("-" if change is None else signed(change), sign_role(change)),
            (cell_text("sharpe_pct", run["sharpe"]), "plain"),
            (cell_text("max_drawdown_pct", run["max_drawdown_pct"]), "plain"),
            (tags(run) or "-", "bad" if bad else "warn" if run["labels"] else "dim"),
            (utc_full(run["created_ms"])[:16], "dim"),
            (plain_text(run["note"]), "dim"),
        ]


def _symbols(symbols: Sequence[str], cells: int) -> str:
    """As many names as fit whole, and how many more there are."""
    named = [plain_text(symbol) for symbol in symbols]
    for shown in range(len(named), 0, -1):
        more = f" +{len(named) - shown}" if shown < len(named) else ""
        text = " ".join(named[:shown]) + more
        if len(text) <= cells:
            return text
    return plural(len(named), "symbol")
