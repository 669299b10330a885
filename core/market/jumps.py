"""Moves from one bar to the next that are far beyond what a market did before: a wrong price, a split, a hole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.ports import BarColumns
from core.settings.schema import JUMP_VOLATILITIES

RECENT_BARS = 1_440
"""So many returns before a move, at most, are what it is compared with."""
LEAST_BARS = 30
"""Of fewer nothing recent is known."""
LEAST_MOVE_PCT = 1.0
"""A smaller move is none, however quiet it was before."""

_LEAST_LOG = 0.9 * np.log1p(LEAST_MOVE_PCT / 100.0)
"""Less than the logarithm of any move that is large enough, up or down."""
_STILL = 1e-9
"""What a market that did not move at all is taken to have moved."""


@dataclass(frozen=True, slots=True)
class Jump:
    """The close of the bar that opens at `time_ms` lies `move_pct` from that of the bar before it, which opens at
    `before_ms`: `volatilities` times the root mean square of the returns before."""

    symbol: str
    before_ms: int
    time_ms: int
    move_pct: float
    volatilities: float

    def text(self) -> str:
        return f"the price moves by {self.move_pct:+,.2f} %, {self.volatilities:,.0f} times the recent volatility"


def jumps(bars: BarColumns, beyond: float = JUMP_VOLATILITIES) -> list[Jump]:
    """Moves of more than `beyond` times the recent volatility, oldest first; of finite prices above 0 alone."""
    fit = np.isfinite(bars.close) & (bars.close > 0)
    times, closes = (bars.open_time_ms, bars.close) if fit.all() else (bars.open_time_ms[fit], bars.close[fit])
    moves = np.diff(np.log(closes))
    # Of a year of minutes few are large: what is recent is asked of those alone.
    large = np.flatnonzero(np.abs(moves) >= _LEAST_LOG)
    if not len(large):
        return []
    squares = np.concatenate(([0.0], np.cumsum(moves**2)))
    count = np.minimum(large, RECENT_BARS)
    recent = np.sqrt(np.maximum(squares[large] - squares[large - count], 0.0) / np.maximum(count, 1))
    ratio = np.abs(moves[large]) / np.maximum(recent, _STILL)
    move_pct = np.expm1(moves[large]) * 100.0
    far = (count >= LEAST_BARS) & (ratio > beyond) & (np.abs(move_pct) >= LEAST_MOVE_PCT)
    told = zip(large[far].tolist(), move_pct[far].tolist(), ratio[far].tolist(), strict=True)
    return [Jump(bars.symbol, int(times[i]), int(times[i + 1]), move, ratio) for i, move, ratio in told]
