"""What trades paid in their prices: slippage and impact, told again from what the venue's rule takes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.lab.data.history import History
from core.lab.run.curve import last_known
from core.lab.run.result import Floats, TradeColumns
from core.settings.schema import CostSettings


def slippage_usdt(trades: TradeColumns, history: History, costs: CostSettings) -> Floats:
    """Slippage and impact of both sides of each trade (n,), 0 or above, as if each side had filled at once.

    A side fills at the first price of a bar, against the volume of the bar before it, or within a bar, against its own:
    in both cases of the bar that closed last at its time. What rounding to the tick took is not in it.
    """
    entered = _side(trades, history, costs, trades.entry_time_ms, trades.entry_price, trades.side)
    left = _side(trades, history, costs, trades.exit_time_ms, trades.exit_price, -trades.side)
    return np.asarray(entered + left)


def _side(
    trades: TradeColumns,
    history: History,
    costs: CostSettings,
    time_ms: NDArray[np.int64],
    price: Floats,
    sign: NDArray[np.int8],
) -> Floats:
    share = np.ones(len(trades))
    slot = (time_ms - history.open_time_ms[0]) // history.interval_ms - 1
    for row, symbol in enumerate(history.symbols):
        mine = np.flatnonzero((trades.symbol == symbol) & (slot >= 0))
        volume = last_known(history.volume[row])[slot[mine]]
        with np.errstate(divide="ignore", invalid="ignore"):
            taken = trades.qty[mine] / volume  # without volume the venue takes the whole impact
        share[mine] = np.where(np.isfinite(taken), np.minimum(taken, 1.0), 1.0)
    fraction = (costs.slippage_bps + costs.impact_bps * np.sqrt(share)) / 10_000.0
    return np.asarray(trades.qty * price * fraction / (1.0 + sign * fraction))
