"""Forecasts that are known before the run: what a rule says of its history, or what an earlier run was told."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import BadInputError
from core.domain.forecast import Forecast
from core.domain.market import Bar
from core.lab.data.history import History
from core.lab.data.holes import unasked_before_holes
from core.lab.data.seeing import window_of
from core.learning.forecaster import last_bars
from core.ports import Seen
from core.strategy.declaration import Strategy
from core.strategy.rules import RuleDesk, forecast_of

Floats = NDArray[np.float64]

_AT_ONCE = 1 << 15
"""So many bars are folded in at once: what is made of them stays in the processor's cache."""


def rule_values(strategy: Strategy, history: History) -> Floats:
    """The outputs of the strategy's rule at the close of each slot, (k, n, outputs), NaN for nothing.

    As at the start of an account, the rule is shown the look-back before `history.first` and nothing earlier.
    """
    begin = max(0, history.first - strategy.part.lookback_bars)
    values = np.empty((*history.close.shape, len(strategy.outputs)))
    desk = RuleDesk(strategy, history.symbols, 0)
    for row, symbol in enumerate(history.symbols):
        there = ~np.isnan(history.close[row, begin:])
        table, count = values[row, begin:], int(np.count_nonzero(there))
        if not count:
            table[:] = np.nan
            continue
        told = table if count == len(there) else np.empty((count, len(strategy.outputs)))
        window = last_bars(window_of(history, symbol, strategy.part.inputs), count)
        for start in range(0, count, _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            told[part] = desk.values(window.at(part))
        if told is not table:
            table[~there] = np.nan
            table[there] = told
    values[:, : history.first] = np.nan
    return unasked_before_holes(history, values)


def known_values(given: Mapping[str, Floats], history: History, strategy: Strategy) -> Floats:
    """`given` values by symbol (n, outputs) as one table (k, n, outputs); NaN for a symbol without, and where there is
    no bar to forecast from. Raises BadInputError where they are not of the strategy's outputs."""
    nothing = np.full((len(history), len(strategy.outputs)), np.nan)
    for symbol in history.symbols:
        if given.get(symbol, nothing).shape != nothing.shape:
            raise BadInputError(
                f"{symbol}: the given forecasts are of shape {given[symbol].shape}, and {strategy.name} decides on "
                f"{', '.join(output.name for output in strategy.outputs)} of {len(history)} bars"
            )
    table = np.array([given.get(symbol, nothing) for symbol in history.symbols], np.float64)
    table[np.isnan(history.close)] = np.nan
    table[:, : history.first] = np.nan
    return unasked_before_holes(history, table)


class FixedDesk:
    """Tells the values of a table (k, n, outputs) at their times, in place of `core.strategy.rules.RuleDesk`."""

    def __init__(self, strategy: Strategy, history: History, values: Floats, inference_delay_ms: int) -> None:
        self._strategy = strategy
        self._values = values
        self._rows = {symbol: row for row, symbol in enumerate(history.symbols)}
        self._begin_ms = int(history.open_time_ms[0])
        self._interval_ms = history.interval_ms
        self._delay_ms = inference_delay_ms

    def predict(self, bar: Bar, seen: Seen | None = None) -> Forecast | None:
        slot = (bar.open_time_ms - self._begin_ms) // self._interval_ms
        values = self._values[self._rows[bar.symbol], slot]
        return forecast_of(self._strategy, bar.symbol, bar.close_time_ms, self._delay_ms, values)
