"""What is wrong between us and the exchange, told by whoever notices and read by whoever must not trade on it."""

from __future__ import annotations

import asyncio

from core.domain.plain import plain


class Health:
    """Problems by part ("market stream", "account stream", "clock", "requests"); no problem, no entry.

    A problem of one contract names its symbol, and forbids entries there alone.
    """

    def __init__(self) -> None:
        self._problems: dict[tuple[str, str], str] = {}
        self.changed = asyncio.Event()
        self.standing = ""
        """Why entries still wait though nothing is wrong any more."""

    def report(self, part: str, problem: str, symbol: str = "") -> None:
        """Say what is wrong with `part` now, in a few words for the operator; empty when it is well again."""
        problem = plain(problem)
        if self._problems.get((symbol, part), "") == problem:
            return
        if problem:
            self._problems[symbol, part] = problem
        else:
            del self._problems[symbol, part]
        self.changed.set()

    def wait(self, why: str) -> None:
        """Say why entries still wait though nothing is wrong any more; empty when they go on."""
        self.standing = why

    def problem(self, symbol: str = "") -> str:
        """All that is wrong with the account or, where one is named, with a contract, in one line; empty when all is
        well."""
        return "; ".join(
            f"{part}: {problem}" for (where, part), problem in sorted(self._problems.items()) if where == symbol
        )
