"""Made-up markets for searches: random walks on a price grid, with the contract that they trade."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from core.domain.instrument import Instrument
from core.lab.data.history import History, make_history

MINUTE_MS = 60_000
DAY_MS = 1_440 * MINUTE_MS
FROM_MS = 1_700_006_400_000  # a UTC midnight

CONTRACT = Instrument(
    symbol="WALKUSDT",
    base="WALK",
    tick_size=Decimal("0.01"),
    lot_size=Decimal("0.001"),
    contract_size=Decimal("1"),
    min_lots=1,
    max_lots=10_000_000,
    min_notional_usdt=Decimal("5"),
    maker_fee_bps=Decimal("2"),
    taker_fee_bps=Decimal("5"),
    max_leverage=50,
    maintenance_margin_pct=Decimal("0.5"),
    liquidation_fee_bps=Decimal("125"),
)
INSTRUMENTS = {CONTRACT.symbol: CONTRACT}


def random_walk(seed: int, days: int, *, warm_up_bars: int = 0, step_bps: float = 8.0, inside: int = 4) -> History:
    """Minute bars of a driftless walk of `inside` normal steps a bar, `step_bps` a bar in all, rounded to ticks."""
    bars = days * 1_440 + warm_up_bars
    draws = np.random.default_rng(seed).normal(0.0, step_bps / 1e4 / np.sqrt(inside), bars * inside)
    ticks = np.round(10_000.0 * np.exp(np.cumsum(draws - draws.var() / 2.0))).reshape(bars, inside)
    opens = np.concatenate(([10_000.0], ticks[:-1, -1]))
    path = np.column_stack((opens, ticks))
    columns = [opens, path.max(axis=1), path.min(axis=1), ticks[:, -1]]
    prices = [np.round(column[None, :] / 100.0, 2) for column in columns]
    volume = np.full((1, bars), 1e6)
    times = FROM_MS + (np.arange(bars, dtype=np.int64) - warm_up_bars) * MINUTE_MS
    return make_history([CONTRACT.symbol], MINUTE_MS, times, [*prices, volume], warm_up_bars, (), "walk", True)
