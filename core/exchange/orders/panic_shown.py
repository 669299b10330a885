"""Positions that an emergency exit knows of and the exchange tells no more, though no order closed them.

An exchange in trouble may answer with an empty list. Taken for flat, it would end the exit early and withdraw stops.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from core.exchange.orders.panic_plan import ZERO, Holding, share


class Shown:
    """What was told of the positions that are to be closed, less what was closed of them since."""

    def __init__(self) -> None:
        self._left: dict[tuple[str, bool], tuple[str, Decimal]] = {}

    def closed(self, holding: Holding, amount: Decimal) -> None:
        key = (holding.unified, holding.is_long)
        symbol, left = self._left.get(key, (holding.symbol, ZERO))
        self._left[key] = symbol, max(left - amount, ZERO)

    def missing(
        self, holdings: Sequence[Holding], ours: Mapping[str, Decimal] | None, unified: Mapping[str, str]
    ) -> dict[str, str]:
        """By contract (ccxt's symbol) what is missing in `holdings`, in words. `ours` as `plan_of` has it, `unified`
        names the contracts of our symbols."""
        told = {(holding.unified, holding.is_long): holding for holding in holdings}
        for key, holding in told.items():
            self._left[key] = holding.symbol, share(holding, ours)
        found = {
            key[0]: f"{_words(symbol, key[1], left)} is told no more, and no order here closed it"
            for key, (symbol, left) in self._left.items()
            if left and key not in told
        }
        for symbol, signed in (ours or {}).items():
            key = (unified.get(symbol, ""), signed > 0)
            if signed and key[0] and key not in self._left:
                words = _words(symbol, key[1], abs(signed))
                found[key[0]] = f"{words} is ours by the journal, and the exchange tells no such position"
        return found


def _words(symbol: str, is_long: bool, amount: Decimal) -> str:
    return Holding("", symbol, is_long, amount).words(amount)
