"""The base of every panel: what it draws from, and its rows with cursor, scroll, title and frame."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.events import MouseScrollDown, MouseScrollUp

from core.control.protocol import ChartView, Snapshot
from core.control.readiness import Standing, standing
from tui.console.registry import REGISTRY
from tui.console.widgets.lines import BLANK, Line, Lines
from tui.text.format import UNICODE, Glyphs, fit, money
from tui.text.table import Row, notice_rows

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class View:
    """What a panel draws from. `waiting` stands in for data while there is none.

    `stale` is the age text of the newest snapshot when the engine has gone silent, else empty. `chart` gives that of a
    symbol, None where it has not come yet.
    """

    snapshot: Snapshot | None = None
    glyphs: Glyphs = UNICODE
    symbol: str = ""
    waiting: str = ""
    stale: str = ""
    chart: Callable[[str], ChartView | None] = lambda _: None

    def standing(self, snapshot: Snapshot) -> Standing:
        """Whether new positions may be opened, as far as is known here."""
        symbols = [price.symbol for price in snapshot.prices]
        return standing(snapshot.status, snapshot.meters, symbols, silent=bool(self.stale))

    def price_text(self, symbol: str, price: float) -> str:
        """With as many decimals as the market quotes the symbol with."""
        prices = self.snapshot.prices if self.snapshot else ()
        return money(price, next((p.decimals for p in prices if p.symbol == symbol), 2))


@dataclass(frozen=True, slots=True)
class Content:
    """`head` and `tail` stay in place, `body` scrolls. `keys` name the body rows that the cursor may stand on;
    `left_out` counts rows for which there was no room at all."""

    head: tuple[Row, ...] = ()
    body: Sequence[Row] = ()
    tail: tuple[Row, ...] = ()
    note: str = ""
    keys: Sequence[str] = ()
    left_out: int = 0


class Panel(Lines, can_focus=True):
    """A panel of the console, NAME in the registry. Subclasses turn a View into Content; this class keeps cursor,
    scroll, title and frame. HELP says what the numbers mean."""

    NAME: ClassVar[str] = ""
    HELP: ClassVar[str] = ""

    def __init__(self) -> None:
        super().__init__(id=self.NAME)
        self.view = View()
        self.shown = Content()
        self.framed = False
        self.cursor_key = ""
        self.top = 0
        self._index = 0
        self._flaw = ""

    @abstractmethod
    def content(self, view: View, width: int, height: int) -> Content:
        """The rows for an area of `width` x `height` cells inside title and frame."""

    @property
    def title(self) -> str:
        return REGISTRY.title(self.NAME)

    @property
    def inner_width(self) -> int:
        return self.size.width - (2 if self.framed else 0)

    @property
    def inner_height(self) -> int:
        return self.size.height - (2 if self.framed else 1)

    @property
    def body_height(self) -> int:
        return max(0, self.inner_height - len(self.shown.head) - len(self.shown.tail))

    def show(self, view: View) -> None:
        """Format again from `view` and paint what changed. Does nothing while the panel is not on screen."""
        self.view = view
        self.glyphs = view.glyphs
        if not self.display or self.inner_width <= 0 or self.inner_height <= 0:
            return
        if view.snapshot is None and REGISTRY[self.NAME].wants:
            self.shown = Content(body=notice_rows(view.waiting, self.inner_width))
        else:
            self.shown = self._content_or_flaw(view)
        self._place()

    def _content_or_flaw(self, view: View) -> Content:
        """A panel that cannot be drawn says so in its place; the others go on."""
        try:
            content = self.content(view, self.inner_width, self.inner_height)
            self._flaw = ""
        except Exception as error:
            flaw = f"No picture of this panel: {type(error).__name__}: {error}. {REGISTRY.key('logs')} = log"
            if flaw != self._flaw:
                logger.exception("panel %s could not be drawn", self.NAME)
                self._flaw = flaw
            return Content(body=notice_rows(flaw, self.inner_width))
        return content

    def _place(self) -> None:
        """Put title, head, the visible part of the body, tail and frame on their lines."""
        content, room = self.shown, self.body_height
        count = len(content.body)
        cursor = self._cursor_line(content)
        if cursor is not None and not self.has_focus:
            self.top = 0  # Nobody sees the cursor: the first rows matter, and the title counts the others.
        elif cursor is not None:
            self.top = min(max(self.top, cursor - room + 1), cursor)
        self.top = max(0, min(self.top, count - room))
        rule = "focus" if self.has_focus else "rule"
        dimmed = bool(self.view.stale)
        side = rule if self.framed else ""
        lines = [Line(row, dimmed=dimmed, frame=side) for row in content.head]
        lines += [
            Line(content.body[index], index == cursor and self.has_focus, dimmed, side)
            for index in range(self.top, min(count, self.top + room))
        ]
        lines += [Line(BLANK, frame=side)] * (self.inner_height - len(content.tail) - len(lines))
        lines += [Line(row, dimmed=dimmed, frame=side) for row in content.tail]
        lines = [Line(self._title_row(rule)), *lines[: self.inner_height]]
        if self.framed:
            g = self.glyphs
            lines.append(Line(((g.bottom_left + g.rule * self.inner_width + g.bottom_right, rule),)))
        self.paint(lines)

    def _title_row(self, rule: str) -> Row:
        g, width = self.glyphs, self.size.width
        note = ", ".join(part for part in (self._unseen(), self.shown.note) if part)
        if self.view.stale:
            note = f"STALE {self.view.stale}" + (f" {g.flat} {note}" if note else "")
        title = f"{g.cursor if self.has_focus else ' '}{self.title} "
        note = _parts_that_fit(note, width - len(title) - 6, g)
        note = f" {note} " if note else ""
        fill = width - 2 - len(title) - len(note) - 2
        left, right = (g.top_left, g.top_right) if self.framed else (g.rule, g.rule)
        return (
            (left + g.rule, rule),
            (title, "title"),
            (g.rule * fill, rule),
            (note, "warn" if self.view.stale else "dim"),
            (g.rule + right, rule),
        )

    def _unseen(self) -> str:
        """How many rows of a table are not on screen, and which are where the first is not."""
        keys, room = self.shown.keys, self.body_height
        total = sum(1 for key in keys if key)
        before = sum(1 for key in keys[: self.top] if key)
        seen = sum(1 for key in keys[self.top : self.top + room] if key)
        if before:
            return f"{before + 1}-{before + seen} of {total + self.shown.left_out}"
        hidden = total - seen + self.shown.left_out
        return f"+{hidden} more" if hidden else ""

    def _cursor_line(self, content: Content) -> int | None:
        """The line of the cursor: it follows its key, and stays near its place when the key has gone."""
        selectable = [index for index, key in enumerate(content.keys) if key]
        if not selectable:
            return None
        for index in selectable:
            if content.keys[index] == self.cursor_key:
                self._index = index
                return index
        self._index = min(selectable, key=lambda index: abs(index - self._index))
        self.cursor_key = content.keys[self._index]
        return self._index

    def move(self, delta: int) -> None:
        selectable = [index for index, key in enumerate(self.shown.keys) if key]
        if not selectable:
            self.scroll_rows(delta)
            return
        here = selectable.index(self._index) if self._index in selectable else 0
        self._index = selectable[max(0, min(len(selectable) - 1, here + delta))]
        self.cursor_key = self.shown.keys[self._index]
        self.show(self.view)

    def scroll_rows(self, delta: int) -> None:
        self.top = max(0, self.top + delta)
        self._place()

    def page(self, direction: int) -> None:
        self.move(direction * max(1, self.body_height - 1))

    def edge(self, direction: int) -> None:
        self.move(direction * len(self.shown.body))

    def cursor_symbol(self) -> str:
        """The symbol under the cursor, empty where the panel's rows are not symbols."""
        return ""

    def cursor_trade(self) -> str:
        """The id of the open trade under the cursor, or of another row its symbol; empty where the rows are neither."""
        return ""

    def watch_has_focus(self, _has_focus: bool) -> None:
        super().watch_has_focus(_has_focus)
        self.show(self.view)

    def on_resize(self) -> None:
        self.show(self.view)

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        event.stop()
        self.move(3)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        event.stop()
        self.move(-3)


def _parts_that_fit(note: str, room: int, g: Glyphs) -> str:
    """As many of its parts as fit whole: half a number is another number."""
    if len(note) <= room:
        return note
    parts = note.split(", ")
    while len(parts) > 1 and len(", ".join(parts)) + 3 > room:
        parts.pop()
    shorter = ", ".join(parts)
    return f"{shorter}, {g.ellipsis}" if len(shorter) + 3 <= room else fit(shorter, room, ellipsis=g.ellipsis).rstrip()
