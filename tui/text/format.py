"""Numbers, times and glyphs as text of a known width. Pure functions; no Textual."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from rich.cells import cell_len, set_cell_size

from core.domain.plain import plain

Align = Literal["left", "right"]

UNKNOWN = "-"
_OF_NO_UNIT = ("class", "price", "")
_LINE_ENDS = str.maketrans("\n\r\t", "   ")


@dataclass(frozen=True, slots=True)
class Glyphs:
    """Every character outside ASCII that the console draws, so that a plain terminal can have another set."""

    up: str = "▲"
    down: str = "▼"
    flat: str = "·"
    cursor: str = "▸"
    ellipsis: str = "…"
    separator: str = "│"
    rule: str = "─"
    full: str = "█"
    empty: str = "░"
    spark: str = "▁▂▃▄▅▆▇█"
    dash: str = "┄"
    exit: str = "◆"
    axis: str = "│"
    axis_tick: str = "┤"
    last: str = "◂"
    wick: str = "│"
    wick_top: str = "╵"
    wick_bottom: str = "╷"
    rise: str = "█"
    rise_top: str = "▀"
    rise_bottom: str = "▄"
    fall: str = "▓"
    fall_top: str = "▀"
    fall_bottom: str = "▄"
    line_top: str = "╹"
    line_bottom: str = "╻"
    line_top_wick: str = "╿"
    line_bottom_wick: str = "╽"
    top_left: str = "╭"
    top_right: str = "╮"
    bottom_left: str = "╰"
    bottom_right: str = "╯"


UNICODE = Glyphs()
ASCII = Glyphs(
    up="^",
    down="v",
    flat=".",
    cursor=">",
    ellipsis="~",
    separator="|",
    rule="-",
    full="#",
    empty=".",
    spark="_.-=+*%#",
    dash="-",
    exit="x",
    axis="|",
    axis_tick="+",
    last="<",
    wick="|",
    wick_top="'",
    wick_bottom=",",
    rise="#",
    rise_top="#",
    rise_bottom="#",
    fall="o",
    fall_top="o",
    fall_bottom="o",
    line_top="o",
    line_bottom="o",
    line_top_wick="o",
    line_bottom_wick="o",
    top_left="+",
    top_right="+",
    bottom_left="+",
    bottom_right="+",
)


def fit(text: str, width: int, align: Align = "left", ellipsis: str = "…") -> str:
    """`text` in exactly `width` cells: padded, or cut with an ellipsis where text was lost."""
    if width <= 0:
        return ""
    text = plain(text)
    length = len(text) if text.isascii() else cell_len(text)
    if length > width:
        return set_cell_size(text, width - 1) + ellipsis
    pad = " " * (width - length)
    return pad + text if align == "right" else text + pad


def plain_text(text: str) -> str:
    """Prose in one line, line ends as spaces, in which nothing moves the cursor."""
    return plain(text if text.isprintable() else text.translate(_LINE_ENDS))


def money(value: float, digits: int = 2) -> str:
    return f"{_no_negative_zero(value, digits):,.{digits}f}"


def signed(value: float, digits: int = 2) -> str:
    """With its sign always written, except for zero."""
    rounded = _no_negative_zero(value, digits)
    return f"{rounded:+,.{digits}f}" if rounded else f"{rounded:.{digits}f}"


def short_figure(value: float | None, unit: str) -> str:
    """A figure of a forecast as a cell has room for it; see `core.domain.forecast.figure`."""
    if value is None:
        return UNKNOWN
    match unit:
        case "bps":
            return f"{signed(value, 1)}bp"
        case "pct":
            return f"{signed(value, 2)}%"
        case "probability":
            return f"{value:.2f}"
        case "score":
            return signed(value, 2)
        case _:
            return f"{quantity(value)}{'' if unit in _OF_NO_UNIT else unit}"


def quantity(value: float) -> str:
    """Up to six significant digits, without trailing zeros and never in exponent form."""
    if value == 0:
        return "0"
    digits = max(0, 6 - len(f"{abs(value):.0f}")) if abs(value) >= 1 else 6
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def age(ms: float | None) -> str:
    """At most four characters: 0.4s, 12s, 12m, 12h, 12d; '-' when not measured."""
    if ms is None:
        return UNKNOWN
    seconds = max(0.0, ms / 1000)
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    if seconds < 99.5:
        return f"{seconds:.0f}s"
    if seconds < 99.5 * 60:
        return f"{seconds / 60:.0f}m"
    if seconds < 99.5 * 3600:
        return f"{seconds / 3600:.0f}h"
    return f"{seconds / 86400:.0f}d"


def lag(ms: float | None) -> str:
    """A loop's lag: 3ms, 1.2s; '-' when not measured."""
    if ms is None:
        return UNKNOWN
    return f"{ms:.0f}ms" if ms < 999.5 else f"{ms / 1000:.1f}s"


