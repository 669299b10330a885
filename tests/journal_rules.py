"""What the journal's database refuses, for the journals in memory: a kit that takes more than it lets faults pass."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter

from core.domain.errors import StorageError
from core.domain.orders import Order
from core.domain.records import (
    AdjustmentRecord,
    CancelRecord,
    FillRecord,
    FundingRecord,
    IntentRecord,
    OrderUpdateRecord,
    Record,
)

_fixed = attrgetter("symbol", "side", "type", "role", "created_ms", "trade_id", "origin", "reduce_only")
"""What never changes in an order; its counts do, where the contract is counted in a finer grid since."""


class JournalRules:
    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._keys: set[tuple[str, ...]] = set()
        self._intents: dict[str, Order] = {}
        self.take(list(records))

    def take(self, records: Sequence[Record]) -> None:
        """Raises StorageError where the database would, and then holds nothing of `records`."""
        keys: set[tuple[str, ...]] = set()
        # As in the database, an intent stands before what the same commit tells of it.
        intents = {record.order.client_order_id: record.order for record in records if isinstance(record, IntentRecord)}
        for record in records:
            key = _key(record)
            if key is not None and (key in keys or key in self._keys):
                raise StorageError(f"a record breaks a rule of the database (UNIQUE {': '.join(key)})")
            keys.update([key] if key is not None else [])
            if isinstance(record, CancelRecord):
                self._known(record.client_order_id, intents)
            elif isinstance(record, OrderUpdateRecord | FillRecord):
                intent = self._known(record.order.client_order_id, intents)
                if _fixed(intent) != _fixed(record.order):
                    raise StorageError(f"an order was updated that differs from its intent: {record.order}")
        self._keys |= keys
        self._intents |= intents

    def _known(self, client_order_id: str, intents: dict[str, Order]) -> Order:
        known = intents.get(client_order_id) or self._intents.get(client_order_id)
        if known is None:
            raise StorageError(f"a record breaks a rule of the database (no intent of {client_order_id})")
        return known


def _key(record: Record) -> tuple[str, ...] | None:
    """What no second record may have."""
    match record:
        case IntentRecord(order):
            return "order", order.client_order_id
        case FillRecord(fill):
            return "fill", fill.symbol, fill.fill_id
        case FundingRecord(payment):
            return "funding", payment.symbol, payment.funding_id
        case AdjustmentRecord(adjustment_id):
            return "adjustment", adjustment_id
        case _:
            return None
