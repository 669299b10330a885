"""Which symbols are not forecast now, and why: what a part needs is missing, or what a rule said cannot be."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from core.domain.forecast import MARKET

log = logging.getLogger("quarterdeck.engine")


@dataclass(frozen=True, slots=True)
class Silent:
    """Of the bar that closed at `close_ms` nothing was forecast by `part`, which is named where a strategy has several;
    `version` is the model that would have been asked."""

    close_ms: int
    why: str
    version: str = ""
    part: str = ""

    @property
    def reason(self) -> str:
        return f"{self.part}: {self.why}" if self.part else self.why


class Silences:
    """By symbol and part, while they last. Each is logged when it begins, changes and ends."""

    def __init__(self) -> None:
        self._now: dict[tuple[str, str], Silent] = {}

    def now(self) -> Mapping[str, Silent]:
        """By symbol, the part that has been silent for longest; the whole market is MARKET."""
        found: dict[str, Silent] = {}
        for (symbol, _), silent in self._now.items():
            found.setdefault(symbol, silent)
        return found

    def note(self) -> str:
        """The first of them, for the operator; empty where all are forecast."""
        return next((f"no forecast of {_whom(*which)}: {silent.why}" for which, silent in self._now.items()), "")

    def tell(
        self, symbol: str, close_ms: int, why: str, version: str = "", *, part: str = "", level: int = logging.WARNING
    ) -> None:
        """Why a symbol has no forecast of its newest bar; empty where it has one."""
        which = symbol, part
        before = self._now.get(which)
        if why:
            self._now[which] = Silent(close_ms, why, version, part)
            if before is None or before.why != why:
                log.log(level, "no forecast of %s: %s", _whom(*which), why)
        elif before is not None:
            log.info("%s is forecast again (before: %s)", _whom(*which), before.why)
            del self._now[which]


def _whom(symbol: str, part: str) -> str:
    whom = symbol if symbol != MARKET else "the market"
    return f"{whom} by {part}" if part else whom
