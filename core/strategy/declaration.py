"""What a strategy is to the core: a declaration of parts, readable on one screen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from core.domain.trading import ExitReason
from core.settings.values import Grid

ThresholdFunction = Callable[[float], float]
"""round_trip_cost_bps -> smallest |prediction| in bps that is worth an entry."""

DecideFunction = Callable[[float, float], int]
"""(value_bps, threshold_bps) -> +1 long, -1 short, 0 nothing."""

ExitFunction = Callable[[int, float, float, float, int, float], bool]
"""(side_sign, entry_price, price, value_bps, held_ms, parameter) -> leave now; see `core.arithmetic.exits`."""


Unit = Literal["bps", "pct", "ms", ""]

ScanFunction = Callable[..., Any]
"""(state, open, high, low, close, volume, parameters) -> values, all arrays of float64; see `Rule`."""


@dataclass(frozen=True, slots=True)
class ExitRule:
    """One exit. `function` is pure arithmetic that numba can compile; rules are asked in order at every bar of a
    position, the first True wins. `unit` is that of the parameter, for the words of a signal: "" where a rule of one's
    own does not say.
    """

    reason: ExitReason
    function: ExitFunction
    parameter: float
    unit: Unit = ""


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """When a model is trained, on what, and how many versions of it stay on disk beside those in use."""

    window_ms: int
    retrain_ms: int
    keep_versions: int = 10


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Where a strategy's model comes from: plain data, handed to worker processes.

    `factory` is the import path of a module with `create_learner(options)` (`core.learning.protocol`); `options` is a
    JSON object.
    """

    factory: str
    options: str


@dataclass(frozen=True, slots=True)
class Rule:
    """Predictions told from bars by arithmetic alone, as a fold: `scan` takes the next bars of one symbol, oldest
    first, returns a value in bps for each (NaN: nothing to say), and keeps what it must remember in `state`, zeros at
    the start. Bars may come one by one or all at once, and the values must be the same: live trading sends them one by
    one, a backtest all at once. `scan` is compiled by numba with cache=True.
    """

    scan: ScanFunction
    state_size: int
    parameters: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Strategy:
    """The declaration. Everything numeric is pure, so trader and sweep share it.

    `stop_pct` and `target_pct` are distances from the entry in percent of its price; both rest at the venue.
    `lookback_bars` is how many closed bars one prediction of a model needs, the newest included, or how many a rule is
    shown before the first that it may trade on. Predictions come from `model`, which needs a `lifecycle`, or from
    `rule`, or from elsewhere. `horizon_ms` is 0 where a prediction is not of a set time ahead.
    `reverses`: a signal against the position closes it and, once it is flat, opens the other side.
    `needs_order_book` and `needs_trades`: a live market keeps the ten best levels and the last trades of its symbols.
    For those who search, keys of its own section: `search_space` has the values worth trying of each, and
    `decision_keys` are those that a model is not trained with, which may so be changed while its predictions stay.
    """

    name: str
    feature_names: tuple[str, ...]
    lookback_bars: int
    horizon_ms: int
    threshold_bps: ThresholdFunction
    decide: DecideFunction
    stop_pct: float
    target_pct: float
    cooldown_ms: int
    exits: tuple[ExitRule, ...]
    lifecycle: Lifecycle | None = None
    model: ModelSpec | None = None
    rule: Rule | None = None
    reverses: bool = False
    needs_order_book: bool = False
    needs_trades: bool = False
    search_space: Grid = ()
    decision_keys: tuple[str, ...] = ()


def history_ms(strategy: Strategy, interval_ms: int) -> int:
    """How much of the market lies before the first bar that a new account trades on: the training window of a model,
    or the bars that a rule is shown."""
    return strategy.lookback_bars * interval_ms if strategy.lifecycle is None else strategy.lifecycle.window_ms
