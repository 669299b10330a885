"""Rules over the whole market: the bars of all symbols side by side, and what is said of them all at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from core.domain.forecast import MARKET
from core.domain.market import Bar
from core.ports import BarColumns
from core.strategy.chain import Spoken
from core.strategy.declaration import Strategy
from core.strategy.rules import RuleDesk

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


def market_desks(strategy: Strategy, delays_ms: Mapping[str, int]) -> dict[str, RuleDesk]:
    """One for each part that speaks of the market, by part."""
    parts = [part for part in strategy.parts if part.scope == "market"]
    return {part.name: RuleDesk(strategy, (MARKET,), delays_ms[part.name], part) for part in parts}


def said_of_market(desks: Mapping[str, RuleDesk], bars: BarColumns, first_ms: Mapping[str, int]) -> Spoken:
    """Fold the next bars of the market into rules, those that open at a part's `first_ms` or later: the closes at which
    each said something, and what."""
    said = {}
    for name, desk in desks.items():
        own = bars.at(slice(int(np.searchsorted(bars.open_time_ms, first_ms[name])), None))
        values = desk.values(own)
        there = ~np.isnan(values).all(axis=1)
        said[name] = (own.open_time_ms[there] + own.interval_ms, values[there])
    return said
