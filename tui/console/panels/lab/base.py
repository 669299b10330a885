"""What the lab's panels share."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace

from core.domain.rows import Row as Stored
from tui.console.panels.panel import Content, Panel, View
from tui.lab.desk import LabDesk
from tui.lab.job import job_row
from tui.text.format import fit, plain_text, utc_full, wrap
from tui.text.table import Column, Row, Span, header_row, notice_rows, table_row, text_row, widths

NO_LAB = "No lab here: this console was started without one. esc goes back"


class LabPanel(Panel):
    """Draws from the lab's desk. None of its numbers are the engine's, so none of them grows stale with it."""

    def __init__(self, desk: LabDesk) -> None:
        super().__init__()
        self.desk = desk

    @abstractmethod
    def lab_content(self, view: View, width: int, height: int) -> Content:
        """As `content`, of a console that has a lab."""

    def show(self, view: View) -> None:
        super().show(replace(view, stale=""))

    def content(self, view: View, width: int, height: int) -> Content:
        if self.desk.access is None:
            return Content(body=notice_rows(NO_LAB, width))
        content = self.lab_content(view, width, height)
        if not self.desk.error:
            return content
        line = fit(f" {plain_text(self.desk.error)}", width, ellipsis=view.glyphs.ellipsis)
        return replace(content, tail=(*content.tail, ((line, "bad"),)))

    def job_rows(self, view: View, width: int) -> tuple[Row, ...]:
        if self.desk.job is None:
            return ()
        return (clipped(job_row(self.desk.job, self.desk.now_ms, width, view.glyphs), width, view.glyphs.ellipsis),)


def clipped(row: Row, width: int, ellipsis: str) -> Row:
    """The row in no more than `width` cells."""
    spans: list[Span] = []
    left = width
    for text, role in row:
        if len(text) > left:
            return (*spans, (fit(text, left, ellipsis=ellipsis), role))
        spans.append((text, role))
        left -= len(text)
    return tuple(spans)


def tags(run: Stored) -> str:
    """The warnings that stand beside every figure of a run, a word each: SYNTHETIC IN-SAMPLE PARTIAL."""
    return " ".join(plain_text(label).partition(":")[0].removesuffix(" DATA").strip() for label in run["labels"])


def label_rows(run: Stored, width: int) -> list[Row]:
    """The same warnings in full, a line or more each."""
    rows: list[Row] = []
    for label in run["labels"]:
        rows += [((" ", "plain"), (f" {line} ", "badge_warn")) for line in wrap(plain_text(label), width - 4)]
    return rows


def period(run: Stored) -> str:
    return f"{utc_full(run['from_ms'])[:10]} {utc_full(run['to_ms'])[:10]}"


def title_row(run: Stored, width: int, ellipsis: str) -> Row:
    what = f"{run['kind']} {run['strategy']}  {' '.join(run['symbols'])}  {period(run)}"
    note = f"  {run['note']}" if run.get("note") else ""
    return clipped(
        ((f" {run['run_id']} ", "title"), (plain_text(what), "strong"), (plain_text(note), "dim")), width, ellipsis
    )


def sign_role(value: float | None) -> str:
    return "plain" if not value else "up" if value > 0 else "down"


def text_table(heads: list[str], rows: list[list[str]], left: int, width: int, ellipsis: str) -> list[Row]:
    """A table of texts, each column as wide as its longest; the first `left` columns stand left. What does not fit is
    left out from the right, and named."""
    columns = [
        Column(head, max(len(head), *(len(row[n]) for row in rows), 1), "left" if n < left else "right", n)
        for n, head in enumerate(heads)
    ]
    sizes = widths(columns, width - 2)
    found = [header_row(columns, sizes, ellipsis)]
    found += [table_row([(text, "plain") for text in row], columns, sizes, ellipsis) for row in rows]
    gone = [head for head, size in zip(heads, sizes, strict=True) if not size]
    if gone:
        found += [text_row(line, "dim") for line in wrap(f"no room for: {', '.join(gone)}", width - 2)]
    return found
