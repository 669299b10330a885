"""Rows in, and only the rows that changed are painted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from tui.console.theme import DARK, PLAIN, THEMES, roles
from tui.text.format import UNICODE
from tui.text.table import Row

BLANK: Row = ()


@dataclass(frozen=True, slots=True)
class Line:
    """A painted line. `frame` is the role of the frame at its two ends, empty for none."""

    row: Row
    under_cursor: bool = False
    dimmed: bool = False
    frame: str = ""


class Lines(Widget):
    """Lines of styled text; a line that is the same as before is not painted again."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._lines: list[Line] = []
        self.glyphs = UNICODE

    @property
    def role_styles(self) -> dict[str, Style]:
        if self.app.no_color:
            return roles(PLAIN)
        return roles(self.app.theme if self.app.theme in THEMES else DARK)

    def paint(self, lines: list[Line]) -> None:
        old, self._lines = self._lines, lines
        width = self.size.width
        changed = [
            Region(0, y, width, 1)
            for y in range(max(len(old), len(lines)))
            if (old[y] if y < len(old) else None) != (lines[y] if y < len(lines) else None)
        ]
        if changed:
            self.refresh(*changed)

    def set_rows(self, rows: Sequence[Row]) -> None:
        self.paint([Line(row) for row in rows])

    def render_line(self, y: int) -> Strip:
        base = self.rich_style
        width = self.size.width
        line = self._lines[y] if y < len(self._lines) else Line(BLANK)
        styles = self.role_styles
        ground = base + styles["cursor"] if line.under_cursor else base
        # Reversed, a colour would become a block of background: then the row goes without.
        spans = [(text, "dim" if line.dimmed else role) for text, role in self._marked(line)]
        plain = line.under_cursor and bool(styles["cursor"].reverse)
        segments = [Segment(text, ground if plain else ground + styles[role]) for text, role in spans]
        if not line.frame:
            return Strip(segments).adjust_cell_length(width, ground)
        side = Segment(self.glyphs.axis, base + styles[line.frame])
        return Strip([side, *Strip(segments).adjust_cell_length(width - 2, ground), side])

    def _marked(self, line: Line) -> Row:
        return ((self.glyphs.cursor, "key"), *line.row[1:]) if line.under_cursor else line.row
