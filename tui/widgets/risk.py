"""Panel 5: every limit as a meter, what it does when reached, and what ends that."""

from __future__ import annotations

from core.control import MeterView
from tui.format import Glyphs, gauge, money, plain_text, words, wrap
from tui.widgets.panel import Content, Panel, View
from tui.widgets.table import Cell, Column, Row, header_row, notice_rows, table_row, text_row, widths

_COLUMNS = (
    Column("limit", 14, "left", 0, stretch=True, most=20),
    Column("", 5, "left", 3, stretch=True, most=20),
    Column("used/limit", 11, rank=2),
    Column("unit", 5, "left", 5),
    Column("level", 7, "left", 1),
    Column("", 4, rank=4),
    Column("when reached", 14, "left", 6),
    Column("clears", 20, "left", 7, stretch=True, most=60),
)
_ORDER = {"blocked": 0, "warn": 1, "ok": 2}
_ROLE = {"blocked": "bad", "warn": "warn", "ok": "good"}


class RiskPanel(Panel):
    NAME = "risk"
    TITLE = "5 Risk"
    HELP = (
        "Each limit: how much is used of how much is allowed. level: ok, WARN near the limit, BLOCKED when reached."
        " when reached: what the engine does by itself. clears: what ends the block."
        " Where not all fit, the most pressing stand first."
    )

    def content(self, view: View, width: int, height: int) -> Content:
        assert view.snapshot is not None
        meters, g = view.snapshot.meters, view.glyphs
        if not meters:
            return Content(body=notice_rows("No limit reported yet. 8 = log", width))
        shown = sorted(meters, key=_pressing) if len(meters) > height - 1 else list(meters)
        sizes = widths(_COLUMNS, width - 1)
        rows = [table_row(_cells(meter, sizes[1], g), _COLUMNS, sizes, g.ellipsis) for meter in shown]
        keys = [meter.name for meter in shown]
        selected = shown[keys.index(self.cursor_key)] if self.cursor_key in keys else shown[0]
        tail = _explained(selected, width, g)
        room = height - 1 - len(rows) >= len(tail)
        pressing = [meter for meter in meters if meter.level != "ok"]
        note = ", ".join(f"{words(meter.name)} {meter.level.upper()}" for meter in pressing) or "all ok"
        return Content((header_row(_COLUMNS, sizes, g.ellipsis),), rows, tail if room else (), note, keys)

    def help_rows(self, width: int) -> list[Row]:
        """The formula of every meter on screen."""
        meters = self.view.snapshot.meters if self.view.snapshot else ()
        rows: list[Row] = []
        for meter in meters:
            lines = wrap(f"{words(meter.name)}: {plain_text(meter.formula)}", width - 2)
            rows += [text_row(line) for line in lines]
        return rows


def _pressing(meter: MeterView) -> tuple[int, int, str]:
    """Worst first, in steps of a tenth so that meters do not change places with every tick."""
    share = meter.used / meter.limit if meter.limit > 0 else 1.0
    return _ORDER[meter.level], -int(share * 10), meter.name


def _cells(meter: MeterView, bar_width: int, g: Glyphs) -> list[Cell]:
    share = f"{meter.used / meter.limit * 100:.0f}%" if meter.limit > 0 else "full"
    role = _ROLE[meter.level]
    return [
        (words(meter.name), "plain"),
        (gauge(meter.used, meter.limit, bar_width, g), role),
        (f"{_amount(meter.used)}/{_amount(meter.limit)}", "plain"),
        (meter.unit, "dim"),
        (meter.level if meter.level == "ok" else meter.level.upper(), role),
        (share, "dim"),
        (words(meter.effect), "dim" if meter.level == "ok" else "plain"),
        (plain_text(meter.clears), "dim" if meter.level == "ok" else "plain"),
    ]


def _amount(value: float) -> str:
    """Three significant digits or all whole ones: a meter is read, not booked."""
    return money(value, 0) if value == int(value) or abs(value) >= 100 else money(value, 1 if abs(value) >= 10 else 2)


def _explained(meter: MeterView, width: int, g: Glyphs) -> tuple[Row, ...]:
    rows: list[Row] = [((f" {g.rule * (width - 2)}", "rule"),)]
    for label, text in (("reached", words(meter.effect)), ("clears", meter.clears), ("used is", meter.formula)):
        lines = wrap(plain_text(text), width - 11) or [""]
        rows += [((f" {label if n == 0 else '':<9}", "dim"), (line, "plain")) for n, line in enumerate(lines[:2])]
    return tuple(rows)
