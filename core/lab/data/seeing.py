"""What is seen beside the bars of a history: the rows that a live market makes one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from core.domain.errors import BadInputError
from core.domain.market import Bar
from core.domain.stream import Observation
from core.lab.data.history import History
from core.market.seeing import see, streams_of
from core.ports import BarColumns, Seen
from core.strategy.chain import NOTHING, Said, Spoken, fresh_values, seen_by_part
from core.strategy.declaration import Part, Strategy
from core.strategy.over_market import MarketFold, columns_side_by_side, market_desks, seen_side_by_side
from core.strategy.rules import Floats


def seen_by(history: History, symbol: str, inputs: Sequence[str]) -> Seen:
    """A row for each bar of `History.columns(symbol)`, warm-up included. Raises BadInputError for an input that is
    none, or that the history was not asked for."""
    closes_ms = history.columns(symbol).open_time_ms + history.interval_ms
    try:
        observed = {name: history.observed(symbol, name) for name in streams_of(inputs)}
    except KeyError as error:
        raise BadInputError(f"{error.args[0]} is an input, and was not read with the history of this run") from error
    return see(symbol, inputs, closes_ms, observed)


def window_of(history: History, symbol: str, inputs: Sequence[str]) -> BarColumns:
    """`History.columns(symbol)`, with what was seen beside them by a part that names inputs. Raises as `seen_by`."""
    bars = history.columns(symbol)
    return bars.beside(seen_by(history, symbol, inputs)) if inputs else bars


def said_of_history(history: History, strategy: Strategy, first_ms: Mapping[str, int] | None = None) -> Spoken:
    """What parts say of the whole market, each shown the bars that open at its `first_ms` or later, or all of them."""
    at_once_ms = {part.name: 0 for part in strategy.parts}
    desks = market_desks(strategy, at_once_ms)
    if not desks:
        return NOTHING
    fold = MarketFold(strategy, desks, history.symbols)
    inputs = strategy.market_inputs if fold.sees_market else ()
    columns = [window_of(history, symbol, inputs) for symbol in history.symbols]
    return fold.say(columns, at_once_ms if first_ms is None else first_ms, {})


def window_of_part(
    history: History, symbol: str, strategy: Strategy, part: Part, market: Spoken | None = None
) -> BarColumns:
    """`History.columns(symbol)`, with what a part saw beside them: of other parts, what they say of the whole history,
    of the market as it is told by `said_of_history`. For a part that waits for no model. Raises as `seen_by`."""
    bars = window_of(history, symbol, strategy.market_inputs)
    if not part.inputs:
        return replace(bars, seen=None)
    market = said_of_history(history, strategy) if market is None else market
    closes_ms = bars.open_time_ms + bars.interval_ms
    spoken: dict[str, Said] = {}
    for one in strategy.parts:
        if one.name in strategy.parts_seen(part):
            said = fresh_values(strategy, one, bars, market)
            there = ~np.isnan(said).all(axis=1)
            spoken[one.name] = closes_ms[there], said[there]
    return replace(bars, seen=seen_by_part(strategy, part, bars, spoken))


def window_over_market(history: History, strategy: Strategy, part: Part) -> BarColumns:
    """The bars of all symbols side by side, with what a part over the market saw beside them. As `window_of_part`."""
    market = said_of_history(history, strategy)
    columns = [window_of_part(history, symbol, strategy, part, market) for symbol in history.symbols]
    bars = columns_side_by_side(columns)
    seen = [one.seen for one in columns if one.seen is not None and len(one.close)]
    if not seen:
        return bars
    return bars.beside(seen_side_by_side(history.symbols, seen, bars.open_time_ms + bars.interval_ms))


def said_of_bars(history: History, symbol: str, strategy: Strategy, part: Part, market: Spoken | None = None) -> Floats:
    """What a part that waits for no model says of each of the bars of a symbol (n, outputs), as `window_of_part`."""
    market = said_of_history(history, strategy) if market is None else market
    return fresh_values(strategy, part, window_of(history, symbol, strategy.market_inputs), market)


class SeenHistory:
    """Implements `core.market.seeing.Sees`: tells the rows of a history at their times."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen

    def take(self, one: Observation) -> None:
        """It is in the history."""

    def close(self, bar: Bar) -> None:
        """It is in the history."""

    def window(self, count: int, until_ms: int) -> Seen:
        """At most `count` rows of closes at or before `until_ms`, oldest first."""
        stop = int(self._seen.close_ms.searchsorted(until_ms, side="right"))
        return self._seen.at(slice(max(0, stop - count), stop))
