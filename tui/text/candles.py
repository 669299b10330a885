"""A candlestick chart as rows of text. Pure functions; no Textual.

A cell holds two half rows, so a body ends on half a cell. Rising bodies are full blocks, falling ones shaded; a falling
body too short for a shaded cell is a heavy line. So the direction can be read without colour.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from core.control.protocol import MarkerView, PositionView
from core.domain.market import MINUTE_MS, Bar
from tui.text.format import Glyphs, fit, money, side_sign, utc_day, utc_minutes
from tui.text.table import Row, Span

_LONGER_MINUTES = (5, 15, 60, 240, 1440, 10080)
_TIME_STEPS = (5, 10, 15, 30, 60, 120, 240, 480, 720, 1440)
_MIN_TIME_CELLS = 12
_VOLUME_ROWS_FROM = 18


@dataclass(frozen=True, slots=True)
class Candle:
    open_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float


def zooms(interval_minutes: int) -> tuple[tuple[int, int], ...]:
    """How bars of an interval may be drawn: (minutes a candle, cells a candle), widest first."""
    longer = [m for m in _LONGER_MINUTES if m > interval_minutes and m % interval_minutes == 0]
    joined = [(minutes, cells) for minutes, cells in zip(longer[:1] * 2 + longer[1:2], (2, 1, 1), strict=False)]
    return (*((interval_minutes, cells) for cells in (3, 2, 1)), *joined)


def group(bars: Sequence[Bar], minutes: int) -> list[Candle]:
    """Bars joined into candles of `minutes`, on UTC boundaries. The last one may still be growing."""
    span = minutes * MINUTE_MS
    candles: list[Candle] = []
    for bar in bars:
        start = bar.open_time_ms // span * span
        if candles and candles[-1].open_ms == start:
            last = candles[-1]
            high, low = max(last.high, bar.high), min(last.low, bar.low)
            candles[-1] = Candle(start, last.open, high, low, bar.close, last.volume + bar.volume)
        else:
            candles.append(Candle(start, bar.open, bar.high, bar.low, bar.close, bar.volume))
    return candles


@dataclass(frozen=True, slots=True)
class Scale:
    """Prices to half rows, counted from the top."""

    low: float
    high: float
    rows: int

    def half(self, price: float) -> int:
        return int((self.high - price) / (self.high - self.low) * (self.rows * 2 - 1) + 0.5)

    def price(self, row: int) -> float:
        return self.high - (row * 2 + 0.5) / (self.rows * 2 - 1) * (self.high - self.low)

    def row(self, price: float) -> int | None:
        """None where the price is off the chart."""
        row = self.half(price) // 2
        return row if 0 <= row < self.rows else None


@dataclass(frozen=True, slots=True)
class Slots:
    """Candles on columns by their time: a missing candle leaves its column empty."""

    end_bucket: int
    count: int
    minutes: int
    cells: int

    def slot(self, time_ms: int) -> int:
        return time_ms // (self.minutes * MINUTE_MS) - self.end_bucket + self.count - 1

    def column(self, time_ms: int) -> int | None:
        slot = self.slot(time_ms)
        return slot * self.cells + self.cells // 2 if 0 <= slot < self.count else None

    def time_ms(self, slot: int) -> int:
        return (self.end_bucket - self.count + 1 + slot) * self.minutes * MINUTE_MS


@dataclass(frozen=True, slots=True)
class Level:
    """A horizontal line: a price with a word."""

    word: str
    price: float
    role: str


def levels_of(position: PositionView | None) -> list[Level]:
    if position is None:
        return []
    levels = [Level("entry", position.entry_price, "accent")]
    if position.stop_price is not None:
        levels.append(Level("stop", position.stop_price, "down"))
    return levels + [Level("target", price, "up") for price in position.target_prices]


def draw(
    bars: Sequence[Bar],
    markers: Sequence[MarkerView],
    levels: Sequence[Level],
    *,
    width: int,
    height: int,
    zoom: tuple[int, int],
    decimals: int,
    glyphs: Glyphs,
    last_price: float | None = None,
) -> list[Row]:
    """`height` rows of `width` cells: candles, price axis, volume where there is room, time axis.

    The axis marks `last_price`, which may be newer than the last bar; without it that bar's close.
    """
    minutes, cells = zoom
    candles = group(bars, minutes)
    last = _last_level(candles[-1], last_price)
    prices = (len(money(price, decimals)) for price in (last.price, *(candle.high for candle in candles)))
    label_width = max(*prices, *(len(level.word) for level in levels), len("volume"))
    plot_width = width - label_width - 3
    volume_rows = 2 if height >= _VOLUME_ROWS_FROM else 0
    plot_rows = height - 1 - volume_rows
    if plot_width < 10 or plot_rows < 4:
        return [(("The chart needs more room", "dim"),)]
    slots = Slots(candles[-1].open_ms // (minutes * MINUTE_MS), plot_width // cells, minutes, cells)
    seen = [candle for candle in candles if slots.slot(candle.open_ms) >= 0]
    scale = _scale(seen, [*levels, last], plot_rows)
    grid: list[list[Span]] = [[(" ", "plain")] * plot_width for _ in range(plot_rows)]
    for level in levels:
        _draw_level(grid, level, scale, glyphs)
    for candle in seen:
        column = slots.column(candle.open_ms)
        if column is not None:
            _draw_candle(grid, column, candle, scale, glyphs)
    for marker in markers:
        _draw_marker(grid, marker, slots, scale, seen, glyphs)
    axis = _axis(scale, levels, last, decimals, label_width, glyphs)
    rows = [(*_merge(line), *axis[row]) for row, line in enumerate(grid)]
    if volume_rows:
        rows += _volume_rows(seen, slots, plot_width, label_width, glyphs)
    return [*rows, _time_row(slots, plot_width, glyphs)]


def _last_level(candle: Candle, price: float | None) -> Level:
    """Rising against the last close; where it is that close itself, against the open of its candle."""
    if not price or price == candle.close:
        price, before = candle.close, candle.open
    else:
        before = candle.close
    return Level("", price, "badge_up" if price >= before else "badge_down")


def _scale(candles: Sequence[Candle], levels: Sequence[Level], rows: int) -> Scale:
    """From the lowest to the highest price in view; a level joins if it does not flatten the candles by half."""
    low, high = min(c.low for c in candles), max(c.high for c in candles)
    span = max(high - low, high * 1e-6)
    for level in levels:
        if high - span <= level.price <= low + 2 * span and max(high, level.price) - min(low, level.price) <= 2 * span:
            low, high = min(low, level.price), max(high, level.price)
    margin = (high - low or high * 1e-4) * 0.02
    return Scale(low - margin, high + margin, rows)


def _draw_level(grid: list[list[Span]], level: Level, scale: Scale, glyphs: Glyphs) -> None:
    row = scale.row(level.price)
    if row is not None:
        grid[row] = [(glyphs.dash, level.role)] * len(grid[row])


def _draw_candle(grid: list[list[Span]], column: int, candle: Candle, scale: Scale, g: Glyphs) -> None:
    rising = candle.close >= candle.open
    role = "candle_up" if rising else "candle_down"
    top, bottom = scale.half(max(candle.open, candle.close)), scale.half(min(candle.open, candle.close))
    high, low = scale.half(candle.high), scale.half(candle.low)
    tall = (top + 1) // 2 * 2 + 1 <= bottom
    for row in range(max(0, high // 2), min(len(grid) - 1, low // 2) + 1):
        upper, lower = row * 2, row * 2 + 1
        body = (top <= upper <= bottom, top <= lower <= bottom)
        wick = (high <= upper <= low, high <= lower <= low)
        if not any(body):
            grid[row][column] = (_wick(wick, g), role)
        else:
            grid[row][column] = (_rise(body, g) if rising else _fall(body, wick, tall, g), role)


def _rise(body: tuple[bool, bool], g: Glyphs) -> str:
    """`body` says which halves of the cell, upper and lower, the body fills."""
    return g.rise if all(body) else g.rise_top if body[0] else g.rise_bottom


def _fall(body: tuple[bool, bool], wick: tuple[bool, bool], tall: bool, g: Glyphs) -> str:
    if all(body):
        return g.fall
    if tall:
        return g.fall_top if body[0] else g.fall_bottom
    if body[0]:
        return g.line_top_wick if wick[1] else g.line_top
    return g.line_bottom_wick if wick[0] else g.line_bottom


def _wick(wick: tuple[bool, bool], g: Glyphs) -> str:
    return g.wick if wick == (True, True) else g.wick_top if wick[0] else g.wick_bottom


def _draw_marker(
    grid: list[list[Span]], marker: MarkerView, slots: Slots, scale: Scale, candles: Sequence[Candle], g: Glyphs
) -> None:
    """Entries: an arrow under (long) or over (short) their candle. Exits: a diamond on the free side."""
    column = slots.column(marker.time_ms)
    if column is None:
        return
    bucket = marker.time_ms // (slots.minutes * MINUTE_MS)
    candle = next((c for c in candles if c.open_ms // (slots.minutes * MINUTE_MS) == bucket), None)
    low, high = (candle.low, candle.high) if candle else (marker.price, marker.price)
    long = side_sign(marker.side) >= 0
    entry = marker.kind == "entry"
    below = long if entry else not long
    row = scale.half(low) // 2 + 1 if below else scale.half(high) // 2 - 1
    row = max(0, min(len(grid) - 1, row))
    glyph = (g.up if long else g.down) if entry else g.exit
    grid[row][column] = (glyph, "accent" if entry else "warn")


def _axis(
    scale: Scale, levels: Sequence[Level], last: Level, decimals: int, label_width: int, g: Glyphs
) -> list[tuple[Span, ...]]:
    """The right edge of every row: round prices, then levels, then the last price over them."""
    labels: dict[int, tuple[str, str, str]] = {}
    step = _round_step((scale.high - scale.low) / max(2, scale.rows / 4))
    price = math.ceil(scale.low / step) * step
    while price <= scale.high:
        row = scale.row(price)
        if row is not None:
            labels[row] = (g.axis_tick, money(price, decimals), "dim")
        price += step
    for level in (*levels, last):
        row = scale.row(level.price)
        edge = 0 if level.price > scale.high else scale.rows - 1
        at_price = g.last if level is last else g.dash
        mark = at_price if row is not None else g.up if edge == 0 else g.down
        labels[edge if row is None else row] = (mark, level.word or money(level.price, decimals), level.role)
    rows: list[tuple[Span, ...]] = []
    for row in range(scale.rows):
        mark, text, role = labels.get(row, (g.axis, "", "dim"))
        mark_role = "line" if role.startswith("badge") else role
        rows.append((("  ", "plain"), (mark, mark_role), (fit(text, label_width, "right", g.ellipsis), role)))
    return rows


def _round_step(raw: float) -> float:
    """The next of 1, 2, 2.5, 5 times a power of ten at or above `raw`."""
    power = 10.0 ** math.floor(math.log10(raw))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)


def _volume_rows(candles: Sequence[Candle], slots: Slots, plot_width: int, label_width: int, g: Glyphs) -> list[Row]:
    """Two rows of volume bars, the lower one filled first."""
    top = max((candle.volume for candle in candles), default=0.0) or 1.0
    steps = len(g.spark)
    lines = [[" "] * plot_width, [" "] * plot_width]
    for candle in candles:
        column = slots.column(candle.open_ms)
        if column is None:
            continue
        level = max(1, round(candle.volume / top * steps * 2))
        lines[1][column] = g.spark[min(level, steps) - 1]
        if level > steps:
            lines[0][column] = g.spark[level - steps - 1]
    blank = " " * 3
    return [
        (("".join(lines[0]), "line"), (blank + fit("volume", label_width, "right", g.ellipsis), "dim")),
        (("".join(lines[1]), "line"), (blank + " " * label_width, "plain")),
    ]


def _time_row(slots: Slots, plot_width: int, g: Glyphs) -> Row:
    """UTC times under their candles; midnight is written as its date."""
    wanted = _MIN_TIME_CELLS / slots.cells * slots.minutes
    step = next((minutes for minutes in _TIME_STEPS if minutes >= wanted), _TIME_STEPS[-1])
    line = [" "] * plot_width
    free_from = 0
    for slot in range(slots.count):
        time_ms = slots.time_ms(slot)
        if time_ms % (step * MINUTE_MS):
            continue
        label = utc_day(time_ms) if time_ms % (1440 * MINUTE_MS) == 0 else utc_minutes(time_ms)
        start = slot * slots.cells + slots.cells // 2 - 2
        if start >= free_from and start + len(label) <= plot_width:
            line[start : start + len(label)] = label
            free_from = start + len(label) + 2
    return (("".join(line), "dim"), ("   UTC", "dim"))


def _merge(cells: Sequence[Span]) -> list[Span]:
    """Neighbours of one role as one span."""
    spans: list[Span] = []
    for text, role in cells:
        if spans and spans[-1][1] == role:
            spans[-1] = (spans[-1][0] + text, role)
        else:
            spans.append((text, role))
    return spans
