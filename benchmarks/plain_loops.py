"""The common workload as the plainest loop that is right: the reference that every engine is measured against.

One function, run as it is over lists (the plain Python loop) and compiled over arrays (the plain numba loop). It knows
one symbol, one order size, one fee; no ticks, lots, funding, slippage or limits, and keeps but a count and a sum.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numba

from benchmarks.workload import FAST_BARS, FIRST_SIGNAL_BAR, SLOW_BARS, YEAR_BARS
from core.lab.data.history import History

INITIAL_USDT, NOTIONAL_USDT, FEE = 10_000.0, 250.0, 4e-4
STOP, TARGET = 0.01, 0.03

KNOWN = {"bracket": (755, 9_903.50), "reverse": (18_548, 6_483.97)}
"""Trades and equity of the whole year, what is open at its end closed at the last price."""

MONEY_USDT = 0.005
"""Within so much two engines have the same equity, to the cent: the loop does not round quantities."""


def loop(
    highs: Sequence[float], lows: Sequence[float], closes: Sequence[float], reverses: bool
) -> tuple[int, float, float]:
    """Trades closed, equity at the last close, and the fee that closing what is open there would cost."""
    equity = INITIAL_USDT
    trades = side = 0
    qty = entry = stop = target = 0.0
    fast = slow = closes[0]
    was = 0
    for i in range(len(closes)):
        close = closes[i]
        if side:
            level = 0.0
            if (lows[i] <= stop) if side > 0 else (highs[i] >= stop):
                level = stop
            elif (highs[i] >= target) if side > 0 else (lows[i] <= target):
                level = target
            if level > 0.0:
                equity += qty * (side * (level - entry) - FEE * level)
                trades += 1
                side = 0
        fast += (2.0 / (FAST_BARS + 1)) * (close - fast)
        slow += (2.0 / (SLOW_BARS + 1)) * (close - slow)
        now = 1 if fast > slow else -1 if fast < slow else 0
        if now and now != was and i >= FIRST_SIGNAL_BAR and side != now:
            if side and reverses:
                equity += qty * (side * (close - entry) - FEE * close)
                trades += 1
                side = 0
            if not side:
                side, entry, qty = now, close, NOTIONAL_USDT / close
                stop, target = close * (1.0 - side * STOP), close * (1.0 + side * TARGET)
                equity -= FEE * NOTIONAL_USDT
        was = now
    if side:
        return trades, equity + qty * side * (closes[-1] - entry), FEE * qty * closes[-1]
    return trades, equity, 0.0


compiled_loop = numba.njit(loop)


@dataclass(frozen=True, slots=True)
class Reference:
    """Both loops over one history, ready to be timed, and what they give."""

    plain: Callable[[], object]
    compiled: Callable[[], object]
    trades: int
    equity_usdt: float

    def check(self, engine: str, trades: int, equity_usdt: float) -> None:
        """Raises RuntimeError where an engine gives other trades or another equity at the last close."""
        if trades != self.trades or abs(equity_usdt - self.equity_usdt) > MONEY_USDT:
            raise RuntimeError(
                f"{engine} gives {trades} trades and {equity_usdt:.4f} USDT, the plain loop "
                f"{self.trades} and {self.equity_usdt:.4f}"
            )


def reference(history: History, exit_mode: str) -> Reference:
    """Raises RuntimeError where the loops differ, or do not give what is known of the whole year."""
    arrays = (history.high[0], history.low[0], history.close[0])
    lists = tuple(column.tolist() for column in arrays)
    reverses = exit_mode == "reverse"
    told: tuple[Any, Any] = (loop(*lists, reverses), compiled_loop(*arrays, reverses))
    trades, equity_usdt, fee_usdt = told[0]
    if told[1][0] != trades or abs(told[1][1] - equity_usdt) > MONEY_USDT:
        raise RuntimeError(f"{exit_mode}: the plain loop gives {told[0]}, the same compiled {told[1]}")
    settled = (trades + (fee_usdt > 0.0), round(equity_usdt - fee_usdt, 2))
    if len(history) == YEAR_BARS and settled != KNOWN[exit_mode]:
        raise RuntimeError(f"{exit_mode}: the plain loop gives {settled}, right is {KNOWN[exit_mode]}")
    return Reference(
        lambda: loop(*lists, reverses), lambda: compiled_loop(*arrays, reverses), trades, float(equity_usdt)
    )
