"""What a run is compared with: doing nothing, buying and holding, and entering at random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.backtest.history import History
from core.backtest.result import EquityCurve, Floats
from core.domain.errors import BadInputError


@dataclass(frozen=True, slots=True)
class RandomEntries:
    """Entries in order of time: at the open of `slot` (count,) in `direction` (count,), +1 long or -1 short."""

    slot: NDArray[np.int64]
    direction: NDArray[np.int8]


def do_nothing(history: History, initial_usdt: float) -> EquityCurve:
    """The account of one who never trades, over the traded slots of `history`."""
    times = history.open_time_ms[history.first :] + history.interval_ms
    return EquityCurve(times, np.full(len(times), initial_usdt), np.zeros(len(times)), np.zeros(len(times)))


def buy_and_hold(history: History, initial_usdt: float, taker_fee_bps: float, slippage_bps: float) -> EquityCurve:
    """The account of one who puts an equal share of `initial_usdt` into every symbol and holds it, without leverage.

    Each share buys at the first open from slot `first` on that its symbol has, and sells at the symbol's last close,
    booked with the last slot: at prices `slippage_bps` worse, with `taker_fee_bps` of the notional. Funding after the
    open of the slot of the purchase is paid and received in the slot that it falls into. Positions count at the close.
    A share whose symbol has no bar stays in cash.
    """
    first, symbols = history.first, history.symbols
    times = history.open_time_ms[first:] + history.interval_ms
    equity, gross = np.zeros(len(times)), np.zeros(len(times))
    for row in range(len(symbols)):
        held, worth = _held_share(history, row, initial_usdt / len(symbols), taker_fee_bps / 1e4, slippage_bps / 1e4)
        equity += worth
        gross += held
    return EquityCurve(times, equity, gross, gross.copy())


def random_entries(count: int, slots: NDArray[np.int64], longs: int, seed: int) -> RandomEntries:
    """`count` entries at distinct ones of `slots`, `longs` of them long and the others short; the same for one seed.

    Raises BadInputError where there are fewer slots than entries, or `longs` is not within 0 to `count`.
    """
    if not 0 <= longs <= count <= len(slots):
        raise BadInputError(f"{count} random entries, {longs} of them long, do not fit into {len(slots)} slots")
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(slots, count, replace=False)).astype(np.int64)
    direction = np.where(np.arange(count) < longs, 1, -1).astype(np.int8)
    return RandomEntries(chosen, rng.permutation(direction))


def _held_share(history: History, row: int, share_usdt: float, fee: float, slip: float) -> tuple[Floats, Floats]:
    """Notional and worth of one symbol's share at every traded close, in USDT; `fee` and `slip` are fractions."""
    first = history.first
    opens, closes = history.open[row, first:], history.close[row, first:]
    there = np.flatnonzero(~np.isnan(opens))
    held, worth = np.zeros(len(opens)), np.full(len(opens), share_usdt)
    if not len(there):
        return held, worth
    begin = int(there[0])
    qty = share_usdt / (opens[begin] * (1.0 + slip) * (1.0 + fee))
    known = np.maximum.accumulate(np.where(np.isnan(closes), 0, np.arange(len(closes))))
    held[begin:] = qty * closes[known[begin:]]
    cash = np.zeros(len(opens))
    bought_ms = int(history.open_time_ms[first + begin])
    for rate in history.funding:
        if rate.symbol == history.symbols[row] and rate.time_ms > bought_ms:
            slot = (rate.time_ms - history.from_ms) // history.interval_ms
            if slot < len(cash):
                cash[slot] -= qty * float(rate.mark_price) * float(rate.rate)
    worth[begin:] = held[begin:] + np.cumsum(cash)[begin:]
    worth[-1] += held[-1] * ((1.0 - slip) * (1.0 - fee) - 1.0)
    held[-1] = 0.0
    return held, worth
