"""Rules over the whole market: the bars of all symbols side by side with what was seen of each, and what is said of
them all at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from core.domain.forecast import MARKET
from core.domain.market import Bar
from core.ports import NEVER, BarColumns, Seen
from core.strategy.chain import NOTHING, Said, Spoken, rules_over, seen_by_part
from core.strategy.declaration import Part, Strategy
from core.strategy.rules import Floats, RuleDesk
from core.strategy.said import Times

_PRICES = ("open", "high", "low", "close", "volume")


def side_by_side(symbols: Sequence[str], bars: Sequence[Bar]) -> BarColumns:
    """Bars of one close as one row: each price (1, symbols), NaN where a symbol has none. Of bars of several closes,
    those of the newest."""
    newest = max(bars, key=lambda bar: bar.open_time_ms)
    places = {symbol: place for place, symbol in enumerate(symbols)}
    prices = np.full((len(_PRICES), 1, len(symbols)), np.nan)
    for bar in bars:
        if bar.open_time_ms == newest.open_time_ms:
            prices[:, 0, places[bar.symbol]] = [getattr(bar, name) for name in _PRICES]
    return BarColumns(MARKET, newest.interval_ms, np.array([newest.open_time_ms], np.int64), *prices)


def columns_side_by_side(columns: Sequence[BarColumns]) -> BarColumns:
    """Bars of several symbols, each price (n, symbols) at the n opens at which any of them has a bar."""
    opens_ms = np.unique(np.concatenate([one.open_time_ms for one in columns]))
    prices = np.full((len(_PRICES), len(opens_ms), len(columns)), np.nan)
    for place, one in enumerate(columns):
        rows = np.searchsorted(opens_ms, one.open_time_ms)
        for price, name in zip(prices, _PRICES, strict=True):
            price[rows, place] = getattr(one, name)
    return BarColumns(MARKET, columns[0].interval_ms, opens_ms, *prices)


def seen_side_by_side(symbols: Sequence[str], seen: Sequence[Seen], closes_ms: Times) -> Seen:
    """What was seen of each of some symbols as what was seen of the market, at closes among which theirs are: values
    (n, symbols, columns), NaN where a symbol has no row, and nothing known of it then."""
    first = seen[0]
    values = np.full((len(closes_ms), len(symbols), len(first.names)), np.nan)
    ages_ms = np.full((len(closes_ms), len(symbols), len(first.inputs)), NEVER, np.int64)
    for one in seen:
        rows, place = np.searchsorted(closes_ms, one.close_ms), symbols.index(one.symbol)
        values[rows, place] = one.values
        ages_ms[rows, place] = one.ages_ms
    return Seen(MARKET, first.inputs, first.names, closes_ms, values, ages_ms, first.max_ages_ms)


def market_desks(strategy: Strategy, delays_ms: Mapping[str, int]) -> dict[str, RuleDesk]:
    """One for each part that speaks of the market, by part."""
    parts = [part for part in strategy.parts if part.scope == "market"]
    return {part.name: RuleDesk(strategy, (MARKET,), delays_ms[part.name], part) for part in parts}


class MarketFold:
    """Folds the next bars of all symbols into the rules over the market, `desks` by part, and into those of each symbol
    that they see, whose words are told again here for them alone."""

    def __init__(self, strategy: Strategy, desks: Mapping[str, RuleDesk], symbols: Sequence[str]) -> None:
        self._parts = {part.name: part for part in strategy.parts}
        self._strategy = strategy
        self._desks = desks
        self._symbols = tuple(symbols)
        behind = [self._parts[name] for name in sorted({seen for desk in desks for seen in self._behind(desk)})]
        of_symbols = [part for part in behind if part.rule is not None and part.scope == "symbol"]
        self._behind_desks = {part.name: RuleDesk(strategy, symbols, 0, part) for part in of_symbols}
        asked = [part for part in strategy.parts if part.name in desks or part in of_symbols]
        self.sees_market = any(strategy.market_seen(part) for part in asked)
        """Whether what was seen beside the bars must be told with them."""

    def say(
        self, columns: Sequence[BarColumns], first_ms: Mapping[str, int], spoken: Mapping[str, Spoken]
    ) -> dict[str, Said]:
        """The closes at which each part said something of the market, and what.

        `columns` are the bars of each symbol, some of which there are; a part is shown those that open at its
        `first_ms` or later. `spoken` is by symbol, MARKET for the whole, what no rule over bars can tell again.
        """
        bars = columns_side_by_side([replace(one, seen=None) for one in columns])
        there = [one for one in columns if len(one.open_time_ms)]
        heard = {one.symbol: dict(spoken.get(one.symbol, NOTHING)) for one in there}
        said: dict[str, Said] = {}
        for part in self._strategy.parts:
            if part.name in self._desks:
                own = self._of_market(part, bars, there, first_ms[part.name], heard)
                told = spoken.get(MARKET, NOTHING).get(part.name)
                said[part.name] = own if told is None else _within(told, bars)
                for words in heard.values():
                    words[part.name] = said[part.name]
            elif part.name in self._behind_desks:
                desk = {part.name: self._behind_desks[part.name]}
                for one in there:
                    values = rules_over(self._strategy, desk, one, first_ms, heard[one.symbol])[part.name]
                    own = _told(one.open_time_ms + one.interval_ms, values)
                    heard[one.symbol].setdefault(part.name, own)
        return said

    def _of_market(
        self,
        part: Part,
        bars: BarColumns,
        columns: Sequence[BarColumns],
        first_ms: int,
        heard: Mapping[str, Spoken],
    ) -> Said:
        own = bars.at(bars.open_time_ms >= first_ms)
        closes_ms = own.open_time_ms + own.interval_ms
        if part.inputs and len(closes_ms):
            shown = [one.at(one.open_time_ms >= first_ms) for one in columns]
            seen = [seen_by_part(self._strategy, part, one, heard[one.symbol]) for one in shown]
            own = own.beside(seen_side_by_side(self._symbols, seen, closes_ms))
        return _told(closes_ms, self._desks[part.name].values(own))

    def _behind(self, name: str) -> set[str]:
        """The parts that one sees, of whatever part in between."""
        seen = self._strategy.parts_seen(self._parts[name])
        return {*seen, *(behind for one in seen for behind in self._behind(one))}


def _within(said: Said, bars: BarColumns) -> Said:
    """What was said of some bars."""
    inside = np.isin(said[0], bars.open_time_ms + bars.interval_ms)
    return said[0][inside], said[1][inside]


def _told(closes_ms: Times, values: Floats) -> Said:
    there = ~np.isnan(values).all(axis=1)
    return closes_ms[there], values[there]
