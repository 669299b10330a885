"""The common workload: seeded synthetic one-minute bars and an EMA cross over them, the same for every engine measured.

The series is a geometric random walk with GARCH(1,1) volatility, a daily season, Student-t innovations and volume that
follows |return|. Every open equals the close before it, so engines that fill at the close and engines that fill at the
next open give the same trades. An EMA(12) crossing EMA(26) opens 250 USDT at the next open; stop 1 %, target 3 %, fee
4 bps a side, 10,000 USDT to start with.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache

import numba
import numpy as np
from numpy.typing import NDArray

from core.domain.forecast import Output
from core.domain.instrument import Instrument
from core.lab.data.history import History, make_history
from core.lab.run.result import RunResult
from core.settings.schema import Settings, parse_settings
from core.strategy.declaration import Lifecycle, Part, Strategy

Floats = NDArray[np.float64]

MINUTE_MS = 60_000
START_MS = 1_704_067_200_000
YEAR_BARS = 525_600
ONE_SEED = 20_240_101
MANY_BARS = 100_000
MANY_PRICES = (42_000, 2_300, 310, 95, 620, 240, 1_800, 3_100, 150, 510)
FAST_BARS, SLOW_BARS, FIRST_SIGNAL_BAR = 12, 26, 30

_ANNUAL_VOLATILITY = 0.55
_TICK = 0.01


@lru_cache(maxsize=2)
def synthetic_bars(n: int, seed: int, first_price: float) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Open, high, low, close and volume of `n` bars, made once for all who ask; nobody changes them."""
    rng = np.random.default_rng(seed)
    innovations = rng.standard_t(5, n) / np.sqrt(5 / 3)
    variance = (_ANNUAL_VOLATILITY / np.sqrt(YEAR_BARS)) ** 2
    returns, sigma = _garch(innovations.tolist(), variance)
    season = 1 + 0.35 * np.sin(2 * np.pi * (np.arange(n) % 1440) / 1440 - 2.0)
    returns *= season
    sigma *= season
    close = first_price * np.exp(np.cumsum(returns - 0.5 * sigma**2))
    close = np.maximum(np.round(close / _TICK) * _TICK, _TICK)
    opened = np.concatenate(([round(first_price / _TICK) * _TICK], close[:-1]))
    up = np.abs(rng.standard_normal(n)) * sigma * 0.6
    down = np.abs(rng.standard_normal(n)) * sigma * 0.6
    high = np.maximum(opened, close) * (1 + up)
    low = np.minimum(opened, close) * (1 - down)
    high = np.maximum(np.ceil(high / _TICK) * _TICK, np.maximum(opened, close))
    low = np.minimum(np.floor(low / _TICK) * _TICK, np.minimum(opened, close))
    volume = np.exp(rng.normal(2.2, 0.7, n)) * (0.4 + np.abs(returns) / np.sqrt(variance)) + 0.01
    prices = (np.round(column, 2) for column in (opened, high, low, close))
    return (*prices, np.round(volume, 3))  # type: ignore[return-value]


def _garch(innovations: list[float], base: float) -> tuple[Floats, Floats]:
    alpha, beta = 0.05, 0.945
    omega = base * (1 - alpha - beta)
    returns, sigma = np.empty(len(innovations)), np.empty(len(innovations))
    variance = base
    for i, innovation in enumerate(innovations):
        deviation = variance**0.5
        shock = deviation * innovation
        returns[i], sigma[i] = shock, deviation
        variance = omega + alpha * min(shock * shock, 60 * base) + beta * variance
    return returns, sigma


def history_of(columns: Sequence[tuple[Floats, Floats, Floats, Floats, Floats]], symbols: Sequence[str]) -> History:
    times = START_MS + np.arange(len(columns[0][0]), dtype=np.int64) * MINUTE_MS
    stacked = [np.stack([bars[i] for bars in columns]) for i in range(5)]
    return make_history(symbols, MINUTE_MS, times, stacked, 0, (), "synthetic workload", is_synthetic=True)


def one_symbol(n: int = YEAR_BARS) -> History:
    """The first `n` of 525,600 bars of one symbol."""
    bars = synthetic_bars(YEAR_BARS, ONE_SEED, 42_000.0)
    return history_of([tuple(column[:n] for column in bars)], ["BTCUSDT"])  # type: ignore[list-item]