def utc_seconds(time_ms: int) -> str:
    return _utc(time_ms).strftime("%H:%M:%SZ")


def utc_minutes(time_ms: int) -> str:
    return _utc(time_ms).strftime("%H:%M")


def utc_day(time_ms: int) -> str:
    return _utc(time_ms).strftime("%m-%d")


def utc_full(time_ms: int) -> str:
    return _utc(time_ms).strftime("%Y-%m-%d %H:%M:%SZ")


def sparkline(values: Sequence[float], width: int, glyphs: Glyphs) -> str:
    """The last `width` values as one line of bars from their lowest to their highest, right-aligned."""
    shown = values[-width:] if width > 0 else ()
    if not shown:
        return " " * max(0, width)
    low, high = min(shown), max(shown)
    steps = glyphs.spark
    span = high - low
    top = len(steps) - 1
    if span <= 0:
        line = steps[top // 2] * len(shown)
    else:
        line = "".join(steps[int((value - low) / span * top + 0.5)] for value in shown)
    return line.rjust(width)


def gauge(used: float, limit: float, width: int, glyphs: Glyphs) -> str:
    """used/limit as a text bar; any use at all fills one cell, and only a reached limit fills the last."""
    share = min(used / limit, 1.0) if limit > 0 else 1.0
    filled = max(0, min(width, int(share * width)))
    if filled == 0 and used > 0:
        filled = 1
    return glyphs.full * filled + glyphs.empty * (width - filled)


def arrow(value: float, glyphs: Glyphs) -> str:
    return glyphs.up if value > 0 else glyphs.down if value < 0 else glyphs.flat


def side_word(side: str) -> str:
    """LONG or SHORT, whichever of the two vocabularies the side is written in."""
    return {"buy": "LONG", "long": "LONG", "sell": "SHORT", "short": "SHORT"}.get(side.lower(), side.upper())


def side_sign(side: str) -> int:
    return {"LONG": 1, "SHORT": -1}.get(side_word(side), 0)


def words(name: str) -> str:
    """An identifier as the operator reads it."""
    return name.replace("_", " ")


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def whole_clauses(text: str, width: int, ellipsis: str = "…") -> str:
    """`text`, or as many of its clauses as fit whole where they fill half of `width`, else whole words and an ellipsis:
    half a number is another number."""
    if len(text) <= width:
        return text
    ends = [found.start() for found in re.finditer(r"[;,.] ", text) if width // 2 <= found.start() <= width]
    if ends:
        return text[: ends[-1]]
    cut = text.rfind(" ", 0, width)
    return text if cut <= 0 else f"{text[:cut]}{ellipsis}"


def wrap(text: str, width: int) -> list[str]:
    """Lines of whole words, each at most `width` characters; a longer word is cut."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = ""
        line = f"{line} {word}" if line else word[:width]
    return [*lines, line] if line else lines


def _utc(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, UTC)


def _no_negative_zero(value: float, digits: int) -> float:
    return round(value, digits) + 0.0
