"""The equity curve of a run, told from its position changes alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.lab.data.history import History
from core.lab.data.holes import covered
from core.lab.run.result import EquityCurve

Floats = NDArray[np.float64]


class Change(NamedTuple):
    """A symbol's position and the wallet as they were when slot `slot` closed: signed lots at a signed cost.

    `symbol` is an index into the history's symbols. Of several changes in one slot the last one stands.
    """

    slot: int
    symbol: int
    lots: int
    cost_usdt: float
    wallet_usdt: float


def curve_of(
    changes: Sequence[Change], history: History, lot_qty: Sequence[float], initial_usdt: float, end: int | None = None
) -> EquityCurve:
    """The account at the close of every slot from `history.first` up to `end` (all of them without it) that has a bar.

    `changes` are in order of time; `lot_qty` is one lot of each symbol in base units. Equity is the wallet and, for
    each position, its value at the last close less its cost.
    """
    slots = slice(history.first, len(history) if end is None else end)
    table = np.array(changes, np.float64).reshape(-1, 5)
    first = history.first
    equity = _steps(table[:, 0], table[:, 4], initial_usdt, first, slots.stop)
    gross, net = np.zeros_like(equity), np.zeros_like(equity)
    for symbol, lot in enumerate(lot_qty):
        own = table[table[:, 1] == symbol]
        if not len(own):
            continue
        # In place: a year of minutes takes 4 MiB an array.
        value = _steps(own[:, 0], own[:, 2], 0.0, first, slots.stop)
        value *= lot
        flat = value == 0.0
        value *= last_known(history.close[symbol, : slots.stop])[first:]
        value[flat] = 0.0
        net += value
        spent = _steps(own[:, 0], own[:, 3], 0.0, first, slots.stop)
        equity += np.subtract(value, spent, out=spent)
        gross += np.abs(value, out=value)
    there = covered(history)[: len(equity)]
    times = history.open_time_ms[slots] + history.interval_ms
    if there.all():
        return EquityCurve(times, equity, gross, net)
    return EquityCurve(times[there], equity[there], gross[there], net[there])


def last_known(values: Floats) -> Floats:
    """`values` (n,) with each NaN replaced by the last number before it; those before the first number stay NaN."""
    missing = np.isnan(values)
    if not missing.any():
        return values
    index = np.where(missing, 0, np.arange(len(values)))
    return values[np.maximum.accumulate(index)]


def _steps(slots: Floats, values: Floats, before: float, first: int, stop: int) -> Floats:
    """A series over [first, stop) that takes each of `values` from its slot on, and `before` until then."""
    edges = np.concatenate(([first], slots, [stop])).astype(np.int64)
    return np.repeat(np.concatenate(([before], values)), np.diff(edges))
