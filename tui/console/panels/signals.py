"""What the model said, what the strategy wanted, and what became of it."""

from __future__ import annotations

from core.control.events import BecauseView
from core.control.protocol import SILENT, SignalView
from core.domain.forecast import words as in_words
from tui.console.panels.panel import Content, Panel, View
from tui.text.format import UNKNOWN, Glyphs, arrow, gauge, plain_text, short_figure, utc_minutes, words, wrap
from tui.text.table import Cell, Column, Row, fitted, header_row, notice_rows, table_row, text_row, widths

_COLUMNS = (
    Column("time", 5, "left", 0),
    Column("symbol", 8, "left", 1),
    Column("wants", 6, "left", 2),
    Column("says", 8, rank=4),
    Column("needs", 8, rank=5),
    Column("sure", 4, rank=7),
    Column("result", 7, "left", 3),
    Column("reason", 20, "left", 6, stretch=True, most=60),
    Column("model", 14, "left", 8),
)
_ACTED = {
    "enter": "good",
    "exit": "accent",
    "reduce": "accent",
    "add": "good",
    "stop": "accent",
    "vetoed": "dim",
    SILENT: "warn",
}
REASONS_SHOWN = 5
_NAME_CELLS = 12
_TELLING = ("bps", "pct", "ms", "min")
"""Units that say of what kind a figure is."""

EXIT = "exit"


class SignalsPanel(Panel):
    NAME = "signals"
    HELP = (
        "says: the first figure that the strategy compared, with its unit: bp are basis points of the price; one"
        " without a unit, as a probability or a score, stands behind its name. needs: what it was compared with. Empty"
        " where there is none."
        " sure: probability that the side is right. result: enter, exit, or vetoed with the reason; silent where"
        " nothing is forecast now, with what is missing and since when. Below, all that was"
        " compared, in words, and the features that moved the first output of the selected forecast most, each with its"
        " value and what it added, in the output's unit, or under its name."
    )

    def content(self, view: View, width: int, height: int) -> Content:
        assert view.snapshot is not None
        signals = tuple(sorted(view.snapshot.signals, key=lambda signal: -signal.time_ms))
        g = view.glyphs
        if not signals:
            note = view.snapshot.status.note
            reason = f"No signal yet. {note}" if note else "No signal yet: the first comes with the first forecast"
            return Content(body=notice_rows(reason, width))
        cells = [_cells(signal, g) for signal in signals]
        columns = fitted(_COLUMNS, cells)
        sizes = widths(columns, width - 1)
        rows = [table_row(row, columns, sizes, g.ellipsis) for row in cells]
        keys = [f"{signal.time_ms}/{signal.symbol}/{signal.action}/{n}" for n, signal in _numbered(signals)]
        chosen = self.has_focus and self.cursor_key in keys
        selected = signals[keys.index(self.cursor_key)] if chosen else signals[0]
        tail = _explained(selected, width, g) if height >= REASONS_SHOWN + 8 else ()
        return Content((header_row(columns, sizes, g.ellipsis),), rows, tail, f"{len(signals)} newest first", keys)

    def cursor_symbol(self) -> str:
        return self.cursor_key.split("/")[1] if "/" in self.cursor_key else ""


def _numbered(signals: tuple[SignalView, ...]) -> list[tuple[int, SignalView]]:
    """Each signal with how many of the same minute, symbol and action came before it."""
    seen: dict[tuple[int, str, str], int] = {}
    numbered = []
    for signal in signals:
        name = (signal.time_ms, signal.symbol, signal.action)
        seen[name] = seen.get(name, -1) + 1
        numbered.append((seen[name], signal))
    return numbered


def _wants(signal: SignalView, g: Glyphs) -> Cell:
    """Who leaves wants nothing any more: the way of an exit is that of its order, against what was held."""
    if signal.action == SILENT:
        return UNKNOWN, "plain"
    if signal.action == EXIT or not signal.direction:
        return "FLAT", "plain"
    side = "LONG" if signal.direction > 0 else "SHORT"
    return arrow(signal.direction, g) + side, "up" if signal.direction > 0 else "down"


def _share(value: float, unit: str) -> str:
    """What was added has a sign, whatever it was added to."""
    return f"{value:+.3g}" if unit in ("probability", "class") else short_figure(value, unit)


def _says(first: BecauseView | None) -> str:
    """0.62 alone may be that it rises or that it falls."""
    if first is None:
        return UNKNOWN
    told = short_figure(first.value, first.unit)
    return told if first.unit in _TELLING else f"{first.what[:_NAME_CELLS]} {told}"


def _cells(signal: SignalView, g: Glyphs) -> list[Cell]:
    first = signal.because[0] if signal.because else None
    return [
        (utc_minutes(signal.time_ms), "dim"),
        (signal.symbol, "strong"),
        _wants(signal, g),
        (_says(first), "plain"),
        (short_figure(first.needed, first.unit) if first else UNKNOWN, "dim"),
        (UNKNOWN if signal.confidence is None else f"{signal.confidence * 100:.0f}%", "plain"),
        (signal.action, _ACTED.get(signal.action, "plain")),
        (words(plain_text(signal.reason)), "plain"),
        (signal.model_version or UNKNOWN, "dim"),
    ]


def _explained(signal: SignalView, width: int, g: Glyphs) -> tuple[Row, ...]:
    rows: list[Row] = [((f" {g.rule * (width - 2)}", "rule"),)]
    if signal.action == SILENT:
        why = f"Why {signal.symbol} {utc_minutes(signal.time_ms)}: nothing is forecast: {plain_text(signal.reason)}"
        rows += [text_row(line, "strong") for line in wrap(why, width - 2)[: REASONS_SHOWN + 1]]
        return (*rows, *((),) * (REASONS_SHOWN + 2 - len(rows)))
    why = f"Why {signal.symbol} {utc_minutes(signal.time_ms)}: {plain_text(in_words(signal.because)) or UNKNOWN}"
    # What was compared is never cut: the weakest contributions make room for it.
    rows += [text_row(line, "strong") for line in wrap(why, width - 2)[: REASONS_SHOWN + 1]]
    room = REASONS_SHOWN + 2 - len(rows)
    if room and not signal.reasons:
        rows.append(text_row("The model gave no contributions for this one", "dim"))
    strongest = max((abs(share) for _, _, share in signal.reasons), default=0.0)
    unit = signal.reasons_unit
    whose = f"{signal.reasons_of[:_NAME_CELLS]}  " if signal.reasons_of and unit not in _TELLING else ""
    for name, value, share in signal.reasons[:room]:
        rows.append(
            (
                (" ", "plain"),
                (f"{name[:22]:<22}", "plain"),
                (f"{value:>12.3g}  ", "dim"),
                (f"{_share(share, unit):>10}  ", "up" if share > 0 else "down" if share < 0 else "plain"),
                *([(whose, "dim")] if whose else []),
                (gauge(abs(share), strongest, max(0, min(20, width - 52 - len(whose))), g), "accent"),
            )
        )
    rows += [()] * (REASONS_SHOWN + 2 - len(rows))
    return tuple(rows)
