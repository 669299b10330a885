"""Series that a report draws and exports of an equity curve: drawdown, returns a month, and fewer points to draw."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from core.lab.run.result import EquityCurve, RunResult

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Dates = NDArray[np.datetime64]


def drawdown_pct(equity_usdt: Floats, initial_usdt: float) -> Floats:
    """How far each point lies below the highest one so far, `initial_usdt` included: percent, zero or negative."""
    peak = np.fmax(np.fmax.accumulate(equity_usdt), initial_usdt) if len(equity_usdt) else equity_usdt
    return (equity_usdt / peak - 1.0) * 100.0


def month_returns(result: RunResult) -> tuple[Dates, Floats]:
    """The simple return of every UTC month that has a slot, as fractions, with the month.

    A close at midnight belongs to the day that it ends. The first month counts from `initial_usdt`, so the first and
    the last may be shorter than the others. NaN where a month opens with nothing left.
    """
    curve = result.curve
    months = (curve.time_ms - 1).astype("datetime64[ms]").astype("datetime64[M]")
    if not len(months):
        return months, np.array([], np.float64)
    last = np.append(np.flatnonzero(months[1:] != months[:-1]), len(months) - 1)
    closes = curve.equity_usdt[last]
    opens = np.concatenate(([result.initial_usdt], closes[:-1]))
    returns = np.divide(closes, opens, out=np.full(len(closes), np.nan), where=opens > 0) - 1.0
    return months[last], returns


def thin_indices(values: Floats, most: int) -> Indices:
    """Which of `values` to draw so that no extreme is lost: at most `most` (4 or more) ascending indices.

    The values are cut into equal runs and the lowest and highest of each is kept, with the first and the last of all.
    """
    count = len(values)
    if count <= most:
        return np.arange(count)
    runs = most // 2 - 1
    edges = np.arange(runs + 1) * count // runs
    low, high, unknown = values, values, np.isnan(values)
    if unknown.any():
        low, high = np.where(unknown, np.inf, values), np.where(unknown, -np.inf, values)
    kept = {0, count - 1}
    for start, stop in pairwise(edges):
        kept.add(int(start + low[start:stop].argmin()))
        kept.add(int(start + high[start:stop].argmax()))
    return np.array(sorted(kept), np.int64)


def thinned(curve: EquityCurve, initial_usdt: float, most: int) -> EquityCurve:
    """About `most` points of a curve: no extreme is lost, and the deepest drawdown is the same to the last bit."""
    if len(curve) <= most:
        return curve
    equity = curve.equity_usdt
    trough = int(np.argmin(drawdown_pct(equity, initial_usdt)))
    kept = np.union1d(thin_indices(equity, most), [int(np.argmax(equity[: trough + 1])), trough])
    return EquityCurve(curve.time_ms[kept], equity[kept], curve.gross_usdt[kept], curve.net_usdt[kept])
