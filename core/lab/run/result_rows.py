"""Parts of a result as JSON-ready rows, for the console and the command line."""

from __future__ import annotations

import dataclasses

import numpy as np

from core.domain.rows import Row
from core.lab.run.result import RunResult, TradeColumns, TradePlans
from core.lab.run.trade_plans import plan_columns
from core.lab.statistics.series import drawdown_pct, thin_indices

LEAST_POINTS = 8


def trade_rows(trades: TradeColumns, plans: TradePlans | None = None) -> list[Row]:
    """One row a trade, in order of the exits, with the names of TradeColumns and of TradePlans, and closed_early; None
    for what is not known."""
    names = [item.name for item in dataclasses.fields(trades)]
    columns = [getattr(trades, name).tolist() for name in names]
    for name, column in plan_columns(trades, plans).items():
        names.append(name)
        columns.append([None if value != value else value for value in column.tolist()])
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def curve_row(result: RunResult, points: int) -> Row:
    """The row of `core.lab.requests.Lab.curve`: at most `points` (8 or more) of the curve, no extreme left out."""
    equity = result.curve.equity_usdt
    depth = drawdown_pct(equity, result.initial_usdt)
    half = max(points, LEAST_POINTS) // 2
    chosen = np.union1d(thin_indices(equity, half), thin_indices(depth, half)).astype(np.int64)
    return {
        "time_ms": result.curve.time_ms[chosen].tolist(),
        "equity_usdt": equity[chosen].tolist(),
        "drawdown_pct": depth[chosen].tolist(),
    }
