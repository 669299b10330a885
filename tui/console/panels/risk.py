"""Every limit as a meter, what it does when reached, and what ends that."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from core.control.protocol import MeterView, StatusView
from core.control.readiness import BEGINNING, Block, Standing
from core.domain.operator import FULL_IN_USE
from tui.console.panels.panel import Content, Panel, View
from tui.console.registry import REGISTRY
from tui.text.format import UNKNOWN, Glyphs, age, gauge, money, plain_text, words, wrap
from tui.text.table import GAP, Cell, Column, Row, fitted, header_row, notice_rows, table_row, text_row, widths

_COLUMNS = (
    Column("limit", 14, "left", 0, stretch=True, most=20, whole=True),
    Column("", 5, "left", 3, stretch=True, most=20),
    Column("used/limit", 11, rank=2),
    Column("unit", 5, "left", 5, whole=True),
    Column("level", 7, "left", 1),
    Column("", 4, rank=4),
    Column("when reached", 14, "left", 6),
    Column("clears", 20, "left", 7, stretch=True, most=60),
)
_RANK = {"BLOCKED": 0, "HALTED": 0, "PAUSED": 0, "WARN": 1, "FULL": 2, "ok": 3, UNKNOWN: 3}
_ROLE = {
    "BLOCKED": "bad",
    "HALTED": "bad",
    "PAUSED": "warn",
    "WARN": "warn",
    "FULL": "accent",
    "ok": "good",
    UNKNOWN: "dim",
}
_STANDSTILL = {"PAUSED": "operator's pause", "HALTED": "operator's halt"}
_USED, _UNIT, _LEVEL = 2, 3, 4
_SHORT_UNITS = frozenset({"%", "s", "USDT"})
"""Those that stand beside the number where there is no room for a column: what others count is in the name."""
_SHORT = {
    "operator's pause": "pause",
    "operator's halt": "halt",
    "feed_age": "feed",
    "losses_in_row": "losses",
    "open_positions": "positions",
    "order_notional": "order size",
    "second_engine": "2nd engine",
    "stop_distance": "stop at",
    "stop_refused": "refused",
    "unprotected": "no stop",
}
"""Where a name has too little room beside its number and its level; help has them in full."""


@dataclass(frozen=True, slots=True)
class _Line:
    """A limit, or something else that forbids entries: then nothing is measured and `limit` is None."""

    name: str
    level: str
    effect: str
    clears: str
    used: float = 0.0
    limit: float | None = None
    unit: str = ""
    formula: str = ""

    @property
    def share(self) -> float:
        """At most a thousand times the limit: without equity what is used of it may have no bound."""
        if self.limit is None:
            return 1.0
        if math.isnan(self.used):
            return 0.0
        return min(self.used / self.limit, 1_000.0) if self.limit > 0 else 1.0


class RiskPanel(Panel):
    NAME = "risk"
    HELP = (
        "Each limit: how much is used of how much is allowed. level: ok, WARN near the limit, BLOCKED when reached,"
        " FULL where that is normal use. when reached: what the engine does by itself. clears: what ends the block."
        " First stands what forbids entries without being measured: a pause, a halt, the connection, an alarm."
        " Where not all fit, the most pressing stand first. feed: the age of the newest news that they are measured on."
    )

    def content(self, view: View, width: int, height: int) -> Content:
        assert view.snapshot is not None
        meters, status, g = view.snapshot.meters, view.snapshot.status, view.glyphs
        stands = view.standing(view.snapshot)
        known = status.state not in BEGINNING
        lines = [*_unmeasured(stands, status, meters), *(_measured(meter, known) for meter in meters)]
        note = _note(lines, stands, status)
        if not lines:
            return Content(body=notice_rows(f"No limit reported yet. {REGISTRY.key('logs')} = log", width), note=note)
        lines = sorted(lines, key=_pressing) if len(lines) > height - 1 else lines
        cells = [_cells(line) for line in lines]
        names = _names(lines, width - 1 - _cells_beside(cells), [price.symbol for price in view.snapshot.prices])
        cells = [[(name, "plain"), *others] for name, (_, *others) in zip(names, cells, strict=True)]
        columns, sizes = _layout(cells, width)
        if not sizes[_UNIT]:
            beside = [_unit_beside(row) for row in cells]
            wider, sizes_beside = _layout(beside, width)
            if sizes_beside[_USED]:
                cells, columns, sizes = beside, wider, sizes_beside
        rows = [
            table_row([name, _bar(line, sizes[1], g), *others], columns, sizes, g.ellipsis)
            for line, (name, _, *others) in zip(lines, cells, strict=True)
        ]
        keys = [line.name for line in lines]
        chosen = self.has_focus and self.cursor_key in keys
        selected = lines[keys.index(self.cursor_key)] if chosen else min(lines, key=_pressing)
        tail = _explained(selected, width, g)
        room = height - 1 - len(rows) >= len(tail)
        return Content((header_row(columns, sizes, g.ellipsis),), rows, tail if room else (), note, keys)

    def help_rows(self, width: int) -> list[Row]:
        """The formula of every meter on screen."""
        meters = self.view.snapshot.meters if self.view.snapshot else ()
        rows: list[Row] = []
        for meter in meters:
            lines = wrap(f"{words(meter.name)}: {plain_text(meter.formula)}", width - 2)
            rows += [text_row(line) for line in lines]
        return rows


def _unmeasured(stands: Standing, status: StatusView, meters: Sequence[MeterView]) -> list[_Line]:
    """What forbids entries and has no meter of its own."""
    asked = [halt.upper() for halt in ("halted", "paused") if halt in status.halts or halt == status.state]
    lines = [_Line(_STANDSTILL[word], word, "no new entries", "when the operator resumes (R)") for word in asked[:1]]
    metered = {meter.name.partition(" ")[0] for meter in meters if meter.level == "blocked"}
    return lines + [_blocked(block) for block in stands.blocks if block.name not in metered]


def _blocked(block: Block) -> _Line:
    name = f"{block.name} {block.whom}".rstrip()
    clears = block.clears + (f"; now: {block.detail}" if block.detail else "")
    return _Line(name, "BLOCKED", "no new entries", clears or UNKNOWN)


def _measured(meter: MeterView, known: bool) -> _Line:
    """Before the account is known nothing is used of a limit, and none is well; nor is one that cannot be measured."""
    if not known or meter.level == "unknown":
        nothing = float("nan")
        return _Line(meter.name, UNKNOWN, meter.effect, meter.clears, nothing, meter.limit, meter.unit, meter.formula)
    level = "FULL" if meter.level == "blocked" and meter.name in FULL_IN_USE else meter.level.upper()
    level = "ok" if level == "OK" else level
    return _Line(meter.name, level, meter.effect, meter.clears, meter.used, meter.limit, meter.unit, meter.formula)


def _note(lines: Sequence[_Line], stands: Standing, status: StatusView) -> str:
    """What stands, in the title: never that all is well while anything forbids or may soon forbid an entry."""
    pressing = [
        f"{words(line.name)} {line.level}" for line in sorted(lines, key=_pressing) if _RANK[line.level] < _RANK["ok"]
    ]
    if not pressing:
        pressing = ["all ok" if stands.word == "RUNNING" and status.state not in BEGINNING else stands.word]
    return ", ".join([*map(plain_text, pressing), f"feed {age(status.feed_age_ms)}"])


def _pressing(line: _Line) -> tuple[int, int, str]:
    """Worst first, in steps of a tenth so that meters do not change places with every tick."""
    return _RANK[line.level], -int(line.share * 10), line.name


def _cells_beside(cells: Sequence[Sequence[Cell]]) -> int:
    """What number and level take of a line."""
    columns = fitted(_COLUMNS, cells)
    return columns[_USED].width + columns[_LEVEL].width + 2 * len(GAP)


def _names(lines: Sequence[_Line], room: int, symbols: Sequence[str]) -> list[str]:
    """Each name in its longest form that fits `room` whole: in full, in short words, then also without the end that all
    symbols share, as USDT; at last that, whatever the room."""
    shared = "USDT" if symbols and all(symbol.endswith("USDT") for symbol in symbols) else ""
    named = []
    for line in lines:
        name, _, symbol = (line.name, "", "") if line.name in _SHORT else line.name.partition(" ")
        short = _SHORT.get(name, words(name))
        forms = (f"{words(name)} {symbol}", f"{short} {symbol}", f"{short} {symbol.removesuffix(shared)}")
        named.append(next((form.rstrip() for form in forms if len(form.rstrip()) <= room), forms[-1].rstrip()))
    return named


def _layout(cells: Sequence[Sequence[Cell]], width: int) -> tuple[Sequence[Column], list[int]]:
    columns = fitted(_COLUMNS, cells)
    return columns, widths(columns, width - 1)


def _unit_beside(row: Sequence[Cell]) -> list[Cell]:
    cells, unit = list(row), row[_UNIT][0]
    unit = unit.partition(" ")[0] if unit.startswith("%") else unit
    if unit in _SHORT_UNITS:
        number, role = cells[_USED]
        cells[_USED] = (f"{number} {unit}", role)
    return cells


def _bar(line: _Line, cells: int, g: Glyphs) -> Cell:
    if line.limit is None or line.level == UNKNOWN:
        return "", _ROLE[line.level]
    return gauge(line.used, line.limit, cells, g), _ROLE[line.level]


def _cells(line: _Line) -> list[Cell]:
    role = _ROLE[line.level]
    measured = line.limit is not None
    share = "" if not measured or line.level == UNKNOWN else f"{line.share * 100:.0f}%" if line.limit else "full"
    return [
        (words(line.name), "plain"),
        ("", role),
        (f"{_amount(line.used)}/{_amount(line.limit)}" if line.limit is not None else UNKNOWN, "plain"),
        (line.unit, "dim"),
        (line.level, role),
        (share, "dim"),
        (words(line.effect), "dim" if line.level == "ok" else "plain"),
        (plain_text(line.clears), "dim" if line.level == "ok" else "plain"),
    ]


def _amount(value: float) -> str:
    """Three significant digits or all whole ones: a meter is read, not booked."""
    if not math.isfinite(value):
        return UNKNOWN
    return money(value, 0) if value == int(value) or abs(value) >= 100 else money(value, 1 if abs(value) >= 10 else 2)


def _explained(line: _Line, width: int, g: Glyphs) -> tuple[Row, ...]:
    rows: list[Row] = [((f" {g.rule * (width - 2)}", "rule"),)]
    for label, text in (("reached", words(line.effect)), ("clears", line.clears), ("used is", line.formula)):
        lines = wrap(plain_text(text), width - 11)
        rows += [((f" {label if n == 0 else '':<9}", "dim"), (part, "plain")) for n, part in enumerate(lines[:2])]
    return tuple(rows)
