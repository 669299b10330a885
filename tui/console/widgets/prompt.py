"""One line of typing at the foot of the screen: a search, a field of a form, a path."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from textual.events import Key, Paste

from tui.console.keys import URGENT, URGENT_HINT
from tui.console.widgets.lines import Lines
from tui.text.asked import Asked
from tui.text.format import plain_text
from tui.text.table import Span


class Prompt(Lines, can_focus=True):
    """Printable keys go into the text, so no other key acts while it is open, but for the keys of URGENT.

    `closed` is called before `done`, so that the focus is back where it was. `urgent` gets the name of a safety act;
    the line closes first, as at escape.
    """

    def __init__(self, closed: Callable[[], None], urgent: Callable[[str], None]) -> None:
        super().__init__(id="prompt")
        self._when_closed = closed
        self._urgent = urgent
        self._asked: Asked | None = None
        self.text = ""
        self._cursor = 0

    def open(self, asked: Asked) -> None:
        self._asked = asked
        self._set(asked.text, len(asked.text))
        self.display = True
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def on_paste(self, event: Paste) -> None:
        event.stop()
        self._insert(plain_text(event.text).strip())
        self._draw()

    def on_key(self, event: Key) -> None:
        if self._asked is None:
            return  # Closed by the key before, it came here still: it is for the panels.
        event.stop()
        event.prevent_default()
        if event.key in URGENT and self._asked.urgent:
            self._close(None)
            self._urgent(URGENT[event.key])
        elif event.key == "enter":
            self._close(self.text)
        elif event.key in ("escape", "ctrl+c"):
            self._close(None)
        elif event.key == "tab" and self._asked.turn is not None:
            title, text = self._asked.turn(self.text)
            self._asked = replace(self._asked, title=title)
            self._set(text, len(text))
        elif event.key in _EDITS:
            self._edit(event.key)
        elif event.is_printable and event.character:
            self._insert(event.character)
        self._draw()

    def _edit(self, key: str) -> None:
        text, cursor = self.text, self._cursor
        self._set(*_EDITS[key](text, cursor))

    def _insert(self, new: str) -> None:
        self._set(self.text[: self._cursor] + new + self.text[self._cursor :], self._cursor + len(new))

    def _set(self, text: str, cursor: int) -> None:
        before, self.text = self.text, text
        self._cursor = max(0, min(len(text), cursor))
        if self._asked is not None and self._asked.changed is not None and text != before:
            self._asked.changed(text)

    def _close(self, text: str | None) -> None:
        asked, self._asked = self._asked, None
        self.display = False
        self._when_closed()
        if asked is not None:
            asked.done(self.text if asked.keeps else text)

    def _draw(self) -> None:
        if self._asked is None:
            return
        width, title = self.size.width, f" {self._asked.title}: "
        hints = [f"   {self._asked.hint}   esc leave", "   esc"]
        if self._asked.urgent:
            hints.insert(0, f"{hints[0]}   {URGENT_HINT}")
        fits = (hint for hint in hints if len(title) + len(self.text) + 1 + len(hint) <= width)
        hint = next(fits, "")
        room = max(1, width - len(title) - len(hint) - 1)
        start = max(0, self._cursor - room + 1)
        before, after = self.text[start : self._cursor], self.text[self._cursor :]
        under: Span = (after[0], "match") if after else ("_", "key")
        rest = after[1 : max(1, room - len(before))]
        self.set_rows([((title, "title"), (before, "strong"), under, (rest, "strong"), (hint, "dim"))])


_EDITS: dict[str, Callable[[str, int], tuple[str, int]]] = {
    "backspace": lambda text, at: (text[: max(0, at - 1)] + text[at:], at - 1),
    "delete": lambda text, at: (text[:at] + text[at + 1 :], at),
    "ctrl+u": lambda text, at: ("", 0),
    "left": lambda text, at: (text, at - 1),
    "right": lambda text, at: (text, at + 1),
    "home": lambda text, at: (text, 0),
    "end": lambda text, at: (text, len(text)),
}
