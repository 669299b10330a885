"""What a run is compared with: doing nothing, buying and holding, and entering at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import BadInputError
from core.domain.market import FundingRate
from core.lab.data.funding import assumed_rates
from core.lab.data.history import History
from core.lab.data.holes import covered_bars, last_bars_of_symbols
from core.lab.run.curve import last_known
from core.lab.run.result import EquityCurve, Floats


@dataclass(frozen=True, slots=True)
class RandomEntries:
    """Entries in order of time: at the open of `slot` (count,) in `direction` (count,), +1 long or -1 short."""

    slot: NDArray[np.int64]
    direction: NDArray[np.int8]


def do_nothing(history: History, initial_usdt: float) -> EquityCurve:
    """The account of one who never trades, over the traded slots of `history` that have a bar."""
    times = history.open_time_ms[covered_bars(history)] + history.interval_ms
    return EquityCurve(times, np.full(len(times), initial_usdt), np.zeros(len(times)), np.zeros(len(times)))


def buy_and_hold(
    history: History,
    initial_usdt: float,
    taker_fee_bps: float,
    slippage_bps: float,
    assumed_funding_bps: Decimal = Decimal(0),
) -> EquityCurve:
    """The account of one who puts an equal share of `initial_usdt` into every symbol and holds it, without leverage.

    Each share buys at the first open from slot `first` on that its symbol has, and sells at the symbol's last close,
    booked with the last slot that has a bar: at prices `slippage_bps` worse, with `taker_fee_bps` of the notional.
    Funding after the open of the slot of the purchase is paid and received in the slot that it falls into, and where a
    settlement is missing `assumed_funding_bps` are paid every 8 hours. Positions
    count at the close. A share whose symbol has no bar stays in cash. Before a hole it sells likewise, and buys again
    after it.
    """
    symbols, there = history.symbols, covered_bars(history)
    equity, gross = np.zeros((2, len(history) - history.first))
    rates = (*history.funding, *assumed_rates(history, assumed_funding_bps))
    for row in range(len(symbols)):
        held, worth = _held_share(
            history, row, rates, initial_usdt / len(symbols), taker_fee_bps / 1e4, slippage_bps / 1e4
        )
        equity += worth
        gross += held
    times, shown = history.open_time_ms[there] + history.interval_ms, there - history.first
    return EquityCurve(times, equity[shown], gross[shown], gross[shown])


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


def _held_share(
    history: History, row: int, rates: Sequence[FundingRate], share_usdt: float, fee: float, slip: float
) -> tuple[Floats, Floats]:
    """Notional and worth of one symbol's share at every traded close, in USDT; `fee` and `slip` are fractions."""
    opens, closes = history.open[row, history.first :], history.close[row, history.first :]
    held, worth = np.zeros(len(opens)), np.full(len(opens), share_usdt)
    for begin, end in _stretches(history, row):
        part = slice(begin, end + 1)
        qty = worth[begin] / (opens[begin] * (1.0 + slip) * (1.0 + fee))
        held[part] = qty * last_known(closes[part])
        worth[part] = held[part] + np.cumsum(_funding(history, row, rates, begin, end, qty))
        worth[end] += held[end] * ((1.0 - slip) * (1.0 - fee) - 1.0)
        worth[end:] = worth[end]
        held[end] = 0.0
    return held, worth


def _stretches(history: History, row: int) -> list[tuple[int, int]]:
    """First and last slot, counted from the first traded one, of each stretch without a hole."""
    there = np.flatnonzero(~np.isnan(history.close[row, history.first :]))
    if not len(there):
        return []
    ends = [slot - history.first for slot, its_row in last_bars_of_symbols(history) if its_row == row]
    if not ends or ends[-1] != there[-1]:
        ends.append(int(covered_bars(history)[-1]) - history.first)
    begins = [int(there[np.searchsorted(there, end, side="right")]) for end in ends[:-1]]
    return list(zip([int(there[0]), *begins], ends, strict=True))


def _funding(history: History, row: int, rates: Sequence[FundingRate], begin: int, end: int, qty: float) -> Floats:
    """What `qty` pays and receives in each slot from `begin`, at whose open it was bought, to `end`."""
    cash = np.zeros(end - begin + 1)
    bought_ms = int(history.open_time_ms[history.first + begin])
    for rate in rates:
        if rate.symbol == history.symbols[row] and rate.time_ms > bought_ms:
            slot = (rate.time_ms - history.from_ms) // history.interval_ms - begin
            if slot < len(cash):
                cash[slot] -= qty * float(rate.mark_price) * float(rate.rate)
    return cash