def ten_symbols() -> History:
    """100,000 bars of each of ten symbols on one account."""
    columns = [synthetic_bars(MANY_BARS, 7_000 + i, price) for i, price in enumerate(MANY_PRICES)]
    return history_of(columns, [f"S{i}USDT" for i in range(len(columns))])


@numba.njit(cache=True)
def _crosses(close: Floats, fast_bars: int, slow_bars: int, first: int) -> Floats:
    values = np.full(close.shape[0], np.nan)
    fast = slow = close[0]
    above = below = False
    for i in range(close.shape[0]):
        fast += (2.0 / (fast_bars + 1)) * (close[i] - fast)
        slow += (2.0 / (slow_bars + 1)) * (close[i] - slow)
        was_above, was_below = above, below
        above, below = fast > slow, fast < slow
        if i >= first and ((above and not was_above) or (below and not was_below)):
            values[i] = 1e4 * (fast / slow - 1.0)
    return values


def ema_crosses(history: History, fast_bars: int = FAST_BARS, slow_bars: int = SLOW_BARS) -> Floats:
    """Values (k, n, 1) in bps: the distance of the averages where they cross, NaN elsewhere."""
    crosses = [_crosses(close, fast_bars, slow_bars, FIRST_SIGNAL_BAR) for close in history.close]
    return np.stack(crosses)[..., None]


def fine_instruments(symbols: Sequence[str]) -> dict[str, Instrument]:
    """Contracts of nearly no granularity: the workload does not round quantities."""
    return {
        symbol: Instrument(
            symbol=symbol,
            base=symbol.removesuffix("USDT"),
            tick_size=Decimal("1e-6"),
            lot_size=Decimal("1e-9"),
            contract_size=Decimal(1),
            min_lots=1,
            max_lots=10**18,
            min_notional_usdt=Decimal(0),
            maker_fee_bps=Decimal(4),
            taker_fee_bps=Decimal(4),
            max_leverage=125,
            maintenance_margin_pct=Decimal("0.4"),
            liquidation_fee_bps=Decimal(4),
        )
        for symbol in symbols
    }


def free_settings() -> Settings:
    """The workload's costs, and limits that never bind."""
    return parse_settings(
        {
            "account": {"leverage": 1},
            "costs": {
                "maker_fee_bps": "4",
                "taker_fee_bps": "4",
                "assumed_funding_bps": "0",
                "slippage_bps": 0.0,
                "impact_bps": 0.0,
                "max_participation_pct": 0.0,
                "liquidation_fee_bps": "4",
            },
            "sizing": {"notional_usdt": 250.0},
            "limits": {
                "max_order_notional_usdt": 1e12,
                "max_leverage": 125.0,
                "day_loss_usdt": 1e12,
                "day_loss_pct": 100.0,
                "max_trades_per_day": 10**9,
                "max_losses_in_row": 10**9,
                "max_drawdown_pct": 100.0,
                "max_exposure_pct": 1e6,
                "max_open_positions": 10**6,
            },
        },
        "the workload",
    )


def cross_strategy(*, reverses: bool) -> Strategy:
    """`bracket`: signals are ignored while a position is held. `reverses`: an opposite cross turns it."""
    return Strategy(
        name="workload",
        parts=(Part((Output("fast_over_slow", "bps"),), FIRST_SIGNAL_BAR, lifecycle=Lifecycle(0, 0)),),
        decide=_decide,
        stop_pct=1.0,
        target_pct=3.0,
        cooldown_ms=0,
        reverses=reverses,
    )


def closed_out(result: RunResult) -> tuple[int, float]:
    """Trades and equity once what is still open is closed at the last close, as the workload's figures have it."""
    fee_usdt = 4.0 / 10_000 * float(result.curve.gross_usdt[-1])
    return len(result.trades) + result.open_positions, result.final_usdt - fee_usdt


def _decide(values: Floats, cost_bps: float, parameters: Floats) -> tuple[int, float]:
    if values[0] > 0.0:
        return 1, 0.5
    return (-1, 0.5) if values[0] < 0.0 else (0, 0.5)
