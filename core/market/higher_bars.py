"""Bars of a longer interval, built from those of a shorter one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from core.market.joining import joined
from core.ports import BarColumns

Read = Callable[[int, int, int], BarColumns]
"""(interval, from, to): what is stored of the bars of an interval that open in [from, to), all in milliseconds."""

_MOST_DECIMALS = 9
_EXACT = float(1 << 53)


def built(bars: BarColumns, interval_ms: int) -> BarColumns:
    """Bars of `interval_ms`, a whole multiple of the bars' own, that begin on multiples of it in UTC.

    One is there only where each of its shorter bars is: it closes with the last of them, and where one is missing it is
    missing, too. Its prices are those of the bars in which there were trades: one without repeats the price of before,
    at which nobody traded then. Its volume is the exact decimal sum. So it is the venue's own bar. Raises ValueError
    for an interval that is no multiple.
    """
    if interval_ms % bars.interval_ms:
        raise ValueError(f"{interval_ms} ms is no multiple of {bars.interval_ms} ms")
    whole = _taken(bars, _in_whole(bars, interval_ms))
    starts = np.arange(0, len(whole.open_time_ms), interval_ms // bars.interval_ms)
    if not len(starts):
        return replace(whole, interval_ms=interval_ms)
    has_traded = whole.volume > 0
    nowhere = ~np.logical_or.reduceat(has_traded, starts)
    told = joined(_taken(whole, has_traded | np.repeat(nowhere, interval_ms // bars.interval_ms)), interval_ms)
    return replace(told, volume=decimal_sums(whole.volume, starts))


def completed(
    read: Read, interval_ms: int, shorter_ms: Sequence[int], from_ms: int, to_ms: int
) -> tuple[BarColumns, list[int]]:
    """The bars of `interval_ms` that open in [from_ms, to_ms): those that are stored, and in the places of those that
    are not what shorter ones come to, those of `shorter_ms` in its order. And of which intervals bars took part."""
    bars, used = read(interval_ms, from_ms, to_ms), [interval_ms]
    first_ms, end_ms = -(-from_ms // interval_ms) * interval_ms, -(-to_ms // interval_ms) * interval_ms
    for one_ms in shorter_ms:
        if len(bars.open_time_ms) == (end_ms - first_ms) // interval_ms:
            break
        filled = _filled(bars, built(read(one_ms, first_ms, end_ms), interval_ms))
        used += [one_ms] if len(filled.open_time_ms) > len(bars.open_time_ms) else []
        bars = filled
    return bars, used


def _filled(bars: BarColumns, more: BarColumns) -> BarColumns:
    """With those of `more` that are not in `bars`."""
    is_new = ~np.isin(more.open_time_ms, bars.open_time_ms)
    if not is_new.any():
        return bars
    times = np.concatenate((bars.open_time_ms, more.open_time_ms[is_new]))
    places = np.argsort(times)
    columns = [
        np.concatenate((getattr(bars, name), getattr(more, name)[is_new]))[places]
        for name in ("open", "high", "low", "close", "volume")
    ]
    return BarColumns(bars.symbol, bars.interval_ms, times[places], *columns)


def _in_whole(bars: BarColumns, interval_ms: int) -> NDArray[np.bool_]:
    """Which bars are in a longer one of which none is missing."""
    _, counts = np.unique(bars.open_time_ms // interval_ms, return_counts=True)
    return np.repeat(counts == interval_ms // bars.interval_ms, counts)


def _taken(bars: BarColumns, rows: NDArray[np.bool_]) -> BarColumns:
    values = (column[rows] for column in (bars.open, bars.high, bars.low, bars.close, bars.volume))
    return BarColumns(bars.symbol, bars.interval_ms, bars.open_time_ms[rows], *values)


def decimal_sums(values: NDArray[np.float64], starts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of the runs of `values` that begin at `starts`: as decimals where they have few enough, so that no sum hangs on
    how the machine rounds. Each run by itself, so that others beside it change nothing."""
    sums = np.add.reduceat(values, starts)
    is_open = np.ones(len(starts), dtype=np.bool_)
    for decimals in range(_MOST_DECIMALS + 1):
        scale = 10.0**decimals
        counts = np.rint(values * scale)
        totals = np.add.reduceat(counts, starts)
        fits = is_open & np.logical_and.reduceat(counts / scale == values, starts) & (np.abs(totals) < _EXACT)
        sums[fits] = totals[fits] / scale
        is_open &= ~fits
    return sums
