"""Bars that trades come to, to hold candles of the same time against."""

from __future__ import annotations

import numpy as np

from core.market.higher_bars import decimal_sums
from core.ports import BarColumns, ObservationColumns

_PRICE, _QTY = 1, 2
"""Places of the fields of the stream of trades."""


def bars_of_trades(trades: ObservationColumns, interval_ms: int) -> BarColumns:
    """One for each interval that begins on a multiple of it in UTC and in which there was a trade: the exchange's own
    where all of these are there. Its volume is their exact decimal sum. `trades` are of the stream of that name."""
    slots = trades.time_ms // interval_ms
    starts = np.flatnonzero(np.diff(slots, prepend=-1))
    prices = trades.values[:, _PRICE]
    if not len(starts):
        nothing = np.empty(0)
        return BarColumns(trades.symbol, interval_ms, np.empty(0, np.int64), *(nothing,) * 5)
    return BarColumns(
        trades.symbol,
        interval_ms,
        slots[starts] * interval_ms,
        prices[starts],
        np.maximum.reduceat(prices, starts),
        np.minimum.reduceat(prices, starts),
        prices[np.append(starts[1:], len(prices)) - 1],
        decimal_sums(trades.values[:, _QTY], starts),
    )
