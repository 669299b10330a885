"""Signs that others trade on the account: noted by whoever sees one, until a look at the positions has judged them."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Mapping

from core.exchange.connection.health import Health
from core.exchange.connection.wire import Row

_PART = "trades of others"
_KEEP_HEARD = 1000


class Signs:
    """`asked` is set while somebody wants a look at the positions."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self._seen: Counter[str] = Counter()
        self._heard: deque[tuple[str, Row]] = deque(maxlen=_KEEP_HEARD)
        self.asked = asyncio.Event()

    def ask(self) -> None:
        """There is a sign that others traded, or that nothing is left to reduce."""
        self.asked.set()

    def heard(self, symbol: str, row: Row) -> None:
        """The stream told a trade of others: nothing is entered in `symbol` until a look has told what it did."""
        self._heard.append((symbol, row))
        self._seen[symbol] += 1
        self._health.report(_PART, "others traded here; clears when the position was looked at", symbol)
        self.ask()

    def heard_in(self, symbol: str) -> list[Row]:
        """The trades of others that the stream told, oldest first."""
        return [row for where, row in self._heard if where == symbol]

    def seen(self) -> Counter[str]:
        """How many were seen by symbol, of which no look has told yet."""
        return self._seen.copy()

    def looked(self, seen: Mapping[str, int]) -> None:
        """What was seen of others before the positions were read is in them."""
        for symbol, n in seen.items():
            if self._seen[symbol] == n:
                del self._seen[symbol]
                self._health.report(_PART, "", symbol)

    def ask_again(self) -> None:
        """Where trades of others were seen that no look has told of yet."""
        if self._seen:
            self.ask()
