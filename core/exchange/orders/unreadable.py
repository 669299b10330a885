"""What the exchange told that could not be taken as it stands: it forbids entries until the books agree."""

from __future__ import annotations

import logging
from collections import OrderedDict

from core.domain.errors import DataError, InvalidTransitionError
from core.exchange.connection.health import Health

log = logging.getLogger("quarterdeck.exchange")

_KEEP = 1000
_PART = "account data"

_Oddity = tuple[str, str]
"""The part of the account that it is about, and its words with the row that it was found in."""


class Oddities:
    """A comparison of books and account that agrees settles what was noted before it: whatever was odd did no harm.
    The same row, read again, is then no news."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self._open: OrderedDict[_Oddity, str] = OrderedDict()
        self._settled: OrderedDict[_Oddity, None] = OrderedDict()

    def note(self, part: str, problem: str, found_in: str) -> bool:
        """Whether it is news. `found_in` tells one row from another of which the same is wrong."""
        oddity = (part, found_in)
        if oddity in self._settled:
            return False
        is_news = oddity not in self._open
        self._open[oddity] = problem
        while len(self._open) > _KEEP:
            self._open.popitem(last=False)
        self._health.report(part, problem)
        return is_news

    def note_unreadable(self, error: DataError | InvalidTransitionError, found_in: str = "") -> None:
        """Something that cannot be read, or cannot be, in the row or of the order `found_in`, where the error itself
        does not name it."""
        if self.note(_PART, f"{error}; clears when the books agree", f"{found_in}: {error}"):
            log.error("%s%s", error, f" ({found_in})" if found_in else "")

    def noted(self) -> tuple[_Oddity, ...]:
        """What is not settled yet."""
        return tuple(self._open)

    def settle(self, noted: tuple[_Oddity, ...]) -> None:
        for oddity in noted:
            if self._open.pop(oddity, None) is not None:
                self._settled[oddity] = None
        while len(self._settled) > _KEEP:
            self._settled.popitem(last=False)
        for part in {part for part, _ in noted}:
            left = [problem for (where, _), problem in self._open.items() if where == part]
            self._health.report(part, left[-1] if left else "")
