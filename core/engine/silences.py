"""Which symbols are not forecast now, and why: what a part needs is missing, or what a rule said cannot be."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

log = logging.getLogger("quarterdeck.engine")


@dataclass(frozen=True, slots=True)
class Silent:
    """Of the bar that closed at `close_ms` nothing was forecast; `version` is the model that would have been asked."""

    close_ms: int
    why: str
    version: str = ""


class Silences:
    """By symbol, while they last. Each is logged when it begins, changes and ends."""

    def __init__(self) -> None:
        self._now: dict[str, Silent] = {}

    def now(self) -> Mapping[str, Silent]:
        return self._now

    def note(self) -> str:
        """The first of them, for the operator; empty where all are forecast."""
        return next((f"no forecast of {symbol}: {silent.why}" for symbol, silent in self._now.items()), "")

    def tell(self, symbol: str, close_ms: int, why: str, version: str = "", level: int = logging.WARNING) -> None:
        """Why a symbol has no forecast of its newest bar; empty where it has one."""
        before = self._now.get(symbol)
        if why:
            self._now[symbol] = Silent(close_ms, why, version)
            if before is None or before.why != why:
                log.log(level, "no forecast of %s: %s", symbol, why)
        elif before is not None:
            log.info("%s is forecast again (before: %s)", symbol, before.why)
            del self._now[symbol]
