"""The log as the engine and the console write it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import overload

from core.home.log_line import LogLine
from tui.console.panels.panel import Content, Panel, View
from tui.text.format import Glyphs, fit, plain_text, utc_seconds
from tui.text.table import Row, Span, notice_rows, text_row

KEPT_LINES = 5000
LEVELS = ("all", "info", "warning", "error")
_RANK = {"debug": 0, "info": 1, "warning": 2, "warn": 2, "error": 3, "critical": 3}
_ROLE = {0: "dim", 1: "plain", 2: "warn", 3: "bad"}
_NAME_CELLS = ((84, 14), (70, 8), (0, 0))
"""From which width on the last word of a logger's name stands beside a line, and in how many cells."""


class LogPanel(Panel):
    NAME = "logs"
    HELP = (
        "Times are the engine's, in UTC. follow: the newest line stays in view; moving up stops it and a line counts"
        " what has come since. l changes the lowest level shown. / searches, n and N go from match to match."
        f" The newest {KEPT_LINES} lines are kept here; the log file has them all."
    )

    def __init__(self) -> None:
        super().__init__()
        self.following = True
        self.level = 0
        self.wanted = ""
        self._all: list[LogLine] = []
        self._filtered: list[LogLine] = []
        self._seen = 0
        self._match: int | None = None

    def add(self, lines: Iterable[LogLine]) -> None:
        """Take new lines in; the oldest go beyond KEPT_LINES, and the view stays on the lines it shows."""
        new = list(lines)
        if not new:
            return
        self._all += new
        self._filtered += [line for line in new if _rank(line) >= self.level]
        excess = len(self._all) - KEPT_LINES
        if excess > 0:
            gone = sum(_rank(line) >= self.level for line in self._all[:excess])
            del self._all[:excess]
            del self._filtered[:gone]
            self.top = max(0, self.top - gone)
            self._seen = max(0, self._seen - gone)
            self._match = None if self._match is None or self._match < gone else self._match - gone

    def content(self, view: View, width: int, height: int) -> Content:
        count = len(self._filtered)
        if not count:
            level = f" at level {LEVELS[self.level]} or above; l changes it" if self.level else " yet"
            return Content(body=notice_rows(f"No log line{level}", width), note=self._note())
        if self.following:
            self._seen = count
            self.top = max(0, count - height)
        new = count - self._seen
        tail: tuple[Row, ...] = ()
        if new > 0:
            tail = (text_row(f"+{new:,} lines below. f or G = follow"[: width - 1], "accent"),)
        return Content(
            body=_Rows(self._filtered, width, view.glyphs, self.wanted, self._match), tail=tail, note=self._note()
        )

    def _note(self) -> str:
        parts = ["follow" if self.following else "held"]
        if self.level:
            parts.append(f"{LEVELS[self.level]}+")
        if self.wanted:
            matches = self._matches()
            place = matches.index(self._match) + 1 if self._match in matches else 0
            parts.append(f"'{self.wanted}' {place}/{len(matches)}")
        return ", ".join(parts)

    def scroll_rows(self, delta: int) -> None:
        last_top = max(0, len(self._filtered) - self.body_height)
        self.top = max(0, min(last_top, self.top + delta))
        self.following = delta > 0 and self.top >= last_top
        self.show(self.view)

    def follow(self) -> None:
        self.following = not self.following
        self.show(self.view)

    def next_level(self) -> None:
        self.level = (self.level + 1) % len(LEVELS)
        self._filtered = [line for line in self._all if _rank(line) >= self.level]
        self._seen = len(self._filtered)
        self._match = None
        self.following = True
        self.show(self.view)

    def search(self, query: str) -> None:
        """Go to the newest match of `query`, read without regard to case; empty ends the search."""
        self.wanted = query
        self._match = None
        if query:
            self.next_match(-1)
        else:
            self.show(self.view)

    def next_match(self, direction: int) -> None:
        matches = self._matches()
        if matches:
            if self._match is None:
                self._match = matches[-1] if direction < 0 else matches[0]
            else:
                beyond = [i for i in matches if (i - self._match) * direction > 0]
                self._match = (beyond[0] if direction > 0 else beyond[-1]) if beyond else self._match
            self.following = False
            self.top = max(0, self._match - self.body_height // 2)
        self.show(self.view)

    def _matches(self) -> list[int]:
        text = self.wanted.lower()
        return [n for n, line in enumerate(self._filtered) if text in f"{line.logger} {line.message}".lower()]


class _Rows(Sequence[Row]):
    """The rows of the lines, made when they are looked at."""

    def __init__(self, lines: list[LogLine], width: int, glyphs: Glyphs, query: str, match: int | None) -> None:
        self._lines, self._width, self._glyphs = lines, width, glyphs
        self._query, self._match = query.lower(), match

    def __len__(self) -> int:
        return len(self._lines)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        if isinstance(index, slice):
            return [self[n] for n in range(*index.indices(len(self)))]
        line, g = self._lines[index], self._glyphs
        role = _ROLE[_rank(line)]
        level = _level_word(line)
        cells = next(cells for width, cells in _NAME_CELLS if self._width >= width)
        part = plain_text(line.logger.rpartition(".")[2])
        name = f"{fit(part, cells, ellipsis=g.ellipsis)} " if cells else ""
        mark: Span = (g.cursor, "key") if index == self._match else (" ", "plain")
        head: list[Span] = [mark, (f"{utc_seconds(line.time_ms)[:-1]} ", "dim"), (f"{level} ", role), (name, "dim")]
        room = self._width - sum(len(text) for text, _ in head)
        text = fit(plain_text(line.message), room, ellipsis=g.ellipsis)
        return (*head, *_marked(text, self._query, "strong" if role == "bad" else "plain"))


def _marked(text: str, query: str, role: str) -> list[Span]:
    """`text` with every occurrence of `query` set off."""
    if not query:
        return [(text, role)]
    spans: list[Span] = []
    lowered, start = text.lower(), 0
    while (found := lowered.find(query, start)) >= 0:
        spans += [(text[start:found], role), (text[found : found + len(query)], "match")]
        start = found + len(query)
    return [*spans, (text[start:], role)]


def _rank(line: LogLine) -> int:
    return _RANK.get(line.level.lower(), 1)


def _level_word(line: LogLine) -> str:
    return fit({"warning": "warn", "critical": "crit"}.get(line.level.lower(), line.level.lower()), 5)
