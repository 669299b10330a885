"""What `?` shows: the keys, and what the numbers of the focused panel mean."""

from __future__ import annotations

from tui.console.keys import ACTIONS, Action, scoped
from tui.console.panels.panel import Content, Panel, View
from tui.console.panels.risk import RiskPanel
from tui.text.format import fit, wrap
from tui.text.table import Row, text_row

_KEY_CELLS = 10


class HelpPanel(Panel):
    NAME = "help"
    HELP = "Keys and meanings. esc or ? goes back."

    def __init__(self) -> None:
        super().__init__()
        self.subject: Panel | None = None

    def content(self, view: View, width: int, height: int) -> Content:
        rows: list[Row] = []
        subject = self.subject
        if subject is not None and subject.HELP:
            rows += [text_row(f"{subject.title}: what the numbers mean", "title")]
            rows += [text_row(line) for line in wrap(subject.HELP, width - 3)]
            if isinstance(subject, RiskPanel):
                rows += [(), text_row("How each limit's use is computed", "title"), *subject.help_rows(width)]
            local = scoped(subject.NAME)
            if local:
                rows += [(), text_row(f"Keys of {subject.title}", "title"), *_keys(local, width)]
            rows.append(())
        safety = [action for action in ACTIONS if action.guarded]
        panels = [action for action in ACTIONS if action.name == "panel"]
        general = [action for action in ACTIONS if not action.scopes and action not in safety and action not in panels]
        rows += [text_row("Safety keys: upper case, and always available", "title"), *_keys(safety, width), ()]
        digits = "  ".join(f"{action.shown} {action.label}" for action in panels)
        rows += [text_row("Panels", "title"), *(text_row(line) for line in wrap(digits, width - 3)), ()]
        rows += [text_row("General", "title"), *_keys(general, width), ()]
        status = (
            "Status line: mode, state, source, age of the feed, lag of the engine's loop, equity, profit and loss since"
            " 00:00 UTC with open positions, open notional in % of equity, fall from the equity peak, open positions,"
            " open orders, limits that warn or block, the engine's time. In narrow terminals the last ones go first."
        )
        rows += [text_row("Status line", "title"), *(text_row(line) for line in wrap(status, width - 3))]
        below = len(rows) - self.top - height
        return Content(body=rows, note=f"{below} more lines below, esc goes back" if below > 0 else "esc goes back")

    def scroll_rows(self, delta: int) -> None:
        self.top = max(0, self.top + delta)
        self.show(self.view)


def _keys(actions: list[Action], width: int) -> list[Row]:
    rows: list[Row] = []
    for action in actions:
        lines = wrap(action.help, width - _KEY_CELLS - 3)
        for n, line in enumerate(lines):
            key = fit(action.shown if n == 0 else "", _KEY_CELLS)
            rows.append(((" ", "plain"), (key, "key"), (line, "plain")))
    return rows
