"""The lab's comparison: two runs side by side, what differs first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from core.domain.rows import Row as Stored
from core.lab.statistics.figures import GROUPS, cell_text, column_title
from tui.console.panels.lab.base import LabPanel, period, tags
from tui.console.panels.panel import Content, View
from tui.lab.form import typed_value
from tui.text.format import fit, plain_text
from tui.text.table import Row, notice_rows, text_row, wrap_row

_LABELS = {key: label for _, labels in GROUPS for key, label in labels.items()}
_MOST_NAME = 34
_MOST_VALUE = 40
_CHANGE_CELLS = 11


class LabComparePanel(LabPanel):
    NAME = "lab_compare"
    HELP = (
        "Two stored runs. First the figures that differ, with the difference from the first run to the second, then the"
        " settings that differ, then the figures that are the same. Runs of other periods or symbols are no comparison"
        " of strategies: the lines on top say what each one is."
    )

    def lab_content(self, view: View, width: int, height: int) -> Content:
        found = self.desk.compared
        if found is None:
            waiting = self.desk.reads.waiting("compare")
            text = (
                "No comparison read yet: asking the lab" if waiting else "No comparison: mark two runs with m, then c"
            )
            return Content(body=notice_rows(text, width))
        ellipsis = view.glyphs.ellipsis
        name_cells = min(_MOST_NAME, width * 2 // 5)
        value_cells = min(_MOST_VALUE, (width - name_cells - _CHANGE_CELLS - 4) // 2)
        cells = (name_cells, value_cells, value_cells, _CHANGE_CELLS)
        head = _heads(found["runs"], width)
        ids = [str(run["run_id"]) for run in found["runs"]]
        head.append(_line("", ids, "change", cells, ellipsis, "title"))
        differing = [row for row in found["figures"] if not _same(row["values"])]
        same = [row for row in found["figures"] if _same(row["values"])]
        body: list[Row] = [text_row("Figures that differ", "title")] if differing else [text_row("No figure differs")]
        body += [_figure(row, cells, ellipsis) for row in differing]
        if found["settings"]:
            body += [(), text_row("Settings that differ", "title")]
            body += [_setting(row, cells, ellipsis) for row in found["settings"]]
        else:
            body += [(), text_row("No setting differs")]
        if same:
            body += [(), text_row("Figures that are the same", "title")]
            body += [_figure(row, cells, ellipsis) for row in same]
        return Content(head=tuple(head), body=body, note=" ".join(ids))


def _heads(runs: Sequence[Stored], width: int) -> list[Row]:
    """What each run is, its warnings first."""
    rows: list[Row] = []
    for run in runs:
        what = f"{run['strategy']}  {period(run)}  {run['kind']}  {' '.join(run['symbols'])}"
        warnings = tags(run)
        badge: Row = ((f" {warnings} ", "badge_warn"), ("  ", "plain")) if warnings else ()
        rows += wrap_row(((f" {run['run_id']} ", "title"), *badge, (plain_text(what), "plain")), width)
    return rows


def _same(values: Sequence[Any]) -> bool:
    first, *others = values
    return all(value == first for value in others)


def _figure(row: Stored, cells: Sequence[int], ellipsis: str) -> Row:
    key, values = str(row["name"]), row["values"]
    label = _LABELS.get(key)
    name = column_title(key) if label is None else f"{label}, {_unit(key)}" if _unit(key) else label
    numbers = [value for value in values if isinstance(value, int | float) and math.isfinite(value)]
    change = ""
    if len(numbers) == len(values) == 2 and numbers[0] != numbers[1] and not key.endswith("_ms"):
        by = numbers[1] - numbers[0]
        change = ("+" if by > 0 else "") + cell_text(key, by)
    return _line(name, [cell_text(key, value) for value in values], change, cells, ellipsis, "plain")


def _unit(key: str) -> str:
    return {"pct": "%", "usdt": "USDT", "bps": "bps", "days": "d"}.get(key.rpartition("_")[2], "")


def _setting(row: Stored, cells: Sequence[int], ellipsis: str) -> Row:
    texts = ["-" if value is None else typed_value(value) for value in row["values"]]
    return _line(str(row["name"]), texts, "", cells, ellipsis, "plain")


def _line(name: str, texts: Sequence[str], last: str, cells: Sequence[int], ellipsis: str, role: str) -> Row:
    name_cells, *value_cells, last_cells = cells
    spans = [(" ", "plain"), (fit(plain_text(name), name_cells, ellipsis=ellipsis), "dim")]
    for text, size in zip(texts, value_cells, strict=True):
        spans += [(" ", "plain"), (fit(plain_text(text), size, "right", ellipsis), role)]
    return (*spans, (" ", "plain"), (fit(last, last_cells, "right", ellipsis), "accent"))
