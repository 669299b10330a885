"""What is left on a terminal too small for panels: how it stands, profit and loss, positions and keys."""

from __future__ import annotations

from core.control.protocol import Snapshot
from core.control.readiness import BEGINNING
from tui.console.panels.panel import View
from tui.console.screens.layout import MIN_HEIGHT, MIN_WIDTH
from tui.console.widgets.lines import Lines
from tui.console.widgets.trouble import naked_text
from tui.text.format import UNKNOWN, money, plain_text, signed, wrap
from tui.text.table import Row, text_row


class Essentials(Lines):
    def show(self, view: View) -> None:
        width, height = self.size
        if not self.display or width <= 0:
            return
        self.glyphs = view.glyphs
        need = f"This terminal is {self.app.size.width}x{self.app.size.height}; panels need {MIN_WIDTH}x{MIN_HEIGHT}."
        facts = [(view.waiting, "plain")] if view.snapshot is None else _facts(view, view.snapshot)
        rows: list[Row] = [
            text_row(line, role) for text, role in (*facts, (need, "dim")) for line in wrap(plain_text(text), width - 2)
        ]
        if len(rows) > height > 0:
            hidden = len(rows) - height + 1
            rows = [*rows[: height - 1], text_row(f"+{hidden} more lines", "warn")]
        self.set_rows(rows)


def _facts(view: View, snapshot: Snapshot) -> list[tuple[str, str]]:
    """What matters most first, each as text and role; all of it is wrapped, so that no number is cut."""
    status, stands = snapshot.status, view.standing(snapshot)
    known = status.state not in BEGINNING
    facts = [(f"UNPROTECTED {naked_text(p)}", "badge_bad") for p in snapshot.positions if p.protected is False]
    day, equity = (signed(status.day_pnl_usdt), money(status.equity_usdt)) if known else (UNKNOWN, UNKNOWN)
    facts.append((f"day {day} equity {equity} USDT", "plain"))
    facts += [(f"BLOCKED {block.what} {block.until}", "bad") for block in stands.blocks]
    open_now = ", ".join(f"{p.symbol} {signed(p.unrealised_usdt)}" for p in snapshot.positions)
    facts.append((f"open: {open_now or ('nothing' if known else UNKNOWN)}", "plain"))
    drawdown, exposure = (f"{status.drawdown_pct:.1f}%", f"{status.exposure_pct:.0f}%") if known else (UNKNOWN, UNKNOWN)
    facts.append((f"drawdown {drawdown} exposure {exposure}", "plain"))
    stale = f" {view.stale}" if view.stale else ""
    role = status.mode if status.mode in ("live", "testnet") else "strong"
    facts.append((f"{status.mode.upper()} {stands.word}{stale}", role))
    return facts
