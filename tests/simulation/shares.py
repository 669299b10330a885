"""Whose the exchange's net position is: told from the exchange's own trades, and from the engine's journal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from core.domain.records import AdjustmentRecord, IntentRecord, PositionRecord, Record
from core.domain.trading import Position
from tests.venue.exchange import Exchange
from tests.venue.orders import Trade

OUR_PREFIX = "qd"
EXTERNAL_LOTS = "external position lots"


def is_ours(client_id: str) -> bool:
    return client_id.startswith(OUR_PREFIX)


def is_trade_ours(exchange: Exchange, trade: Trade) -> bool:
    """Whether our order made it; a conditional order's child is its parent's."""
    return is_ours(client_id_of(exchange, trade))


def client_id_of(exchange: Exchange, trade: Trade) -> str:
    parent = exchange.algos.get(trade.order.parent) if trade.order.parent else None
    return parent.client_id if parent is not None else trade.order.client_id


@dataclass
class Shares:
    """Signed lots of `ours` and of `others` by symbol; their sum is the net, and never are they on opposite sides.

    A foreign trade against ours takes from ours first. What is left of it, and every other foreign trade, is the
    others'. Lots on opposite sides, from trades that crossed, are no lots at all.
    """

    exchange: Exchange
    ours: dict[str, int] = field(default_factory=dict)
    others: dict[str, int] = field(default_factory=dict)
    _newest_id: int = 0

    def changed(self, symbol: str, now_ms: int) -> None:
        """Take in the trades that are new: an exchange's watcher."""
        fresh: list[Trade] = []
        for trade in reversed(self.exchange.ledger.trades):
            if trade.trade_id <= self._newest_id:
                break
            fresh.append(trade)
        for trade in reversed(fresh):
            self._newest_id = trade.trade_id
            self._take(trade.order.symbol, trade.order.sign * trade.lots, is_trade_ours(self.exchange, trade))

    def _take(self, symbol: str, lots: int, is_ours_: bool) -> None:
        ours, others = self.ours.get(symbol, 0), self.others.get(symbol, 0)
        if is_ours_:
            ours += lots
        else:
            from_ours = opposed(ours, lots)
            ours += from_ours
            others += lots - from_ours
        crossed = opposed(ours, others)
        self.ours[symbol], self.others[symbol] = ours + crossed, others - crossed


def opposed(held: int, lots: int) -> int:
    """The part of signed `lots` that takes off from signed `held`."""
    if held * lots >= 0:
        return 0
    return max(-held, lots) if lots < 0 else min(-held, lots)


@dataclass
class Held:
    """Positions of the journal by symbol and strategy, an empty name for all that is held of the symbol."""

    _kept: dict[str, dict[str, Position]] = field(default_factory=dict)

    def take(self, record: PositionRecord) -> int:
        """The net of the symbol after it, in signed lots."""
        symbol = record.position.symbol
        kept = {} if not record.strategy else self._kept.get(symbol, {})
        trade_id = record.position.trade_id
        others = {name: one for name, one in kept.items() if name != record.strategy and one.trade_id != trade_id}
        self._kept[symbol] = {**others, record.strategy: record.position}
        return sum(position.lots for position in self._kept[symbol].values())

    def trade_ids(self, symbol: str) -> set[str]:
        return {position.trade_id for position in self._kept.get(symbol, {}).values() if position.lots}

    def copy(self) -> Held:
        return Held({symbol: dict(kept) for symbol, kept in self._kept.items()})


@dataclass
class Claims:
    """What the journal says: signed lots of the engine's books, and those of others that it knows of since when."""

    ours: dict[str, int] = field(default_factory=dict)
    held: Held = field(default_factory=Held)
    whose: dict[str, str] = field(default_factory=dict)
    """Which strategy's an order is, by its client id."""
    others: dict[str, int] = field(default_factory=dict)
    others_since_ms: dict[str, int] = field(default_factory=dict)

    def take(self, records: Sequence[Record], now_ms: int) -> None:
        for record in records:
            match record:
                case IntentRecord(order):
                    self.whose[order.client_order_id] = order.origin.strategy
                case PositionRecord(position):
                    self.ours[position.symbol] = self.held.take(record)
                case AdjustmentRecord(symbol=symbol, what=what, theirs=theirs) if what == EXTERNAL_LOTS:
                    self.others[symbol] = int(theirs)
                    if not self.others[symbol]:
                        self.others_since_ms.pop(symbol, None)
                    else:
                        self.others_since_ms.setdefault(symbol, now_ms)
                case _:
                    pass

    def phantom_lots(self, symbol: str, net: int) -> int:
        """How many lots of the books the exchange's net does not have."""
        ours = self.ours.get(symbol, 0)
        return max(0, ours - max(net, 0)) if ours > 0 else max(0, min(net, 0) - ours)

    def unknown_lots(self, symbol: str, net: int) -> int:
        """Net beyond the books and what is known of others."""
        return net - self.ours.get(symbol, 0) - self.others.get(symbol, 0)
