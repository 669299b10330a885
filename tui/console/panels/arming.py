"""The page before a live start: what would be traded, and that nothing is started yet."""

from __future__ import annotations

from tui.console.arming import PAGE, RISK, ArmingDesk
from tui.console.panels.panel import Content, Panel, View
from tui.text.format import plain_text, wrap
from tui.text.table import Row, text_row

_ASKED = (
    "To start, type the account tag: the last four characters of the API key in use. The key itself is never shown."
    " Nothing is started, and nothing is sent, before that. esc leaves."
)


class ArmingPanel(Panel):
    NAME = PAGE
    HELP = "account tag: the last four characters of the API key. It says which account is meant."

    def __init__(self, desk: ArmingDesk) -> None:
        super().__init__()
        self._desk = desk

    def content(self, view: View, width: int, height: int) -> Content:
        room = max(1, max(len(name) for name, _ in self._desk.facts))
        rows: list[Row] = [(), ((" ", "plain"), (" LIVE ", "live"), (" this start trades REAL MONEY", "strong")), ()]
        for name, text in self._desk.facts:
            for number, line in enumerate(wrap(plain_text(text), width - room - 5) or [""]):
                label = name if number == 0 else ""
                rows.append(((" ", "plain"), (f"{label:<{room}}  ", "dim"), (line, "plain")))
        rows += [(), *(text_row(line, "strong") for line in wrap(RISK, width - 2))]
        rows += [*(text_row(line) for line in wrap(_ASKED, width - 2)), ()]
        if self._desk.checking:
            rows.append(text_row("checking the tag and connecting", "accent"))
        elif self._desk.refused:
            rows += [text_row(line, "bad") for line in wrap(plain_text(f"REFUSED: {self._desk.refused}"), width - 2)]
        return Content(body=rows)
