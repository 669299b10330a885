"""A chart on its way to another process: only the bars that are not known there yet."""

from __future__ import annotations

from msgspec import Struct

from core.control.protocol import ChartView, MarkerView
from core.domain.market import Bar


class ChartPart(Struct, frozen=True):
    """The end of a chart: `bars` are the last of its `count`, `markers` all of them. `first_ms` is the open time of its
    first bar, None where it has none."""

    symbol: str
    count: int
    first_ms: int | None
    bars: tuple[Bar, ...] = ()
    markers: tuple[MarkerView, ...] = ()


def part_of(chart: ChartView, from_ms: int) -> ChartPart:
    """With the bars that open at `from_ms` or later."""
    bars = chart.bars
    first_ms = bars[0].open_time_ms if bars else None
    new = tuple(bar for bar in bars if bar.open_time_ms >= from_ms)
    return ChartPart(chart.symbol, len(bars), first_ms, new, chart.markers)


def from_ms_for(known: ChartView | None) -> int:
    """What to ask for behind a chart that is `known`: its newest bar is told again, as a sign that it is the same."""
    return known.bars[-1].open_time_ms if known is not None and known.bars else 0


def joined(known: ChartView | None, part: ChartPart) -> ChartView | None:
    """The whole chart; None where `part` does not continue what is known, so that all of it has to be asked for."""
    from_ms = from_ms_for(known)
    kept: tuple[Bar, ...] = ()
    if known is not None and known.symbol == part.symbol and part.first_ms is not None:
        kept = tuple(bar for bar in known.bars if part.first_ms <= bar.open_time_ms < from_ms)
        if from_ms and (not part.bars or part.bars[0] != known.bars[-1]):
            return None
    bars = (*kept, *part.bars)
    return ChartView(part.symbol, bars, part.markers) if len(bars) == part.count else None
