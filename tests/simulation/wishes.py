"""What was wished, by the journal alone: how much is to be held at most, and that nothing is to be held any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from core.domain.operator import LimitEffect, Verb
from core.domain.orders import Order, OrderRole
from core.domain.records import (
    FillRecord,
    IntentRecord,
    LimitRecord,
    OperatorRecord,
    OrderUpdateRecord,
    PositionRecord,
    Record,
)
from tests.simulation.latches import is_accepted
from tests.simulation.shares import Held


@dataclass
class Wishes:
    """`ours` answers with the lots of ours that the exchange holds in a symbol, signed."""

    ours: Callable[[str], int]
    is_flat_wished: bool = False
    closed_by: set[str] = field(default_factory=set)
    """Limits that close everything as long as they stand."""

    _entries: dict[str, dict[str, Order]] = field(default_factory=dict)
    """By symbol, each by its client id."""
    _held: Held = field(default_factory=Held)
    _meant: dict[tuple[str, int], int] = field(default_factory=dict)
    """The most lots by symbol and sign of the side."""

    def take(self, records: Sequence[Record]) -> None:
        for record in records:
            match record:
                case IntentRecord(order) | OrderUpdateRecord(_, order) | FillRecord(_, order):
                    if order.role is OrderRole.ENTRY:
                        self._entries.setdefault(order.symbol, {})[order.client_order_id] = order
                        self._mean(order.symbol)
                case PositionRecord(position):
                    self._held.take(record)
                    self._mean(position.symbol)
                case OperatorRecord(command, result) if is_accepted(command.command_id, result) and not command.symbol:
                    if command.verb in (Verb.FLATTEN, Verb.RESUME):
                        self.is_flat_wished = command.verb is Verb.FLATTEN
                case LimitRecord(event) if event.effect is LimitEffect.FLATTEN:
                    (self.closed_by.add if event.fired else self.closed_by.discard)(event.limit)
                case _:
                    pass

    def _mean(self, symbol: str) -> None:
        # A late fill of an entry that was given up begins a trade with its id and a number.
        trade_ids = {trade_id.partition("+")[0] for trade_id in self._held.trade_ids(symbol)}
        entries = self._entries.get(symbol, {}).values()
        for sign in (1, -1):
            mine = [o for o in entries if o.side.sign == sign and (o.is_open or o.trade_id in trade_ids)]
            # What was to be added, and was not, is meant no more.
            added = sum(o.qty_lots if o.is_open else o.filled_lots for o in mine if o.place)
            first: Counter[str] = Counter()
            for order in mine:
                if not order.place:
                    first[order.origin.strategy] = max(first[order.origin.strategy], order.qty_lots)
            self._meant[symbol, sign] = sum(first.values()) + added

    def is_too_much(self, symbol: str) -> bool:
        """Whether more is held on a side than the entries of the open trade were for, or one that is under way."""
        lots = self.ours(symbol)
        return symbol in self._entries and abs(lots) > self._meant[symbol, 1 if lots > 0 else -1]

    def is_unwanted(self, symbol: str) -> bool:
        """Whether anything is held although all of it is to go."""
        return bool(self.is_flat_wished or self.closed_by) and bool(self.ours(symbol))
