"""What is left on a terminal too small for panels: profit and loss, halts, positions and keys."""

from __future__ import annotations

from core.control import Snapshot
from tui.format import fit, money, plain_text, signed, wrap
from tui.screens.layout import MIN_HEIGHT, MIN_WIDTH
from tui.widgets.bars import naked_text
from tui.widgets.panel import Lines, View
from tui.widgets.table import Row, text_row


class Essentials(Lines):
    def show(self, view: View) -> None:
        width, height = self.size
        if not self.display or width <= 0:
            return
        self.glyphs = view.glyphs
        need = f"This terminal is {self.app.size.width}x{self.app.size.height}; panels need {MIN_WIDTH}x{MIN_HEIGHT}."
        rows: list[Row] = [text_row(line, "warn") for line in wrap(need, width - 2)]
        rows += [text_row(view.waiting)] if view.snapshot is None else _facts(view.snapshot, width)
        self.set_rows([_cut(row, width, view.glyphs.ellipsis) for row in rows[:height]])


def _facts(snapshot: Snapshot, width: int) -> list[Row]:
    status = snapshot.status
    role = status.mode if status.mode in ("live", "testnet") else "strong"
    rows: list[Row] = [
        text_row(f"{status.mode.upper()} {status.state.upper()}", role),
        text_row(f"day {signed(status.day_pnl_usdt)}  equity {money(status.equity_usdt)} USDT"),
        text_row(f"drawdown {status.drawdown_pct:.1f}%  exposure {status.exposure_pct:.0f}%"),
    ]
    rows += [text_row(f"UNPROTECTED {naked_text(p)}", "badge_bad") for p in snapshot.positions if p.protected is False]
    rows += [text_row(f"HALT {plain_text(line)}", "bad") for halt in status.halts for line in wrap(halt, width - 8)]
    if status.connection:
        rows += [text_row(line, "bad") for line in wrap(plain_text(f"CONNECTION {status.connection}"), width - 2)]
    open_now = ", ".join(f"{p.symbol} {signed(p.unrealised_usdt)}" for p in snapshot.positions)
    rows += [text_row(line) for line in wrap(f"open: {open_now or 'nothing'}", width - 2)]
    return rows


def _cut(row: Row, width: int, ellipsis: str) -> Row:
    """Rows here hold a margin and one text."""
    margin, (text, role) = row
    return margin, (fit(text, width - 1, ellipsis=ellipsis), role)
