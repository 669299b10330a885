"""How far the market went for and against a trade while it was open."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.domain.trading import AT_A_PRICE
from core.lab.data.history import History
from core.lab.run.result import Floats, TradeColumns


@dataclass(frozen=True, slots=True)
class Excursions:
    """Of each trade, in percent of its entry price, both 0 or above: `adverse_pct` (MAE) and `favourable_pct` (MFE)."""

    adverse_pct: Floats
    favourable_pct: Floats


def excursions(trades: TradeColumns, history: History) -> Excursions:
    """The excursions of `trades` in the bars of `history`.

    The prices that count are those of entry and exit and the whole range of every bar in between. The first bar is the
    one that holds the entry (it opens at or before it), counted whole as entries fill at its first price. The last bar
    is the one that closes at or before the exit; where a stop, a target or a liquidation is booked at the close of the
    bar that reached it, that bar is left out, since what it did after the exit is no part of the trade.
    """
    low_price = np.minimum(trades.entry_price, trades.exit_price)
    high_price = np.maximum(trades.entry_price, trades.exit_price)
    begin = (trades.entry_time_ms - history.open_time_ms[0]) // history.interval_ms
    end, inside = np.divmod(trades.exit_time_ms - history.open_time_ms[0], history.interval_ms)
    end = end - ((inside == 0) & np.isin(trades.exit_reason, AT_A_PRICE))
    for row, symbol in enumerate(history.symbols):
        mine = np.flatnonzero((trades.symbol == symbol) & (end > begin))
        spans = np.stack((begin[mine], end[mine]), axis=1).ravel()
        low_price[mine] = np.minimum(low_price[mine], _over_spans(np.minimum, history.low[row], np.inf, spans))
        high_price[mine] = np.maximum(high_price[mine], _over_spans(np.maximum, history.high[row], -np.inf, spans))
    below = (trades.entry_price - low_price) / trades.entry_price * 100.0
    above = (high_price - trades.entry_price) / trades.entry_price * 100.0
    is_long = trades.side > 0
    return Excursions(np.where(is_long, below, above), np.where(is_long, above, below))


def _over_spans(extreme: np.ufunc, prices: Floats, missing: float, spans: NDArray[np.int64]) -> Floats:
    """The extreme of `prices` over each half-open span of the flat [begin, end, begin, end, ...]."""
    padded = np.append(np.where(np.isnan(prices), missing, prices), missing)
    found: Floats = extreme.reduceat(padded, spans)[::2] if len(spans) else np.zeros(0)
    return found
