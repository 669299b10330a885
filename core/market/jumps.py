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
    times, moves = bars.open_time_ms[fit], np.diff(np.log(bars.close[fit]))
    squares = np.concatenate(([0.0], np.cumsum(moves**2)))
    end = np.arange(len(moves))
    count = np.minimum(end, RECENT_BARS)
    recent = np.sqrt(np.maximum(squares[end] - squares[end - count], 0.0) / np.maximum(count, 1))
    ratio = np.abs(moves) / np.maximum(recent, _STILL)
    far = (count >= LEAST_BARS) & (ratio > beyond) & (np.abs(np.expm1(moves)) * 100.0 >= LEAST_MOVE_PCT)
    return [
        Jump(bars.symbol, int(times[i]), int(times[i + 1]), float(np.expm1(moves[i])) * 100.0, float(ratio[i]))
        for i in np.flatnonzero(far).tolist()
    ]
