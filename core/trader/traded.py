"""The strategies by which an account is traded, each by its name."""

from __future__ import annotations

from collections.abc import Iterable

from core.strategy.declaration import Strategy
from core.trader.strategy_book import StrategyBook


class Traded:
    """In the order of the settings. The first looks after what is still held of one that trades no more."""

    def __init__(self, strategies: Iterable[Strategy]) -> None:
        self._by_name = {strategy.name: strategy for strategy in strategies}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._by_name)

    @property
    def first(self) -> Strategy:
        return next(iter(self._by_name.values()))

    def of(self, s: StrategyBook) -> Strategy:
        """By which what is held there is looked after."""
        return self._by_name.get(s.strategy) or self.first

    def follow(self, strategy: Strategy) -> None:
        """In place of the one of its name, or else of the first."""
        replaced = strategy.name if strategy.name in self._by_name else self.first.name
        self._by_name = {
            (strategy.name if name == replaced else name): (strategy if name == replaced else other)
            for name, other in self._by_name.items()
        }
