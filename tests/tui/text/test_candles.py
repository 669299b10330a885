from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.control.protocol import MarkerView
from core.domain.market import MINUTE_MS, Bar
from tests.tui.fake_control import NOW_MS, bars
from tui.lab.trade import TradeView
from tui.text.candles import Level, Scale, draw, group, zooms
from tui.text.format import ASCII, UNICODE
from tui.text.table import Row, row_text

PLOT = 31  # 40 cells less three and a label of six
START = NOW_MS - 100 * MINUTE_MS


def bar(n: int, opened: float, high: float, low: float, closed: float) -> Bar:
    return Bar("X", START + n * MINUTE_MS, MINUTE_MS, opened, high, low, closed, 1.0)


def picture(
    history: list[Bar],
    *,
    height: int = 9,
    markers: tuple[MarkerView, ...] = (),
    levels: tuple[Level, ...] = (),
    last_price: float | None = None,
) -> list[str]:
    rows = draw(
        history,
        markers,
        levels,
        width=40,
        height=height,
        zoom=(1, 1),
        decimals=1,
        glyphs=UNICODE,
        last_price=last_price,
    )
    return [row_text(row) for row in rows]


@given(st.integers(1, 240), st.integers(30, 160), st.integers(6, 50), st.sampled_from(zooms(1)), st.booleans())
@settings(max_examples=40)
def test_every_row_has_the_width(count: int, width: int, height: int, zoom: tuple[int, int], plain: bool) -> None:
    rows: list[Row] = draw(
        bars("BTCUSDT")[-count:],
        (),
        (),
        width=width,
        height=height,
        zoom=zoom,
        decimals=1,
        glyphs=ASCII if plain else UNICODE,
    )
    assert len(rows) == height
    assert all(len(row_text(row)) <= width for row in rows)
    assert all(len(row_text(row)) == width for row in rows[:-1])


def test_grouping_joins_bars_on_utc_boundaries() -> None:
    history = [bar(n, 10 + n, 20 + n, 5 - n, 11 + n) for n in range(7)]
    offset = START // MINUTE_MS % 5
    candles = group(history, 5)
    assert [candle.open_ms % (5 * MINUTE_MS) for candle in candles] == [0] * len(candles)
    first = history[: 5 - offset]
    assert candles[0].open == first[0].open
    assert candles[0].close == first[-1].close
    assert candles[0].high == max(b.high for b in first)
    assert candles[0].low == min(b.low for b in first)
    assert sum(candle.volume for candle in candles) == 7.0


def test_the_direction_can_be_read_without_colour() -> None:
    rising = "".join(picture([bar(0, 100, 110, 100, 110)]))
    falling = "".join(picture([bar(0, 110, 110, 100, 100)]))
    assert "█" in rising
    assert "▓" not in rising
    assert "▓" in falling
    assert "█" not in falling


def test_a_short_falling_body_is_a_heavy_line() -> None:
    short = "".join(line[:PLOT] for line in picture([bar(0, 105, 110, 100, 104.9)]))
    assert any(glyph in short for glyph in "╹╻╿╽")
    assert not any(glyph in short for glyph in "█▀▄")


def test_a_missing_bar_leaves_its_column_empty() -> None:
    lines = picture([bar(0, 100, 110, 100, 110), bar(2, 100, 110, 100, 110)])
    drawn = [column for column in range(PLOT) if any(line[column] == "█" for line in lines)]
    assert len(drawn) == 2
    assert drawn[1] - drawn[0] == 2


def test_entries_and_exits_stand_beside_their_candle() -> None:
    history = [bar(n, 100 + n, 103 + n, 99 + n, 101 + n) for n in range(20)]
    entry = MarkerView(history[5].open_time_ms, 105.0, "entry", "long")
    leave = MarkerView(history[10].open_time_ms, 110.0, "exit", "long")
    lines = picture(history, markers=(entry, leave), height=12)
    columns = {glyph: line.index(glyph) for line in lines for glyph in "▲◆" if glyph in line}
    assert columns["◆"] - columns["▲"] == 5


def test_levels_in_view_are_lines_and_others_stand_at_the_edge() -> None:
    history = [bar(n, 100, 110, 90, 105) for n in range(5)]
    lines = picture(history, levels=(Level("stop", 92.0, "down"), Level("target", 500.0, "up")))
    assert any("┄" in line and line.rstrip().endswith("stop") for line in lines)
    assert lines[0].rstrip().endswith("target")
    assert "▲" in lines[0]
    assert sum("┄┄" in line for line in lines) == 1


def test_the_last_price_is_on_the_axis() -> None:
    assert any("◂105.0" in line.replace(" ", "") for line in picture([bar(0, 100, 110, 90, 105)]))


def test_a_price_newer_than_the_last_bar_is_the_one_on_the_axis() -> None:
    history = [bar(0, 100, 110, 90, 105)]
    lines = picture(history, last_price=112.5)
    assert any("◂112.5" in line.replace(" ", "") for line in lines)
    assert not any("105.0" in line for line in lines)
    assert picture(history, last_price=9999.5)[0].replace(" ", "").endswith("▲9,999.5")
    assert picture(history, last_price=0.0) == picture(history)


@given(st.floats(1, 1e6), st.floats(0.001, 0.5), st.integers(4, 60))
def test_a_scale_keeps_prices_in_view_and_in_order(low: float, share: float, rows: int) -> None:
    high = low * (1 + share)
    scale = Scale(low, high, rows)
    assert scale.row(high) == 0
    assert scale.row(low) == rows - 1
    assert scale.half((low + high) / 2) <= scale.half(low)


@pytest.mark.parametrize("interval", [1, 3, 5, 15, 30, 60, 240, 1440])
def test_no_candle_is_shorter_than_the_bars_or_cuts_one(interval: int) -> None:
    lengths = [minutes for minutes, _ in zooms(interval)]
    assert lengths[0] == min(lengths) == interval
    assert lengths == sorted(lengths)
    assert all(minutes % interval == 0 for minutes in lengths)
    assert len(set(lengths)) > 1


def test_a_trade_of_longer_bars_is_drawn_on_whole_ones() -> None:
    trade = {"entry_time_ms": 0, "exit_time_ms": 3 * 3_600_000}
    shown = {interval: TradeView("r1", 0, trade, interval) for interval in (1, 3, 15, 240)}
    assert {interval: view.minutes for interval, view in shown.items()} == {1: 5, 3: 15, 15: 15, 240: 240}
    assert shown[15].zoomed(1) is None
    assert shown[1].zoomed(1) is not None
