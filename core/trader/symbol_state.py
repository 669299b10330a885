"""One symbol of the account: what the market is at, and which strategies hold what of it.

At the venue there is one position, their sum. A symbol's side belongs to who holds it: `other_side` names them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from itertools import chain
from typing import TypeVar

from core.domain.instrument import Instrument
from core.domain.orders import Fill, Order
from core.domain.trading import Position, Trade
from core.trader.open_trade import OpenTrade
from core.trader.strategy_book import StrategyBook

V = TypeVar("V")


@dataclass(slots=True)
class SymbolState:
    """`books` are those of strategies that trade, in the order of the settings, and behind them of any that the journal
    tells of. There is always one, and all are told what the market is at. `funding_due_ms` is when funding is settled
    next, as far as the market has told; a start is told anew. `lots` and `cost_usdt` mirror the ledger: what the venue
    holds for us, signed, at the mean cost of all of it."""

    instrument: Instrument
    strategies: InitVar[Iterable[str]]
    funding_due_ms: int = 0
    lots: int = 0
    cost_usdt: float = 0.0
    books: dict[str, StrategyBook] = field(init=False)

    def __post_init__(self, strategies: Iterable[str]) -> None:
        self.books = {name: StrategyBook(self.instrument, name) for name in strategies}

    def book(self, strategy: str) -> StrategyBook:
        """Of a strategy, whether it trades the symbol now or did once."""
        found = self.books.get(strategy)
        if found is None:
            found = self.books[strategy] = StrategyBook(self.instrument, strategy)
            found.mark, found.bar_close_ms = self.mark, self.bar_close_ms
        return found

    def left_behind(self, strategies: Collection[str]) -> list[StrategyBook]:
        """Those of strategies that trade no more, where `strategies` do."""
        if len(self.books) == len(strategies):
            return []
        return [s for name, s in self.books.items() if name not in strategies]

    def go_by(self, instrument: Instrument) -> None:
        """Take these rules of the contract."""
        self.instrument = instrument
        for s in self.books.values():
            s.go_by(instrument)

    @property
    def mark(self) -> float:
        return next(iter(self.books.values())).mark

    @property
    def bar_close_ms(self) -> int:
        return next(iter(self.books.values())).bar_close_ms

    def see_price(self, price: float) -> None:
        for s in self.books.values():
            s.mark = price

    def see_bar(self, close: float, close_ms: int) -> None:
        for s in self.books.values():
            s.mark, s.bar_close_ms = close, close_ms

    def take_net(self, net: Position | None) -> None:
        self.lots, self.cost_usdt = (net.lots, float(net.cost_usdt)) if net is not None else (0, 0.0)

    @property
    def notional_usdt(self) -> float:
        return abs(self.lots) * self.lot_qty * self.mark

    @property
    def unrealised_usdt(self) -> float:
        s = next(iter(self.books.values()))
        return self.lots * s.lot_qty * s.mark - self.cost_usdt

    @property
    def lot_qty(self) -> float:
        return next(iter(self.books.values())).lot_qty

    @property
    def entry_price(self) -> float:
        """The mean of all that is held."""
        return self.cost_usdt / (self.lots * self.lot_qty)

    @property
    def orders(self) -> Mapping[str, Order]:
        """The open ones of all."""
        return _together([s.orders for s in self.books.values()])

    @property
    def ended(self) -> Mapping[str, Order]:
        """The last that closed, of all."""
        return _together([s.ended for s in self.books.values()])

    @property
    def canceling(self) -> Mapping[str, int]:
        return _together([s.canceling for s in self.books.values()])

    def with_order(self, client_order_id: str) -> StrategyBook | None:
        """Whose an order is that is open or ended a while ago."""
        for s in self.books.values():
            if client_order_id in s.orders or client_order_id in s.ended:
                return s
        return None

    def is_covered(self) -> bool:
        """Whether stops that are known to rest cover all that is held and may still be added to it."""
        held = [s for s in self.books.values() if s.lots]
        return bool(held) and all(s.is_covered() for s in held)

    def unprotected_since_ms(self) -> int | None:
        """When a trade was last left without stops that are known to rest and cover it: of several the longest ago."""
        bare = [s.unprotected_since_ms for s in self.books.values() if s.unprotected_since_ms is not None]
        return min(bare, default=None)

    def holders(self) -> list[StrategyBook]:
        """Who holds something, the oldest trade first."""
        held = [s for s in self.books.values() if s.lots]
        return held if len(held) < 2 else sorted(held, key=_age)

    def closed(self) -> Sequence[Trade]:
        """The last trades of all, in the order in which they ended."""
        closed = [trade for s in self.books.values() for trade in s.closed]
        return closed if len(self.books) == 1 else sorted(closed, key=lambda trade: trade.exit_time_ms)

    def oldest_trade(self) -> OpenTrade | None:
        """The oldest that is open: of what is held before what is only wanted."""
        holders = self.holders()
        wanted = (s.trade for s in holders or self.books.values())
        return next((trade for trade in wanted if trade is not None), None)

    def other_side(self, strategy: str, direction: int) -> str:
        """Who holds the side against `direction`, or has an order under way that would: a strategy other than
        `strategy`. Empty where nobody does."""
        for name, s in self.books.items():
            if name != strategy and s.trade is not None and s.trade.side.sign * direction < 0:
                return name
        return ""

    def entries(self) -> list[Order]:
        """Those that may still fill."""
        return list(chain.from_iterable(s.entries() for s in self.books.values()))

    def shared_out(self, s: StrategyBook, fill: Fill) -> list[tuple[StrategyBook, int]]:
        """Whose lots a fill of an order of `s` moves, and how many. At the venue there is one position: what it closes
        beyond what its own strategy holds closes what others hold on that side, the oldest trade first. What goes
        through zero then is its own strategy's."""
        if len(self.books) == 1:
            return [(s, fill.qty_lots)]
        sign = fill.side.sign
        others = [other for other in self.holders() if other is not s and other.lots * sign < 0]
        left = fill.qty_lots - max(0, -s.lots * sign) if others else 0
        parts = []
        for other in others:
            lots = min(max(left, 0), abs(other.lots))
            if lots:
                parts.append((other, lots))
                left -= lots
        own = fill.qty_lots - sum(lots for _, lots in parts)
        return [(s, own), *parts] if own else parts


def _together(parts: list[dict[str, V]]) -> Mapping[str, V]:
    if len(parts) == 1:
        return parts[0]
    return {key: value for part in parts for key, value in part.items()}


def _age(s: StrategyBook) -> tuple[int, int]:
    assert s.trade is not None
    return s.trade.entry_time_ms, s.trade.decision_ms
