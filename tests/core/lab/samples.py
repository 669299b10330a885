"""Runs made of plain numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.lab.run.result import EquityCurve, RunResult, TradeColumns

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
FROM_MS = 1_700_006_400_000  # a UTC midnight


def curve_of(equity: NDArray[np.float64], interval_ms: int, from_ms: int = FROM_MS, gross: float = 0.0) -> EquityCurve:
    times = from_ms + (np.arange(len(equity), dtype=np.int64) + 1) * interval_ms
    return EquityCurve(times, equity, np.full(len(equity), gross), np.full(len(equity), gross))


def trades_of(
    net: list[float],
    *,
    fees: float = 0.0,
    funding: float = 0.0,
    price: float = 100.0,
    symbols: list[str] | None = None,
    sides: list[int] | None = None,
    reasons: list[str] | None = None,
    entry_ms: list[int] | None = None,
    held_ms: int = HOUR_MS,
) -> TradeColumns:
    """Trades of one unit each, entered at `price`, with the net results `net` in USDT."""
    count = len(net)
    nets = np.array(net, np.float64)
    gross = nets + fees - funding
    entered = np.array(entry_ms or [FROM_MS + i * HOUR_MS for i in range(count)], np.int64)
    side = np.array(sides or [1] * count, np.int8)
    return TradeColumns(
        symbol=np.array(symbols or ["BTCUSDT"] * count, np.str_),
        side=side,
        entry_time_ms=entered,
        exit_time_ms=entered + held_ms,
        qty=np.ones(count),
        entry_price=np.full(count, price),
        exit_price=price + side * gross,
        gross_usdt=gross,
        fees_usdt=np.full(count, fees),
        funding_usdt=np.full(count, funding),
        net_usdt=nets,
        exit_reason=np.array(reasons or ["stop"] * count, np.str_),
    )


def run_of(curve: EquityCurve, trades: TradeColumns | None = None, initial_usdt: float = 10_000.0) -> RunResult:
    final = float(curve.equity_usdt[-1]) if len(curve) else initial_usdt
    return RunResult(trades or trades_of([]), curve, initial_usdt, final)


def random_walk(seed: int, slots: int, step: float = 0.01, drift: float = 0.0) -> NDArray[np.float64]:
    """An equity of 10,000 USDT that moves by normal steps."""
    steps = np.random.default_rng(seed).normal(drift, step, slots)
    return np.asarray(10_000.0 * np.cumprod(1.0 + steps))
