"""What was wished, by the journal alone: how much is to be held at most, and that nothing is to be held any more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from core.domain.operator import Verb
from core.domain.orders import OrderRole
from core.domain.records import IntentRecord, OperatorRecord, Record
from core.trader.state import FLAT_ID


@dataclass
class Wishes:
    """`ours` answers with the lots of ours that the exchange holds in a symbol, signed."""

    ours: Callable[[str], int]
    is_flat_wished: bool = False
    _largest: dict[str, int] = field(default_factory=dict)

    def take(self, records: Sequence[Record]) -> None:
        for record in records:
            match record:
                case IntentRecord(order) if order.role is OrderRole.ENTRY:
                    self._largest[order.symbol] = max(order.qty_lots, self._largest.get(order.symbol, 0))
                case OperatorRecord(command) if command.command_id.endswith(FLAT_ID):
                    pass  # It tells of an earlier one, after which entries may have been resumed.
                case OperatorRecord(command, result) if not result.startswith("refused") and not command.symbol:
                    if command.verb in (Verb.FLATTEN, Verb.RESUME):
                        self.is_flat_wished = command.verb is Verb.FLATTEN
                case _:
                    pass

    def is_too_much(self, symbol: str) -> bool:
        """Whether more is held on a side than any entry was for."""
        return symbol in self._largest and abs(self.ours(symbol)) > self._largest[symbol]

    def is_unwanted(self, symbol: str) -> bool:
        """Whether anything is held although all of it is to go."""
        return self.is_flat_wished and bool(self.ours(symbol))
