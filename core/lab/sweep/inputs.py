"""What the sweep's kernel is given and what it fills, as named arrays."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Market(NamedTuple):
    """The recorded market, float64 (k, n): NaN in the first three where a bar is missing, the last known carried
    forward in `mark` and `volume`. `turns`: slots in which a UTC day is sampled first."""

    open: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    mark: NDArray[np.float64]
    volume: NDArray[np.float64]
    open_time_ms: NDArray[np.int64]
    turns: NDArray[np.int64]


class Funding(NamedTuple):
    """Funding in order: the slot at whose close it is due, or before it where it is `inside` its bar, when, the symbol,
    sign * per_lot / of in 1e-8 USDT a lot, and whether it is assumed."""

    slot: NDArray[np.int64]
    inside: NDArray[np.int64]
    due_ms: NDArray[np.int64]
    symbol: NDArray[np.int64]
    sign: NDArray[np.int64]
    per_lot: NDArray[np.int64]
    of: NDArray[np.int64]
    assumed: NDArray[np.int64]


class Holes(NamedTuple):
    """Where symbols have their last bar before a hole, in order: the slot, the symbol."""

    slot: NDArray[np.int64]
    symbol: NDArray[np.int64]


class Told(NamedTuple):
    """What was forecast: the outputs (k, n, outputs), NaN for none, and what is decided on them, signal bits (k, n)."""

    values: NDArray[np.float64]
    signal: NDArray[np.uint8]


class Account(NamedTuple):
    """Memory of one run: records of `sweep_forms`. `account` and `config` have one element."""

    account: Any
    config: Any
    books: Any
    orders: Any
    trades: Any
    closed: Any
    queue: Any
    answers: Any
    rules: Any
    parameters: Any


class Policies(NamedTuple):
    """The exit policies of a strategy: records of `sweep_forms`, their parameters one behind the other with where each
    one's begin (p + 1,), the memory of each symbol's trade (k, size), the newest bar that it saw (k, 5), and where a
    policy puts what it answers beside its word (1,)."""

    table: Any
    parameters: NDArray[np.float64]
    places: NDArray[np.int64]
    memory: NDArray[np.float64]
    bars: NDArray[np.float64]
    answer: NDArray[np.float64]


class Samples(NamedTuple):
    """Where the account is sampled, rising slots, and what it was there, in USDT: equity, gross and net notional."""

    slot: NDArray[np.int64]
    equity: NDArray[np.float64]
    gross: NDArray[np.float64]
    net: NDArray[np.float64]


class Watch(NamedTuple):
    """What the uneventful scan is told of each symbol, and its scratch."""

    bits: NDArray[np.uint8]
    down: NDArray[np.float64]
    up: NDArray[np.float64]
    qty_e8: NDArray[np.float64]
    cost_e8: NDArray[np.float64]
    lowest: NDArray[np.float64]
    highest: NDArray[np.float64]
    equity: NDArray[np.float64]
    gross: NDArray[np.float64]
