"""Forecasts that are known before the run: what a rule says of its history, or what an earlier run was told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import BadInputError
from core.domain.forecast import MARKET, Forecast
from core.domain.market import Bar
from core.lab.data.history import History
from core.lab.data.holes import unasked_before_holes
from core.lab.data.seeing import said_of_history, window_of
from core.learning.forecaster import last_bars
from core.strategy.chain import rules_over
from core.strategy.declaration import Strategy, known_after_ms, needed_bars
from core.strategy.rules import RuleDesk, forecast_of

Floats = NDArray[np.float64]

_AT_ONCE = 1 << 15
"""So many bars are folded in at once: what is made of them stays in the processor's cache."""


def rule_values(strategy: Strategy, history: History) -> Floats:
    """What a strategy of rules alone decides on at the close of each slot, (k, n, outputs), NaN for nothing: where one
    of the parts that it decides on says nothing, none counts.

    As at the start of an account, each rule is shown the bars that it needs before `history.first` and nothing earlier.
    """
    values = np.empty((*history.close.shape, len(strategy.outputs)))
    if len(strategy.parts) == 1 and strategy.part.scope == "symbol":
        _say_one_rule(strategy, history, values)
    else:
        _say_many(strategy, history, values)
    values[:, : history.first] = np.nan
    return unasked_before_holes(history, values)


def _say_one_rule(strategy: Strategy, history: History, values: Floats) -> None:
    """Fills `values` with what a single rule says, from the first bar that it is shown on."""
    begin = max(0, history.first - strategy.part.lookback_bars)
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


def _say_many(strategy: Strategy, history: History, values: Floats) -> None:
    """Fills `values` with what several rules say, or one over the whole market."""
    values[:] = np.nan
    desks = {part.name: RuleDesk(strategy, history.symbols, 0, part) for part in strategy.parts}
    first_ms = first_bars(history, strategy)
    market = said_of_history(history, strategy, first_ms)
    for row, symbol in enumerate(history.symbols):
        there = ~np.isnan(history.close[row])
        if not there[history.first :].any():
            continue
        bars = window_of(history, symbol, strategy.market_inputs)
        said = rules_over(strategy, desks, bars, first_ms, market)
        values[row, there] = together([said[part.name] for part in strategy.decided])


def first_bars(history: History, strategy: Strategy) -> dict[str, int]:
    """By part, the open time of the first bar that its rule is shown."""
    needed = {part.name: needed_bars(strategy, part, history.interval_ms) for part in strategy.parts}
    return {name: int(history.open_time_ms[max(0, history.first - bars)]) for name, bars in needed.items()}


def together(said: Sequence[Floats]) -> Floats:
    """The outputs of several parts (n, outputs) side by side, NaN in a row of which one of them says nothing."""
    if len(said) == 1:
        return said[0]
    whole = np.hstack(said)
    silent = np.any([np.isnan(values).all(axis=1) for values in said], axis=0)
    whole[silent] = np.nan
    return whole


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
    """Tells the values of a table (k, n, outputs) at their times, in place of the parts that are decided on."""

    def __init__(self, strategy: Strategy, history: History, values: Floats, inference_delay_ms: int) -> None:
        self._name = strategy.name
        self._parts: list[tuple[str, int, slice]] = []
        end = 0
        for part in strategy.decided:
            delay_ms = known_after_ms(strategy, part, inference_delay_ms)
            if strategy.hears_analysts(part):
                delay_ms = part.max_age_ms  # When it was known is not told: it was then at the latest.
            self._parts.append((part.name, delay_ms, slice(end, end + len(part.outputs))))
            end += len(part.outputs)
        self._values = values
        self._of_market = {part.name for part in strategy.decided if part.scope == "market"}
        self._market_ms = -1
        self._rows = {symbol: row for row, symbol in enumerate(history.symbols)}
        self._begin_ms = int(history.open_time_ms[0])
        self._interval_ms = history.interval_ms

    def told(self, bar: Bar) -> list[Forecast]:
        slot = (bar.open_time_ms - self._begin_ms) // self._interval_ms
        values = self._values[self._rows[bar.symbol], slot]
        close_ms = bar.close_time_ms
        told = []
        for part, delay_ms, place in self._parts:
            symbol = MARKET if part in self._of_market else bar.symbol
            one = forecast_of(self._name, part, symbol, close_ms, delay_ms, values[place])
            # Of the market it is said with the first symbol of which anything is.
            if one is not None and (symbol != MARKET or close_ms > self._market_ms):
                told.append(one)
        if any(one.symbol == MARKET for one in told):
            self._market_ms = close_ms
        return told
